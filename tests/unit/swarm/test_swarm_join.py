"""Who joins, who is waited for, and which dead entries are cleared."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pyinfra_swarm.nodes.membership import (
    Membership,
    Node,
)
from pyinfra_swarm.run.findings import Change, Refusal
from pyinfra_swarm.swarm.join import plan_join
from pyinfra_swarm.swarm.stages import STAGES, Seen
from tests.builders import (
    ABSENT,
    CONVERGED,
    FRESH,
    SETTINGS,
    SILENT,
    node,
    nodes_of,
    swarm,
    the,
)

RK1, RK2, RK3, RK4 = SETTINGS.hosts


@pytest.mark.parametrize("engine", ["stopped", "unreachable: curl: (28) Operation timed out"])
def test_a_host_whose_engine_does_not_run_cannot_join(engine: str) -> None:
    sentence = the(Refusal, plan_join(SETTINGS, {**CONVERGED, "rk4": Membership(engine)}, RK4))
    assert f"Docker is {engine} on this host" in sentence
    assert "journalctl -u docker" in sentence


WAITING = Membership("running", "rk4", "pending", remote_managers={"": "192.168.1.11:2377"})


def test_a_host_that_waits_for_a_manager_that_answers_is_waited_for() -> None:
    sentence = the(Change, plan_join(SETTINGS, {**CONVERGED, "rk4": WAITING}, RK4))
    assert "has not finished joining" in sentence


def test_a_host_that_waits_for_a_dead_manager_joins_through_another() -> None:
    dead = node(1, reachability="unreachable", state="down")
    observed = {**swarm([dead, *nodes_of(SETTINGS)[1:]]), "rk4": WAITING}
    sentence = the(Change, plan_join(SETTINGS, observed, RK4))
    assert "192.168.1.11:2377 → joined through another" in sentence


def test_a_member_that_looks_for_its_managers_never_leaves_for_that() -> None:
    observed = {**CONVERGED, "rk4": replace(WAITING, node="node4", remote_managers={})}
    assert "has not finished joining" in the(Change, plan_join(SETTINGS, observed, RK4))


def test_nothing_is_decided_for_a_silent_host() -> None:
    observed = {**CONVERGED, "rk4": SILENT}
    for stage in STAGES:
        assert stage.plan(Seen(SETTINGS, observed), RK4) == []


@pytest.mark.parametrize(
    "entry",
    [
        node(4, "worker", state="ready"),
        node(4, "worker", state="unknown", address="192.168.1.99"),
        node(9, "worker", state="down"),
    ],
)
def test_entries_that_live_or_belong_to_others_are_not_cleared(entry: Node) -> None:
    observed = {**swarm([*nodes_of(SETTINGS)[:3], replace(entry, id="other")]), "rk4": ABSENT}
    assert "is not in it yet" in the(Change, plan_join(SETTINGS, observed, RK4))


@pytest.mark.parametrize(
    "entry",
    [
        node(4, "worker", state="down"),
        node(4, "worker", state="down", hostname="renamed"),
        node(4, "worker", state="down", address="192.168.1.99"),
        # It left a moment ago, and the managers have not noticed yet.
        node(4, "worker", state="ready"),
        # So for 16 seconds after another manager has taken the lead (seen with 26.1.5 and 28.5.2).
        node(4, "worker", state="unknown", hostname="renamed"),
    ],
)
def test_a_dead_entry_of_the_same_name_or_address_is_cleared(entry: Node) -> None:
    observed = {**swarm([*nodes_of(SETTINGS)[:3], entry]), "rk4": FRESH}
    stale, _join = plan_join(SETTINGS, observed, RK4)
    assert "an entry that this host left behind" in stale.sentence()


@pytest.mark.parametrize(
    "dead",
    [node(2, state="down", reachability="unreachable"), node(2)],
    ids=["dead", "left a moment ago"],
)
def test_a_dead_managers_entry_stays_while_the_leader_does_not_know_yet_that_it_is_none(
    dead: Node,
) -> None:
    # For some seconds after the quorum is lost the leader still answers (seen on 28.5.2).
    nodes = (node(1), dead, node(3, reachability="unreachable"))
    leader = Membership("running", "rk1", "active", "node1", manager=True, nodes=nodes)
    sentence = the(Refusal, plan_join(SETTINGS, {"rk1": leader, "rk2": FRESH}, RK2))
    assert "fewer managers are reachable than a quorum" in sentence


def test_an_entry_that_is_just_being_made_is_not_taken_for_a_dead_one() -> None:
    made = node(4, "worker", id="new", state="unknown")
    observed = {**swarm([*nodes_of(SETTINGS)[:3], made]), "rk4": WAITING}
    assert "has not finished joining" in the(Change, plan_join(SETTINGS, observed, RK4))


def test_a_dead_twin_of_a_member_is_cleared_without_joining_again() -> None:
    twin = node(4, "worker", id="twin", state="down")
    observed = {**CONVERGED, **swarm([*nodes_of(SETTINGS), twin])}
    assert "twin → removed" in the(Change, plan_join(SETTINGS, observed, RK4))
