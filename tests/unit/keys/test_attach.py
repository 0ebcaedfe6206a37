"""Unlocked managers without overlay networks: which engines are restarted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pyinfra_swarm.keys.attach import plan_attachment
from pyinfra_swarm.keys.unlock_key import KeyFile
from pyinfra_swarm.run.findings import Change, Refusal
from tests.builders import FRESH, declared, the
from tests.unit.keys.clusters import (
    AUTOLOCKED,
    CONVERGED,
    CUT_OFF,
    FILE,
    GONE,
    LOCKING,
    NO_FILE_YET,
    PATH,
    RK1,
    RK2,
    RK4,
    SETTINGS,
    TERMS,
    cluster_of,
    of,
)


def test_an_unlocked_manager_without_networks_is_started_once_more() -> None:
    sentence = the(Change, plan_attachment(LOCKING, CUT_OFF, RK2, FILE))
    assert "do not work on this manager since it was unlocked" in sentence
    assert plan_attachment(LOCKING, CUT_OFF, RK1, FILE) == []
    assert plan_attachment(LOCKING, CUT_OFF, RK4, FILE) == []
    assert plan_attachment(LOCKING, AUTOLOCKED, RK2, FILE) == []


def test_nothing_is_connected_where_no_manager_says_how_the_swarm_is() -> None:
    alone = dict.fromkeys(AUTOLOCKED, FRESH)
    own = CUT_OFF["rk2"]
    assert (
        plan_attachment(LOCKING, {**alone, "rk2": own and replace(own, nodes=None)}, RK2, FILE)
        == []
    )
    untold = of(CUT_OFF, "rk1", spec=None)
    assert plan_attachment(LOCKING, untold, RK2, FILE) == []
    without = {
        name: replace(m, overlays=()) if m and m.controls else m for name, m in CUT_OFF.items()
    }
    assert plan_attachment(LOCKING, without, RK2, FILE) == []
    worker = of(AUTOLOCKED, "rk4", in_ingress=False)
    assert plan_attachment(LOCKING, worker, RK4, FILE) == []


def test_a_silent_host_is_left_alone() -> None:
    silent = {**CUT_OFF, "rk2": None}
    assert plan_attachment(LOCKING, silent, RK2, FILE) == []


@pytest.mark.parametrize("file", [None, NO_FILE_YET, replace(FILE, problem="it is a folder")])
def test_no_engine_is_restarted_without_the_key_in_its_file(file: KeyFile | None) -> None:
    sentence = the(Refusal, plan_attachment(LOCKING, CUT_OFF, RK2, file))
    assert "it would be locked again" in sentence


def test_of_two_managers_neither_can_be_spared_so_none_is_asked_for() -> None:
    two = declared(2, 1, swarm={"autolock": True, "unlock_key_file": PATH})
    observed = of(cluster_of(two, replace(TERMS, autolock=True)), "rk2", in_ingress=False)
    the(Change, plan_attachment(two, observed, two.host("rk2"), FILE))


def test_without_autolock_that_has_another_cause() -> None:
    assert plan_attachment(LOCKING, of(CONVERGED, "rk2", in_ingress=False), RK2, FILE) == []


def test_it_is_not_restarted_below_quorum_nor_without_a_key() -> None:
    spec = replace(TERMS, autolock=True)
    observed = of(cluster_of(SETTINGS, spec, rk3=GONE), "rk2", in_ingress=False)
    sentence = the(Refusal, plan_attachment(LOCKING, observed, RK2, FILE))
    assert "of 3 managers 2 must stay reachable, and without this one only 1 would be" in sentence
    sentence = the(Refusal, plan_attachment(LOCKING, CUT_OFF, RK2, NO_FILE_YET))
    assert "it would be locked again" in sentence
