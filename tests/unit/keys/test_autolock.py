"""Autolock as declared: turned on, turned off, and its key in its file."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pyinfra_swarm.keys.autolock import needs_fingerprint, plan_autolock
from pyinfra_swarm.keys.unlock_key import KeyFile
from pyinfra_swarm.nodes.membership import Membership, Observed
from pyinfra_swarm.run.findings import Change, Finding, Notice, Refusal
from pyinfra_swarm.settings import Settings
from tests.builders import FRESH, the
from tests.unit.keys.clusters import (
    AUTOLOCKED,
    CONVERGED,
    FILE,
    LOCKING,
    NO_FILE_YET,
    NO_MANAGER,
    OFF,
    PATH,
    RK1,
    SETTINGS,
    UNMOUNTED,
    cluster_of,
    of,
)


def autolock(
    settings: Settings,
    observed: Observed,
    file: KeyFile | None,
    known: str = "",
    name: str = "rk1",
) -> list[Finding]:
    return plan_autolock(settings, observed, settings.host(name), file, known)


def test_without_a_declaration_autolock_is_not_ours() -> None:
    assert autolock(SETTINGS, CONVERGED, None) == []
    sentence = the(Notice, autolock(SETTINGS, AUTOLOCKED, None))
    assert "is on, set by hand" in sentence
    assert "swarm.unlock_key_file" in sentence


def test_it_is_turned_on_by_the_acting_manager_alone() -> None:
    sentence = the(Change, autolock(LOCKING, CONVERGED, NO_FILE_YET))
    assert f"(off → on, the unlock key kept in {PATH})" in sentence
    assert autolock(LOCKING, CONVERGED, NO_FILE_YET, name="rk2") == []


def test_of_a_swarm_to_come_it_is_planned_too() -> None:
    fresh = dict.fromkeys(CONVERGED, FRESH)
    assert "kept in" in the(Change, autolock(LOCKING, fresh, NO_FILE_YET))
    assert "is not there" in the(Refusal, autolock(LOCKING, fresh, UNMOUNTED))
    assert autolock(LOCKING, fresh, NO_FILE_YET, name="rk2") == []
    assert autolock(SETTINGS, fresh, None) == []


@pytest.mark.parametrize(("observed", "on"), [(CONVERGED, False), (AUTOLOCKED, True)])
def test_a_key_without_a_place_is_refused(observed: Observed, on: bool) -> None:
    sentence = the(Refusal, autolock(LOCKING, observed, UNMOUNTED))
    assert f"cannot be kept in {PATH}: its folder /media/stick is not there" in sentence
    assert ("needed after the next reboot" in sentence) is on
    assert "mount what it is on" in sentence


def test_with_the_key_in_its_file_there_is_nothing_to_do() -> None:
    assert autolock(LOCKING, AUTOLOCKED, FILE, "aaaa") == []


def test_a_lost_key_is_fetched_and_another_one_kept() -> None:
    assert "is not in its file" in the(Change, autolock(LOCKING, AUTOLOCKED, NO_FILE_YET, "aaaa"))
    sentence = the(Change, autolock(LOCKING, AUTOLOCKED, FILE, "bbbb"))
    assert f"the other is kept in {PATH}.old" in sentence


def test_a_file_that_others_can_read_is_closed() -> None:
    sentence = the(Change, autolock(LOCKING, AUTOLOCKED, replace(FILE, mode=0o640), "aaaa"))
    assert "(0640 → 0600)" in sentence


def test_it_is_turned_off_where_a_file_is_declared() -> None:
    sentence = the(Change, autolock(OFF, AUTOLOCKED, FILE))
    assert f"{PATH} stays" in sentence
    assert autolock(OFF, CONVERGED, FILE) == []


def test_the_fingerprint_is_asked_only_of_the_acting_manager_and_only_where_it_matters() -> None:
    asked = [needs_fingerprint(LOCKING, AUTOLOCKED, host) for host in LOCKING.hosts]
    assert asked == [True, False, False, False]
    assert not needs_fingerprint(LOCKING, CONVERGED, RK1)
    assert not needs_fingerprint(SETTINGS, AUTOLOCKED, RK1)


def test_where_no_manager_answers_no_key_is_asked_for() -> None:
    assert not needs_fingerprint(LOCKING, NO_MANAGER, LOCKING.hosts[0])
    silent = cluster_of(SETTINGS)
    untold = of(silent, "rk1", spec=None)
    assert not needs_fingerprint(LOCKING, untold, RK1)
    assert autolock(LOCKING, untold, NO_FILE_YET) == []


def test_a_swarm_to_come_is_locked_only_where_it_is_declared_with_a_file() -> None:
    assert autolock(OFF, NO_MANAGER, NO_FILE_YET) == []
    assert autolock(LOCKING, NO_MANAGER, None) == []
    assert "off → on" in the(Change, autolock(LOCKING, NO_MANAGER, NO_FILE_YET))
    refused = the(Refusal, autolock(LOCKING, NO_MANAGER, UNMOUNTED))
    assert "needed after the next reboot" not in refused


def test_it_is_reported_by_the_first_manager_that_could_init_the_swarm() -> None:
    for first in (None, Membership("stopped")):
        observed: Observed = {**NO_MANAGER, "rk1": first}
        assert autolock(LOCKING, observed, NO_FILE_YET) == []
        assert autolock(LOCKING, observed, NO_FILE_YET, name="rk2")
    nobody: Observed = dict.fromkeys(NO_MANAGER, None)
    assert autolock(LOCKING, nobody, NO_FILE_YET) == []


def test_a_key_that_was_not_asked_for_is_not_judged() -> None:
    for file in (NO_FILE_YET, FILE):
        assert autolock(LOCKING, AUTOLOCKED, file, "") == []
