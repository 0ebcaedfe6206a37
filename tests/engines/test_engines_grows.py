"""How swarms come to be declared: made by hand and adopted, or grown with the settings file."""

from __future__ import annotations

from tests.engines.conftest import SWARM
from tests.engines.hosts import Hosts
from tests.engines.test_engines_create import all_there
from tests.scenarios.conftest import Run, changes_in, lines_with, wait_for

ALL = ("rk1", "rk2", "rk3", "rk4")


def apply(hosts: Hosts) -> Run:
    run = hosts.pyinfra("-y", *SWARM)
    assert run.returncode == 0, run.output
    return run


def assert_nothing_to_do(hosts: Hosts) -> None:
    run = hosts.pyinfra("-y", "--json", *SWARM)
    assert run.returncode == 0, run.output
    assert not changes_in(run.json)


def roles(hosts: Hosts) -> dict[str, tuple[str, str]]:
    """Role and reachability by hostname, as the first manager lists its nodes."""
    return {name: (n.role, n.reachability) for name, n in all_there(hosts, "rk1").items()}


def of(managers: tuple[str, ...], workers: tuple[str, ...] = ()) -> dict[str, tuple[str, str]]:
    return {
        **dict.fromkeys(managers, ("manager", "reachable")),
        **dict.fromkeys(workers, ("worker", "")),
    }


def by_hand(hosts: Hosts) -> None:
    """A swarm as people make it: everybody a manager, default networks, some labels, a service."""
    hosts.docker("rk1", "swarm", "init", "--advertise-addr", hosts["rk1"].address)
    token = hosts.docker("rk1", "swarm", "join-token", "--quiet", "manager").strip()
    for name in ALL[1:]:
        hosts.docker(name, "swarm", "join", "--token", token, f"{hosts['rk1'].address}:2377")
    hosts.docker("rk1", "node", "update", "--label-add", "disk=hdd", "rk1")
    hosts.docker("rk1", "node", "update", "--label-add", "rack=left", "rk1")
    hosts.import_image()
    hosts.docker(
        *("rk1", "service", "create", "--detach", "--name", "web", "--no-resolve-image"),
        *("--mode", "global", "busybox", "sleep", "9999"),
    )
    wait_for(lambda: len(tasks(hosts)) == len(ALL), "the service to run everywhere", 60)


def tasks(hosts: Hosts) -> set[str]:
    """The ids of the service's running tasks."""
    found = hosts.api("rk1", '/tasks?filters={"service":["web"]}')
    return {task["ID"] for task in found if task["Status"]["State"] == "running"}


def test_a_swarm_made_by_hand_is_adopted(hosts: Hosts) -> None:
    by_hand(hosts)
    assert "encrypted" not in (hosts.api("rk1", "/networks/ingress")["Options"] or {})
    swarm, before = hosts.api("rk1", "/swarm")["ID"], hosts.nodes("rk1")
    running = tasks(hosts)
    hosts.settings(ALL[:3], ALL[3:], labels={"rk1": {"disk": "nvme"}, "rk4": {"disk": "sata"}})

    planned = hosts.pyinfra("--dry", *SWARM)
    assert planned.returncode == 0, planned.output
    assert lines_with(planned.output, ("[rk4]", "is declared a worker", "manager → worker"))
    assert hosts.nodes("rk1") == before

    apply(hosts)
    assert roles(hosts) == of(ALL[:3], ALL[3:])
    nodes = hosts.nodes("rk1")
    assert hosts.api("rk1", "/swarm")["ID"] == swarm
    assert {name: node.id for name, node in nodes.items()} == {
        name: node.id for name, node in before.items()
    }
    # What nobody declared stays.
    assert nodes["rk1"].labels == {"disk": "nvme", "rack": "left"}
    assert nodes["rk4"].labels == {"disk": "sata"}
    ingress = hosts.api("rk1", "/networks/ingress")
    assert "encrypted" in ingress["Options"]
    assert ingress["IPAM"]["Config"][0]["Subnet"] == "10.201.0.0/24"
    assert tasks(hosts) == running
    assert_nothing_to_do(hosts)


def test_a_swarm_grows_with_its_settings(hosts: Hosts) -> None:
    hosts.settings(("rk1",))
    apply(hosts)
    assert roles(hosts) == of(("rk1",))
    swarm = hosts.api("rk1", "/swarm")["ID"]
    assert_nothing_to_do(hosts)

    hosts.settings(ALL[:3])
    apply(hosts)
    assert roles(hosts) == of(ALL[:3])
    assert hosts.swarm("rk4")["LocalNodeState"] == "inactive"
    assert_nothing_to_do(hosts)

    hosts.settings(ALL[:3], ALL[3:], labels={"rk4": {"disk": "sata"}})
    before = hosts.api("rk1", "/nodes")
    apply(hosts)
    assert roles(hosts) == of(ALL[:3], ALL[3:])
    after = {node["ID"]: node["Version"] for node in hosts.api("rk1", "/nodes")}
    assert all(after[node["ID"]] == node["Version"] for node in before), "only the new one changes"
    assert hosts.nodes("rk1")["rk4"].labels == {"disk": "sata"}
    assert {hosts.api(name, "/swarm")["ID"] for name in ALL[:3]} == {swarm}
    assert_nothing_to_do(hosts)
