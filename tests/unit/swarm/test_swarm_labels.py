"""Labels, availability, and nodes that nobody declared."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pyinfra_swarm.nodes.membership import (
    Membership,
    Observed,
)
from pyinfra_swarm.run.findings import Notice
from pyinfra_swarm.swarm.labels import plan_labels
from tests.builders import (
    ABSENT,
    CONVERGED,
    FRESH,
    SETTINGS,
    SILENT,
    declared,
    node,
    nodes_of,
    swarm,
    the,
)

RK1, RK2, RK3, RK4 = SETTINGS.hosts


def test_declared_labels_and_availability_are_set() -> None:
    settings = declared(rk4={"labels": {"disk": "nvme"}, "availability": "drain"})
    label, availability = plan_labels(settings, CONVERGED, settings.host("rk4"))
    assert "label disk: declared, but missing (none → nvme)" in label.sentence()
    assert "active → drain" in availability.sentence()


def test_labels_are_part_of_the_first_plan() -> None:
    settings = declared(rk4={"labels": {"disk": "nvme"}, "availability": "drain"})
    fresh: Observed = {host.name: ABSENT for host in settings.hosts}
    found = plan_labels(settings, fresh, settings.host("rk4"))
    assert [finding.what for finding in found] == ["label disk", "availability"]


def test_what_was_done_by_hand_is_reported_and_left() -> None:
    nodes = nodes_of(SETTINGS)
    nodes[3] = replace(nodes[3], labels={"zone": "attic"}, availability="drain", address="10.9.9.9")
    label, availability, address = plan_labels(SETTINGS, swarm(nodes), RK4)
    assert all(isinstance(finding, Notice) for finding in (label, availability, address))
    assert "docker node update --label-rm=zone rk4" in label.sentence()
    assert "--availability active rk4" in availability.sentence()
    assert "10.9.9.9 → 192.168.1.14" in address.sentence()
    assert "deploys/replace.py --data host=rk4" in address.sentence()


def test_a_node_that_nobody_declared_is_reported_once() -> None:
    stranger = node(9, "worker")
    observed = {
        host.name: swarm([*nodes_of(SETTINGS), stranger])[host.name] for host in SETTINGS.hosts
    }
    found = [f for host in SETTINGS.hosts for f in plan_labels(SETTINGS, observed, host)]
    sentence = the(Notice, found)
    assert "node rk9: is in the swarm, but not declared" in sentence
    assert "deploys/remove.py --data host=rk9" in sentence


def test_a_declared_host_that_is_silent_is_no_stranger() -> None:
    nodes = [*nodes_of(SETTINGS)[:3], node(4, "worker", state="down")]
    observed = {**swarm(nodes), "rk4": SILENT}
    assert plan_labels(SETTINGS, observed, RK1) == []


@pytest.mark.parametrize("state", ["down", "unknown", "ready"])
def test_what_a_host_has_left_in_the_list_is_no_stranger(state: str) -> None:
    """It takes the managers a while to notice, and a new leader knows of no node at first."""
    nodes = [*nodes_of(SETTINGS)[:3], node(4, "worker", state=state)]
    observed = {**swarm(nodes), "rk4": FRESH}
    assert plan_labels(SETTINGS, observed, RK1) == []


def test_a_node_whose_engine_is_stopped_is_no_stranger() -> None:
    worker = {**CONVERGED, "rk4": Membership("stopped")}
    assert plan_labels(SETTINGS, worker, RK1) == []
