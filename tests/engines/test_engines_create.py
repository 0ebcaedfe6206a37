"""The swarm's deploy on real engines: founded, found again, completed, or refused with a reason.

What came of it is looked up at the engines, never through the product's facts.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.conftest import SWARM
from tests.engines.hosts import EngineError, Hosts, Node
from tests.scenarios.conftest import Run, changes_in, wait_for

MANAGERS, WORKERS = ("rk1", "rk2", "rk3"), ("rk4",)


def declared(hosts: Hosts) -> Path:
    return hosts.settings(
        MANAGERS, WORKERS, labels={"rk1": {"disk": "nvme"}}, availability={"rk4": "drain"}
    )


def apply(hosts: Hosts) -> Run:
    return hosts.pyinfra("-y", *SWARM)


def assert_as_declared(hosts: Hosts, at: str = "rk1") -> None:
    nodes = all_there(hosts, at)
    assert {name: (node.role, node.state) for name, node in nodes.items()} == {
        **dict.fromkeys(MANAGERS, ("manager", "ready")),
        **dict.fromkeys(WORKERS, ("worker", "ready")),
    }
    assert {name: node.reachability for name, node in nodes.items() if node.role == "manager"} == (
        dict.fromkeys(MANAGERS, "reachable")
    )
    assert {name: node.address for name, node in nodes.items()} == {
        name: hosts[name].address for name in hosts
    }
    assert nodes["rk1"].labels == {"disk": "nvme"}
    assert nodes["rk4"].availability == "drain"
    ingress = hosts.api(at, "/networks/ingress")
    assert "encrypted" in ingress["Options"]
    assert ingress["IPAM"]["Config"][0]["Subnet"] == "10.201.0.0/24"
    assert len({hosts.swarm(name).get("NodeID") for name in hosts}) == len(nodes)


def all_there(hosts: Hosts, at: str) -> dict[str, Node]:
    """The swarm's nodes, when the managers know of all that they are there.

    A new leader calls nodes unknown until it hears of them, and engines that come back lead by
    turns for some seconds.
    """

    def settled() -> bool:
        with contextlib.suppress(EngineError):
            nodes = hosts.nodes(at).values()
            return {node.state for node in nodes} == {"ready"} and not any(
                node.reachability not in ("", "reachable") for node in nodes
            )
        return False

    wait_for(settled, "all nodes to be there", 60)
    return hosts.nodes(at)


def missed(hosts: Hosts, name: str) -> bool:
    with contextlib.suppress(EngineError):
        return hosts.nodes("rk2")[name].state != "ready"
    return False


# A swarm's life, in the order of this file
# -----------------------------------------


@pytest.fixture(scope="module")
def engines(each_version: str) -> Iterator[Hosts]:
    with Hosts(4, version=each_version) as made:
        yield made


@pytest.fixture(scope="module")
def made(engines: Hosts) -> Hosts:
    """A swarm that one run has made of fresh engines."""
    declared(engines)
    planned = engines.pyinfra("--dry", *SWARM)
    assert planned.returncode == 0, planned.output
    assert all(engines.swarm(name)["LocalNodeState"] == "inactive" for name in engines)
    run = apply(engines)
    assert run.returncode == 0, run.output
    return engines


def test_the_preflight_alone_says_what_has_run_on_such_a_host(four: Hosts) -> None:
    declared(four)
    run = four.pyinfra("--dry", "inventory.py", "deploys/preflight.py")
    for name in four:
        assert re.search(rf"\[{name}\] (not )?tested", run.output), run.output
    beside = four.pyinfra("--dry", "inventory.py", "deploys/preflight.py", "deploys/swarm.py")
    assert not re.search(r"\] (not )?tested", beside.output), beside.output


def test_fresh_engines_end_as_declared(made: Hosts) -> None:
    assert_as_declared(made)


def test_a_second_run_changes_nothing(made: Hosts) -> None:
    nodes = made.api("rk1", "/nodes")
    run = made.pyinfra("-y", "--json", *SWARM)
    assert run.returncode == 0, run.output
    assert not changes_in(run.json)
    assert [node["Version"] for node in made.api("rk1", "/nodes")] == [
        node["Version"] for node in nodes
    ]


def test_a_manager_without_power_is_told_and_missed_by_nobody(made: Hosts) -> None:
    made.power_cut("rk3")
    run = apply(made)
    assert run.returncode == 1
    assert "3 of 4 hosts are done" in run.closing
    assert "not done: rk3" in run.closing
    made.power_on("rk3")
    all_there(made, "rk1")
    run = apply(made)
    assert run.returncode == 0, run.output
    assert "as declared" in run.closing
    assert_as_declared(made)


def test_a_first_manager_that_was_installed_anew_joins_again(made: Hosts) -> None:
    swarm = made.api("rk2", "/swarm")["ID"]
    made.reinstall("rk1")
    # It had led: it is the new leader that finds it missing, and calls it unknown until it is sure.
    wait_for(lambda: missed(made, "rk1"), "rk1 to be missed", 60)
    run = apply(made)
    assert run.returncode == 0, run.output
    assert made.api("rk1", "/swarm")["ID"] == swarm
    assert_as_declared(made)


def test_without_quorum_nothing_is_done_and_the_words_say_so(made: Hosts) -> None:
    before = made.api("rk1", "/nodes")
    for name in ("rk2", "rk3"):
        made.power_cut(name)
    run = apply(made)
    assert run.returncode == 1
    assert "fewer managers are reachable than a quorum" in run.output
    assert "~" not in run.output, "something was to be changed"
    with pytest.raises(EngineError, match="does not have a leader"):
        made.api("rk1", "/nodes")
    made.each(made.power_on, ("rk2", "rk3"))
    all_there(made, "rk1")
    run = apply(made)
    assert run.returncode == 0, run.output
    assert_as_declared(made)
    assert {node["ID"] for node in made.api("rk1", "/nodes")} == {node["ID"] for node in before}


# What is refused
# ---------------


def test_two_swarms_are_named_and_left_alone(hosts: Hosts) -> None:
    declared(hosts)
    hosts.init("rk1")
    hosts.init("rk2")
    ids = {name: hosts.api(name, "/swarm")["ID"] for name in ("rk1", "rk2")}
    run = apply(hosts)
    assert run.returncode == 1
    assert "the declared hosts are in 2 different ones" in run.output
    assert all(id in run.output for id in ids.values())
    assert {name: hosts.api(name, "/swarm")["ID"] for name in ids} == ids
    assert [hosts.swarm(name)["LocalNodeState"] for name in ("rk3", "rk4")] == ["inactive"] * 2


def test_a_silent_manager_forbids_the_founding(hosts: Hosts) -> None:
    declared(hosts)
    hosts.isolate("rk3")
    run = apply(hosts)
    assert run.returncode == 1
    assert "rk3 did not say whether there is one" in run.output
    assert all(hosts.swarm(name)["LocalNodeState"] == "inactive" for name in hosts)
    hosts.reconnect("rk3")


def test_one_host_with_an_absurd_mtu_is_named_and_lowers_nobody_s_networks(
    hosts: Hosts, request: pytest.FixtureRequest
) -> None:
    """A worker's word, on which all hosts' networks would depend for good."""
    declared(hosts)
    request.addfinalizer(lambda: hosts.run("rk4", "ip link set eth0 mtu 1500"))
    hosts.run("rk4", "ip link set eth0 mtu 1000")
    run = apply(hosts)
    assert run.returncode == 1
    assert "rk4 says that its uplink has an MTU of 1000" in run.output
    assert "encrypted" not in hosts.api("rk1", "/networks/ingress")["Options"]
    hosts.run("rk4", "ip link set eth0 mtu 1400")
    run = apply(hosts)
    assert run.returncode == 0, run.output
    made_for = hosts.api("rk1", "/networks/ingress")["Options"]
    assert made_for["com.docker.network.driver.mtu"] == "1400"
