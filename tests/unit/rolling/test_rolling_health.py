"""When a node is back, services are complete, and encrypted traffic can be proven."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pyinfra_swarm.engine.versions import encrypt_alike
from pyinfra_swarm.nodes.membership import Membership, Node
from pyinfra_swarm.rolling.health import healthy_peers, not_back, provable
from pyinfra_swarm.rolling.services import Replicas, incomplete, without_a_node
from tests.builders import node
from tests.unit.rolling.rolling_examples import (
    NODES,
    WHOLE,
    changed,
)


def test_services_that_were_whole_have_to_be_whole_again() -> None:
    before = (Replicas("web", 3, 3, 0), Replicas("ill", 2, 1, 0), Replicas("pinned", 1, 1, 0))
    now = (Replicas("web", 3, 2, 0), Replicas("ill", 2, 0, 0), Replicas("pinned", 1, 0, 1))
    assert incomplete(before, now) == ["web (2 of 3)"]
    assert without_a_node(now) == ["pinned"]
    assert incomplete(before, before) == []


def test_once_the_node_is_restored_no_more_tasks_may_be_without_one_than_before() -> None:
    """A node that came back without the label that a service asks for has lost it its place."""
    db, forever = Replicas("db", 2, 2, 0), Replicas("forever", 2, 1, 1)
    drained = (Replicas("db", 2, 1, 1), forever)
    assert incomplete([db, forever], drained) == []
    assert incomplete([db, forever], drained, restored=True) == ["db (1 of 2)"]
    assert incomplete([db, forever], [db, forever], restored=True) == []


def test_what_was_without_a_node_when_a_turn_is_resumed_is_waited_for_as_it_starts() -> None:
    before = [Replicas("db", 2, 1, 1)]
    assert incomplete(before, [Replicas("db", 2, 1, 0)], restored=True) == ["db (1 of 2)"]
    assert incomplete(before, before, restored=True) == []


def test_only_those_that_were_there_are_waited_for() -> None:
    cluster = WHOLE["rk1"]
    assert cluster is not None
    ill = replace(cluster, nodes=changed(node(4, "worker", state="down")))
    assert healthy_peers(ill, NODES[1]) == ("node1", "node3")


def test_a_worker_has_no_place_among_the_managers_to_come_back_to() -> None:
    own, cluster = WHOLE["rk4"], WHOLE["rk1"]
    assert own is not None
    assert cluster is not None
    assert not_back(own, cluster, "node4", "28.5.2", ingress=True) == ""
    assert not_back(replace(own, in_ingress=True), cluster, "node4", "", ingress=True) == ""


def test_where_no_node_is_there_nothing_can_be_proven() -> None:
    cluster = WHOLE["rk1"]
    assert cluster is not None
    gone = tuple(replace(entry, state="down") for entry in NODES)
    assert not provable(replace(cluster, nodes=gone))
    assert provable(replace(cluster, nodes=(NODES[0], *gone[1:])))


def test_what_is_missing_until_a_node_is_back_is_said() -> None:
    own, cluster = WHOLE["rk2"], WHOLE["rk1"]
    assert own is not None
    assert cluster is not None
    others = healthy_peers(cluster, NODES[1])
    assert others == ("node1", "node3", "node4")
    assert not_back(own, cluster, "node2", "28.5.2", others) == ""
    assert not_back(None, cluster, "node2", "") == "the host does not answer"
    assert not_back(Membership("stopped"), cluster, "node2", "") == "its engine is stopped"
    locked = replace(own, state="locked")
    assert "unlock it (`docker swarm unlock`)" in not_back(locked, cluster, "node2", "")
    pending = replace(own, state="pending", error="no manager")
    assert "is “pending” (no manager)" in not_back(pending, cluster, "node2", "")
    assert not_back(own, None, "node2", "") == "no manager answers for the swarm"
    assert "do not list it" in not_back(own, cluster, "node9", "")

    def seen(other: Node) -> Membership:
        return replace(cluster, nodes=changed(other)) if cluster else own

    assert "say that it is down" in not_back(own, seen(node(2, state="down")), "node2", "")
    unreachable = node(2, reachability="unreachable")
    assert "not reachable yet" in not_back(own, seen(unreachable), "node2", "")
    assert "engine 28.5.2 on it, not 29.4.0" in not_back(own, cluster, "node2", "29.4.0")
    # A new leader does not know of the others at first.
    unknown = seen(node(4, "worker", state="unknown"))
    assert not_back(own, unknown, "node2", "", others) == (
        "the managers say of other nodes: rk4 is unknown"
    )
    assert not_back(own, unknown, "node2", "", ("node1",)) == ""
    cut = replace(own, in_ingress=False)
    assert "ingress network" in not_back(cut, cluster, "node2", "", ingress=True)
    assert not_back(cut, cluster, "node2", "") == ""


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("26.1.5", "28.5.2", True),
        ("28.5.2", "29.1.3", False),
        ("28.5.2", "29.0.0", False),
        ("28.5.2", "29.2.0", False),
        ("28.5.2", "29.2.1", True),
        ("29.1.3", "29.2.1", False),
        ("29.0.1", "29.1.5", True),
        ("28.2.2", "28.5.2", False),
        ("28.2.2", "29.1.0", True),
        ("25.0.13", "25.0.12", False),
        ("25.0.14", "25.0.15", False),
    ],
)
def test_which_engines_understand_each_other(one: str, other: str, alike: bool) -> None:
    assert encrypt_alike(one, other) is alike


def test_traffic_is_proven_only_where_all_can_understand_each_other() -> None:
    cluster = WHOLE["rk1"]
    assert cluster is not None
    assert provable(cluster)
    mixed = replace(cluster, nodes=changed(node(2, engine_version="29.1.3")))
    assert not provable(mixed)
    away = changed(node(2, engine_version="29.1.3", state="down"))
    assert provable(replace(cluster, nodes=away))
