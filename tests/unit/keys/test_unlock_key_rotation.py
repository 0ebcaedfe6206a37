"""The unlock key: when it is replaced, and when not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pyinfra_swarm.keys.unlock_key import KeyFile
from pyinfra_swarm.keys.unlock_key_rotation import plan_key_rotation
from pyinfra_swarm.nodes.membership import Observed
from pyinfra_swarm.run.findings import Change, Finding, Notice, Refusal
from tests.builders import the
from tests.unit.keys.clusters import (
    AUTOLOCKED,
    CONVERGED,
    DOWN,
    FILE,
    GONE,
    LOCKING,
    NO_MANAGER,
    PATH,
    RK1,
    RK2,
    SETTINGS,
    TERMS,
    UNMOUNTED,
    cluster_of,
    of,
)


def rotation(observed: Observed, file: KeyFile | None, known: str = "aaaa") -> list[Finding]:
    return plan_key_rotation(LOCKING, observed, RK1, file, known)


def test_the_unlock_key_is_replaced_and_the_old_one_kept() -> None:
    sentence = the(Change, rotation(AUTOLOCKED, FILE))
    assert f"the old one in {PATH}.old" in sentence
    assert plan_key_rotation(LOCKING, AUTOLOCKED, RK2, FILE, "") == []


@pytest.mark.parametrize("missing", [{"state": "down"}, {"reachability": "unreachable"}])
def test_a_manager_that_is_missing_in_any_way_holds_up_a_new_key(missing: dict[str, str]) -> None:
    observed = cluster_of(SETTINGS, replace(TERMS, autolock=True), rk3=missing)
    assert "while rk3 cannot be reached" in the(Refusal, rotation(observed, FILE))
    workers = cluster_of(SETTINGS, replace(TERMS, autolock=True), rk4=DOWN)
    the(Change, rotation(workers, FILE))


def test_a_key_that_was_not_asked_for_does_not_hold_up_a_new_one() -> None:
    the(Change, rotation(AUTOLOCKED, FILE, ""))
    untold = of(AUTOLOCKED, "rk1", spec=None)
    assert "no declared manager" in the(Refusal, rotation(untold, FILE))


def test_a_rotation_that_was_interrupted_is_finished_first() -> None:
    change, notice = rotation(AUTOLOCKED, FILE, "bbbb")
    assert isinstance(change, Change)
    assert isinstance(notice, Notice)
    assert "is not replaced now" in notice.sentence()


@pytest.mark.parametrize(
    ("observed", "file", "words"),
    [
        (NO_MANAGER, FILE, "no declared manager answers for one"),
        (CONVERGED, FILE, "autolock is off, so there is none"),
        (AUTOLOCKED, None, "no file is declared to keep it in"),
        (AUTOLOCKED, UNMOUNTED, "its folder /media/stick is not there"),
        (
            cluster_of(SETTINGS, replace(TERMS, autolock=True), rk3=GONE),
            FILE,
            "is not replaced while rk3 cannot be reached",
        ),
    ],
)
def test_the_unlock_key_is_not_replaced(
    observed: Observed, file: KeyFile | None, words: str
) -> None:
    assert words in the(Refusal, rotation(observed, file))
