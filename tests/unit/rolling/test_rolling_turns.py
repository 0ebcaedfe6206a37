"""Whose turn it is, and what is due in it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pyinfra_swarm.nodes.membership import Membership, Node
from pyinfra_swarm.rolling.availability import drained, finished, is_restored, restored
from pyinfra_swarm.rolling.jobs import (
    Roll,
    restart,
)
from pyinfra_swarm.rolling.nodes import STAGES, in_stage
from pyinfra_swarm.rolling.plan import (
    RemoveLabel,
    RestoreNode,
    WorkOnNode,
    ordinal,
)
from pyinfra_swarm.rolling.turns import Due, order_of_turns
from pyinfra_swarm.rolling.turns import due as due_on
from pyinfra_swarm.run.findings import Change, Notice
from pyinfra_swarm.settings.labels import AVAILABILITY_BEFORE
from tests.builders import node
from tests.unit.rolling.rolling_examples import (
    ALL,
    MARK,
    NAMES,
    NOW,
    RESTART,
    RUNNING,
    SETTINGS,
    WHOLE,
    changed,
    found,
    sentences,
    swarm,
)


def test_managers_come_before_workers_and_the_leader_last_of_them() -> None:
    assert order_of_turns(SETTINGS, WHOLE, RESTART, NAMES) == ("rk2", "rk3", "rk1", "rk4")
    assert sentences(found(RESTART)) == {
        "rk1": ["the Docker daemon: is restarted, 3rd of 4"],
        "rk2": ["the Docker daemon: is restarted, 1st of 4"],
        "rk3": ["the Docker daemon: is restarted, 2nd of 4"],
        "rk4": ["the Docker daemon: is restarted, 4th of 4"],
    }


def test_a_node_that_was_left_half_way_comes_first() -> None:
    left = swarm(
        *changed(node(4, "worker", availability="drain", labels={AVAILABILITY_BEFORE: "active"}))
    )
    assert order_of_turns(SETTINGS, left, RESTART, NAMES) == ("rk4", "rk2", "rk3", "rk1")


def test_a_limited_run_has_only_its_own_turns() -> None:
    assert order_of_turns(SETTINGS, WHOLE, RESTART, ["rk3"]) == ("rk3",)
    assert sentences(found(RESTART, among=["rk3"])) == {
        "rk3": ["the Docker daemon: is restarted, 1st of 1"]
    }


def test_where_nothing_is_to_be_done_nothing_is_said() -> None:
    assert order_of_turns(SETTINGS, WHOLE, Roll("reboot", {}), NAMES) == ()
    assert set(map(len, found(Roll("reboot", {})).values())) == {0}


def test_a_node_is_drained_and_remembered_in_one_update_and_put_back_in_another() -> None:
    assert drained(node(2), {MARK: "1800000000"}) == [
        *("--availability", "drain"),
        *("--label-add", f"{AVAILABILITY_BEFORE}=active"),
        *("--label-add", f"{MARK}=1800000000"),
    ]
    half = node(2, availability="drain", labels={AVAILABILITY_BEFORE: "active", MARK: "1800000000"})
    assert drained(half, {}) == ["--availability", "drain"]
    assert restored(half) == ["--availability", "active"]
    assert finished(half) == ["--label-rm", AVAILABILITY_BEFORE]


@pytest.mark.parametrize(
    ("before", "now", "is_back"),
    [("active", "drain", False), ("active", "active", True), ("pause", "pause", True)],
)
def test_a_node_that_may_have_tasks_again_is_restored(before: str, now: str, is_back: bool) -> None:
    unfinished = node(2, availability=now, labels={AVAILABILITY_BEFORE: before})
    assert is_restored(unfinished) == is_back


@pytest.mark.parametrize("availability", ["active", "pause", "drain"])
def test_it_gets_back_the_availability_that_it_had(availability: str) -> None:
    [_, before] = drained(node(2, availability=availability), {})[2:]
    key, _, value = before.partition("=")
    assert restored(node(2, availability="drain", labels={key: value})) == [
        "--availability",
        availability,
    ]


def test_a_node_that_is_changed_already_is_only_looked_at_and_put_back() -> None:
    half = node(2, availability="drain", labels={AVAILABILITY_BEFORE: "active"})
    assert due_on(Roll("reboot", {}), "rk2", half) is Due.RESTORE
    told = found(Roll("reboot", {}), swarm(*changed(half)))
    assert sentences({"rk2": told["rk2"]})["rk2"] == [
        "availability: was set by a rolling job that has not finished, 1st of 1 (drain → active)"
    ]


def test_a_host_that_is_in_no_swarm_is_left_alone() -> None:
    observed = {**WHOLE, "rk4": Membership("running", hostname="rk4")}
    told = found(restart(SETTINGS, observed, RUNNING, ALL, NOW), observed)
    assert [type(finding) for finding in told["rk4"]] == [Notice]
    assert "this host is not in it" in told["rk4"][0].sentence()
    assert isinstance(told["rk2"][0], Change)


@pytest.mark.parametrize(
    ("number", "word"),
    [
        *((1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (12, "12th")),
        *((13, "13th"), (14, "14th"), (22, "22nd"), (101, "101st"), (111, "111th"), (113, "113th")),
    ],
)
def test_places_are_called_as_people_call_them(number: int, word: str) -> None:
    assert ordinal(number) == word


def test_what_is_due_in_a_turn() -> None:
    assert due_on(RESTART, "rk2", node(2)) is Due.WORK
    marked = node(2, labels={MARK: "1"})
    assert due_on(replace(RESTART, work={}), "rk2", marked) is Due.CLEAN_UP
    other = replace(RESTART, work={"rk3": RESTART.work["rk3"]})
    assert due_on(other, "rk2", marked) is None
    assert due_on(Roll("reboot", {}), "rk2", marked) is None


def test_the_plan_says_by_its_type_what_is_to_be_carried_out() -> None:
    assert isinstance(found(RESTART)["rk2"][0], WorkOnNode)
    half = node(2, availability="drain", labels={AVAILABILITY_BEFORE: "active"})
    [restore] = found(Roll("reboot", {}), swarm(*changed(half)))["rk2"]
    assert isinstance(restore, RestoreNode)
    marked = swarm(*changed(node(2, labels={MARK: "1"})))
    [remove] = found(replace(RESTART, work={}), marked)["rk2"]
    assert isinstance(remove, RemoveLabel)
    assert remove.label == MARK


@pytest.mark.parametrize(
    ("of", "stage", "planned", "executed"),
    [
        (node(1), "leader", True, True),
        (node(1), "managers", False, False),
        (node(2), "managers", True, True),
        (node(2), "leader", False, True),
        (node(2), "workers", False, False),
        (node(4, "worker"), "workers", True, True),
        (node(4, "worker"), "leader", False, False),
        (node(2, labels={AVAILABILITY_BEFORE: "active"}), "unfinished", True, True),
        (node(2, labels={AVAILABILITY_BEFORE: "active"}), "leader", False, False),
        (None, "unfinished", True, True),
        (None, "managers", False, False),
    ],
)
def test_a_node_has_its_turn_in_one_stage(
    of: Node | None, stage: str, planned: bool, executed: bool
) -> None:
    """While turns are taken, the leader's stage takes every manager: leadership may have moved."""
    assert in_stage(stage, of, answered=True, executing=False) is planned
    assert in_stage(stage, of, answered=True, executing=True) is executed


@pytest.mark.parametrize("stage", STAGES)
def test_where_no_manager_answers_each_stage_says_so(stage: str) -> None:
    assert in_stage(stage, None, answered=False, executing=True)


def test_labels_are_set_in_one_order_and_only_what_was_kept_is_taken_off() -> None:
    words = drained(node(2), {"z": "1", "a": "2"})
    assert words[2:] == [
        *("--label-add", "a=2"),
        *("--label-add", f"{AVAILABILITY_BEFORE}=active"),
        *("--label-add", "z=1"),
    ]
    assert AVAILABILITY_BEFORE == "pyinfra-swarm.availability-before"
    half = node(2, labels={AVAILABILITY_BEFORE: "pause", MARK: "1"})
    assert restored(half) == ["--availability", "pause"]
    assert finished(half) == ["--label-rm", AVAILABILITY_BEFORE]
    other = node(2, availability="drain", labels={MARK: "1"})
    assert restored(other) == ["--availability", "drain"]
    assert finished(other) == []
