"""How a swarm continues with one manager, and what the lost ones leave behind."""

from __future__ import annotations

import pytest

from pyinfra_swarm.backup import force_new_cluster_operations as operations
from pyinfra_swarm.backup.force_new_cluster import (
    Attach,
    ClearEntry,
    ContinueAlone,
    PutStateBack,
    RestoreAvailability,
    TakeLockOff,
    cleared,
    continuing_alone,
    forced,
    if_claim_is_false,
    lost_entries,
    lost_manager,
)
from pyinfra_swarm.engine.unlock_key import fingerprint
from pyinfra_swarm.run.converge import Unobserved
from pyinfra_swarm.run.findings import Finding, Notice
from tests.builders import SETTINGS
from tests.unit.backup.lost_managers import manager, node

WORDS = ("the swarm", "of two managers one is lost")


@pytest.mark.parametrize(
    ("step", "how"),
    [
        (forced("rk1"), ContinueAlone("s", True, force=True, put_back=False, take_lock_off=False)),
        (
            PutStateBack(*WORDS),
            ContinueAlone("s", True, force=False, put_back=True, take_lock_off=False),
        ),
        (
            TakeLockOff(*WORDS),
            ContinueAlone("s", True, force=False, put_back=False, take_lock_off=True),
        ),
        (Attach(*WORDS), ContinueAlone("s", True, attach=True)),
        (Notice(*WORDS), ContinueAlone("s", True)),
    ],
)
def test_how_it_continues_is_what_the_plan_has_steps_for(step: Finding, how: ContinueAlone) -> None:
    assert continuing_alone([step], cluster="s", autolock=True) == how
    assert (how.force, how.put_back, how.take_lock_off, how.attach).count(True) == (
        not isinstance(step, Notice)
    )


def test_what_the_manager_takes_again_is_what_its_step_says() -> None:
    step = RestoreAvailability(*WORDS, availability="pause")
    how = continuing_alone([Notice(*WORDS), step], cluster="s", autolock=False)
    assert how == ContinueAlone("s", False, availability="pause")


def test_an_entry_is_lost_where_a_manager_is_no_member_and_not_the_one_that_says_so() -> None:
    entries = (
        node("rk1", state="unknown", reachability=""),
        node("rk2", state="down", reachability=""),
        node("rk3"),
        node("rk4"),
    )
    assert [one.hostname for one in lost_entries(manager("rk1", entries))] == ["rk2"]


def test_an_entry_is_cleared_under_its_name_or_else_its_id() -> None:
    lost = [lost_manager("id2", "rk2", "192.0.2.2"), lost_manager("id3", "", "192.0.2.3")]
    steps = cleared([*lost, lost_manager("id1", "rk1", "192.0.2.1")], "id1")
    assert [step.what for step in steps] == ["node rk2", "node id3"]
    assert [step.name for step in steps if isinstance(step, ClearEntry)] == ["rk2", "id3"]


def test_only_of_a_declared_worker_a_claim_may_be_false() -> None:
    assert if_claim_is_false(SETTINGS, "rk1") == ""
    assert "rk4 is declared a worker" in if_claim_is_false(SETTINGS, "rk4")


def test_the_swarms_unlock_key_is_at_hand_or_another_or_not_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(operations, "observe", lambda fact: fingerprint("of the swarm"))
    assert operations._key_not_at_hand(["older", "of the swarm"]) == ""
    assert "another unlock key" in operations._key_not_at_hand(["older"])

    def no_leader(fact: object) -> str:
        raise Unobserved("rk1 did not answer: The swarm does not have a leader")

    monkeypatch.setattr(operations, "observe", no_leader)
    words = operations._key_not_at_hand(["of the swarm"])
    assert "is not known (rk1 did not answer: The swarm does not have a leader)" in words
    assert "another" not in words
