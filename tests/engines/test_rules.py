"""The rules that the simulation rests on (``tests/models/swarm``), each seen on real engines."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest

from tests.engines.hosts import EngineError, Hosts
from tests.scenarios.conftest import wait_for

HEARTBEAT = 1_000_000_000
"""Nanoseconds; a node is called down when three are missing."""


@pytest.fixture(scope="module")
def trio() -> Iterator[Hosts]:
    with Hosts(3) as made:
        yield made


@pytest.fixture
def hosts(trio: Hosts) -> Hosts:
    """Three hosts with engines, freshly installed; the first has founded a swarm."""
    trio.reset()
    trio.init(
        "rk1",
        DefaultAddrPool=["10.200.0.0/16"],
        SubnetSize=24,
        Spec={"Dispatcher": {"HeartbeatPeriod": HEARTBEAT}},
    )
    return trio


def update_node(hosts: Hosts, at: str, name: str, **spec: object) -> None:
    node = hosts.api(at, f"/nodes/{hosts.nodes(at)[name].id}")
    version = node["Version"]["Index"]
    hosts.api(at, f"/nodes/{node['ID']}/update?version={version}", {**node["Spec"], **spec})


def reachable(hosts: Hosts, *names: str) -> None:
    def so() -> bool:
        with contextlib.suppress(EngineError):
            nodes = hosts.nodes("rk1")
            return {nodes[name].reachability for name in names} == {"reachable"}
        return False

    wait_for(so, f"{' and '.join(names)} to be reachable", 60)


def is_down(hosts: Hosts, name: str) -> bool:
    with contextlib.suppress(EngineError):
        return hosts.nodes("rk1")[name].state == "down"
    return False


def test_init_makes_a_single_manager_with_a_clear_ingress(hosts: Hosts) -> None:
    [node] = hosts.nodes("rk1").values()
    assert (node.hostname, node.role, node.leader) == ("rk1", "manager", True)
    with contextlib.suppress(EngineError):
        wait_for(lambda: bool(hosts.api("rk1", "/networks/ingress")), "the ingress network", 10)
    assert "encrypted" not in (hosts.api("rk1", "/networks/ingress")["Options"] or {})
    with pytest.raises(EngineError, match="already part of a swarm"):
        hosts.init("rk1")


def test_without_quorum_nothing_changes_and_tasks_go_on(hosts: Hosts) -> None:
    hosts.import_image("rk1")
    hosts.join("rk2", "rk1", role="manager")
    hosts.join("rk3", "rk1")
    reachable(hosts, "rk1", "rk2")
    constraint = "--constraint=node.hostname==rk1"
    hosts.docker("rk1", "service", "create", "-d", "--name=s", constraint, "busybox", "sleep", "99")
    wait_for(lambda: "busybox" in hosts.docker("rk1", "ps"), "the task", 30)
    hosts.power_cut("rk2")  # [raft] it still counts: one of two is no majority
    wait_for(lambda: not answers(hosts, "rk1"), "the quorum to be lost", 60)
    changes: tuple[Callable[[], object], ...] = (
        lambda: hosts.join("rk3", "rk1"),
        lambda: update_node(hosts, "rk1", "rk3", Availability="drain"),
    )
    for change in changes:
        with pytest.raises(EngineError):
            change()
    assert "busybox" in hosts.docker("rk1", "ps")
    hosts.power_on("rk2")
    wait_for(lambda: answers(hosts, "rk1"), "the quorum to be back", 60)


def answers(hosts: Hosts, at: str) -> bool:
    with contextlib.suppress(EngineError, OSError):
        hosts.api(at, "/nodes", timeout=30)
        return True
    return False


def test_a_node_is_removed_when_it_is_down_and_no_manager(hosts: Hosts) -> None:
    hosts.join("rk2", "rk1", role="manager")
    hosts.join("rk3", "rk1", role="manager")
    reachable(hosts, "rk1", "rk2", "rk3")
    id = hosts.nodes("rk1")["rk3"].id
    with pytest.raises(EngineError, match="must be demoted to worker"):
        hosts.api("rk1", f"/nodes/{id}", method="DELETE")
    hosts.power_cut("rk3")
    wait_for(lambda: is_down(hosts, "rk3"), "rk3 to be down", 60)
    with pytest.raises(EngineError, match="must be demoted to worker"):
        hosts.api("rk1", f"/nodes/{id}", method="DELETE")
    update_node(hosts, "rk1", "rk3", Role="worker")

    def removed() -> bool:
        with contextlib.suppress(EngineError):  # its place among the managers goes a moment later
            hosts.api("rk1", f"/nodes/{id}", method="DELETE")
            return True
        return False

    wait_for(removed, "rk3 to be removed", 30)
    assert "rk3" not in hosts.nodes("rk1")


def test_the_last_manager_is_not_demoted_and_a_leader_is(hosts: Hosts) -> None:
    with pytest.raises(EngineError, match="attempting to demote the last manager of the swarm"):
        update_node(hosts, "rk1", "rk1", Role="worker")
    hosts.join("rk2", "rk1", role="manager")
    hosts.join("rk3", "rk1", role="manager")
    reachable(hosts, "rk1", "rk2", "rk3")
    assert hosts.nodes("rk1")["rk1"].leader
    update_node(hosts, "rk2", "rk1", Role="worker")

    def led_by_another() -> bool:
        with contextlib.suppress(EngineError):
            nodes = hosts.nodes("rk2")
            return nodes["rk1"].reachability == "" and any(
                nodes[name].leader for name in ("rk2", "rk3")
            )
        return False

    wait_for(led_by_another, "another leader", 60)


def test_joining_needs_a_manager_and_makes_a_new_node_of_a_known_host(hosts: Hosts) -> None:
    hosts.join("rk2", "rk1")
    first = hosts.nodes("rk1")["rk2"].id
    with pytest.raises(EngineError, match="already part of a swarm"):
        hosts.join("rk2", "rk1")
    hosts.reinstall("rk2")
    hosts.join("rk2", "rk1")
    found = {node.id for node in hosts.nodes("rk1").values() if node.hostname == "rk2"}
    assert first in found
    assert len(found) == 2


def test_a_worker_leaves_and_stays_listed_and_a_manager_does_not_without_force(
    hosts: Hosts,
) -> None:
    hosts.join("rk2", "rk1")
    hosts.api("rk2", "/swarm/leave", {})
    wait_for(lambda: is_down(hosts, "rk2"), "rk2 to be down", 30)
    assert hosts.swarm("rk2")["LocalNodeState"] == "inactive"
    with pytest.raises(EngineError, match="attempting to leave the swarm on a node that is"):
        hosts.api("rk1", "/swarm/leave", {})


def test_a_drained_nodes_tasks_are_started_elsewhere(hosts: Hosts) -> None:
    hosts.import_image("rk1", "rk2")
    hosts.join("rk2", "rk1")
    replicas = ("--replicas=2", "--replicas-max-per-node=2")
    hosts.docker("rk1", "service", "create", "-d", "--name=s", *replicas, "busybox", "sleep", "99")

    def running(name: str) -> int:
        return hosts.docker(name, "ps", "-q").count("\n")

    wait_for(lambda: running("rk1") + running("rk2") == 2, "two tasks", 30)
    update_node(hosts, "rk1", "rk2", Availability="drain")
    wait_for(lambda: (running("rk1"), running("rk2")) == (2, 0), "both on rk1", 60)


def test_the_ingress_is_not_removed_under_a_published_port_and_a_swarm_can_be_without(
    hosts: Hosts,
) -> None:
    hosts.docker("rk1", "service", "create", "-d", "--name=s", "--publish=8080:80", "busybox")
    id = hosts.api("rk1", "/networks/ingress")["Id"]
    with pytest.raises(EngineError, match="ingress network cannot be removed because service"):
        hosts.api("rk1", f"/networks/{id}", method="DELETE")
    hosts.docker("rk1", "service", "rm", "s")

    def gone() -> bool:
        try:
            hosts.api("rk1", f"/networks/{id}", method="DELETE")
        except EngineError as error:
            return error.status == 404
        return False

    wait_for(gone, "the ingress network to be gone", 30)
    assert hosts.nodes("rk1")
    with pytest.raises(EngineError, match="ingress network"):
        hosts.api(
            "rk1",
            "/services/create",
            {
                "Name": "t",
                "TaskTemplate": {"ContainerSpec": {"Image": "busybox"}},
                "EndpointSpec": {"Ports": [{"PublishedPort": 8080, "TargetPort": 80}]},
            },
        )


def test_a_manager_that_is_down_still_counts(hosts: Hosts) -> None:
    hosts.join("rk2", "rk1", role="manager")
    hosts.join("rk3", "rk1", role="manager")
    reachable(hosts, "rk1", "rk2", "rk3")
    hosts.power_cut("rk3")
    wait_for(lambda: is_down(hosts, "rk3"), "rk3 to be down", 60)
    # Two of three are a quorum; of two of three, one is not.
    update_node(hosts, "rk1", "rk2", Labels={"changed": "1"})
    hosts.power_cut("rk2")
    wait_for(lambda: not answers(hosts, "rk1"), "the quorum to be lost", 60)
