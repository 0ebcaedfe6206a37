"""Nodes taken out of a swarm of real engines: alive, dead, undeclared, managers, the leader."""

from __future__ import annotations

import contextlib
import subprocess
import time

import pytest

from tests.engines.conftest import SWARM
from tests.engines.hosts import EngineError, Hosts
from tests.scenarios.conftest import ROOT, Run, changes_in, lines_with

MANAGERS, WORKERS = ("rk1", "rk2", "rk3"), ("rk4",)


@pytest.fixture(scope="module")
def made(four: Hosts) -> Hosts:
    four.reset()
    four.import_image()
    return four


@pytest.fixture
def cluster(made: Hosts) -> Hosts:
    """All four in the swarm as declared, whatever a test before has left."""
    made.each(made.power_on)
    made.settings(MANAGERS, WORKERS)
    run = made.pyinfra("-y", *SWARM)
    if "Could not connect" in run.output:  # sshd of a host that was switched on a moment ago
        run = made.pyinfra("-y", *SWARM)
    assert run.returncode == 0, run.output
    for name in made.docker("rk1", "service", "ls", "-q").split():
        made.docker("rk1", "service", "rm", name)
    return made


def remove(hosts: Hosts, name: str, *, word: str = "", how: str = "-y", job: str = "remove") -> Run:
    confirm = ("--data", f"confirm={word or name}") if how == "-y" else ()
    return hosts.pyinfra(
        how, "inventory.py", f"deploys/{job}.py", "--data", f"host={name}", *confirm
    )


def names(hosts: Hosts, at: str) -> set[str]:
    return set(hosts.nodes(at))


def serve(hosts: Hosts, replicas: int = 4) -> None:
    hosts.docker(
        *("rk1", "service", "create", "--detach", "--name", "web", "--no-resolve-image"),
        *("--replicas", str(replicas), "--stop-grace-period", "2s", "busybox", "sleep", "9999"),
    )
    deadline = time.monotonic() + 60
    while len(running(hosts)) < replicas:
        assert time.monotonic() < deadline, hosts.docker("rk1", "service", "ps", "web")
        time.sleep(0.3)


def running(hosts: Hosts, at: str = "rk1") -> list[str]:
    said = hosts.docker(
        at, "service", "ps", "web", "--format", "{{.Node}} {{.CurrentState}}"
    ).splitlines()
    return [line.split()[0] for line in said if line.split()[1] == "Running"]


def test_a_worker_is_emptied_and_leaves_and_its_tasks_live_on(cluster: Hosts) -> None:
    serve(cluster)
    assert "rk4" in running(cluster)
    planned = remove(cluster, "rk4", how="--dry")
    assert planned.returncode == 0, planned.output
    said = [line.split("node rk4: ")[1] for line in lines_with(planned.output, ("~", "node rk4"))]
    assert [words[:20] for words in said] == [
        "gets no more tasks, ",
        "its tasks end there,",
        "leaves the swarm (→ ",
        "its entry is removed",
    ]
    assert names(cluster, "rk1") == {*MANAGERS, *WORKERS}
    run = remove(cluster, "rk4")
    assert run.returncode == 0, run.output
    assert names(cluster, "rk1") == {*MANAGERS}
    assert cluster.swarm("rk4")["LocalNodeState"] == "inactive"
    assert sorted(set(running(cluster))) == [*MANAGERS]
    assert len(running(cluster)) == 4
    assert "is still declared, as a worker" in run.output
    again = cluster.pyinfra(
        *("-y", "--json", "inventory.py", "deploys/remove.py"),
        *("--data", "host=rk4", "--data", "confirm=rk4"),
    )
    assert again.returncode == 0, again.output
    assert not changes_in(again.json)


@pytest.mark.parametrize("name", ["rk2", "leader"])
def test_a_manager_is_demoted_first_also_the_leader(cluster: Hosts, name: str) -> None:
    if name == "leader":
        [name] = [node.hostname for node in cluster.nodes("rk1").values() if node.leader]
    at = "rk3" if name != "rk3" else "rk1"
    run = remove(cluster, name)
    assert run.returncode == 0, run.output
    assert "none may fail" in run.output
    nodes = cluster.nodes(at)
    assert set(nodes) == {*MANAGERS, *WORKERS} - {name}
    assert [n.reachability for n in nodes.values() if n.role == "manager"] == ["reachable"] * 2
    assert sum(node.leader for node in nodes.values()) == 1
    assert cluster.swarm(name)["LocalNodeState"] == "inactive"


def test_without_the_owners_word_nothing_is_changed(cluster: Hosts) -> None:
    before = cluster.api("rk1", "/nodes")
    for word in ("no", "rk1"):
        run = remove(cluster, "rk4", word=word)
        assert run.returncode == 1
        assert "rk4 leaves the swarm" in run.output
        assert "--data confirm=rk4" in run.output
    assert [n["Version"] for n in cluster.api("rk1", "/nodes")] == [n["Version"] for n in before]


def test_a_name_that_is_missing_or_unknown_is_refused_on_all_hosts(cluster: Hosts) -> None:
    run = cluster.pyinfra("-y", "inventory.py", "deploys/remove.py")
    assert run.returncode == 1
    assert "deploys/remove.py needs --data host=NAME" in run.output
    run = remove(cluster, "rk9")
    assert run.returncode == 1
    assert "no declared host and no node of the swarm is called rk9" in run.closing
    assert "0 of 4 hosts are done" in run.closing


def test_a_dead_manager_that_nobody_declares_any_more_is_cleared(cluster: Hosts) -> None:
    cluster.settings(("rk1", "rk2"), ("rk4",))
    cluster.power_cut("rk3")
    wait_until_down(cluster, "rk3")
    run = remove(cluster, "rk3")
    assert run.returncode == 0, run.output
    assert names(cluster, "rk1") == {"rk1", "rk2", "rk4"}
    assert len(cluster.api("rk1", "/nodes")) == 3
    cluster.reinstall("rk3")


def test_managers_that_a_forced_cluster_has_left_out_are_only_cleared(cluster: Hosts) -> None:
    """Engines list them as managers still, and cannot demote them."""
    for name in ("rk2", "rk3"):
        cluster.power_cut(name)
    body = {"ForceNewCluster": True, "ListenAddr": "0.0.0.0:2377", "AdvertiseAddr": "10.99.0.11"}
    cluster.api("rk1", "/swarm/init", body)
    deadline = time.monotonic() + 60
    while {cluster.nodes("rk1")[name].state for name in ("rk2", "rk3")} != {"down"}:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    left = cluster.nodes("rk1")["rk2"]
    assert (left.role, left.reachability) == ("manager", "")
    run = remove(cluster, "rk2")
    assert "not done: rk2" in run.closing
    assert "rk2" not in names(cluster, "rk1"), run.output
    cluster.each(cluster.reinstall, ("rk2", "rk3"))


def test_a_dead_worker_that_is_still_declared_is_cleared(cluster: Hosts) -> None:
    cluster.power_cut("rk4")
    wait_until_down(cluster, "rk4")
    run = remove(cluster, "rk4")
    assert names(cluster, "rk1") == {*MANAGERS}
    assert "not done: rk4" in run.closing  # nobody could log in to it, which is said
    cluster.reinstall("rk4")


def test_a_manager_the_quorum_depends_on_stays(cluster: Hosts) -> None:
    cluster.power_cut("rk3")
    wait_until_down(cluster, "rk3")
    run = remove(cluster, "rk2")
    assert run.returncode == 1
    assert "of the 2 other managers 2 would have to be reachable, and only 1 is (1 < 2)" in (
        run.closing
    )
    assert cluster.nodes("rk1")["rk2"].availability == "active"
    cluster.power_on("rk3")


def test_a_living_node_that_nobody_declares_is_told_what_to_type(cluster: Hosts) -> None:
    cluster.settings(MANAGERS, ())
    line, env = cluster.pyinfra_line(
        *("-y", "inventory.py", "deploys/remove.py"),
        *("--data", "host=rk4", "--data", "confirm=rk4"),
    )
    begun = subprocess.Popen(
        line, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert begun.stderr is not None
    assert any("type `docker swarm leave` on it (10.99.0.14)" in said for said in begun.stderr)
    for said in begun.stderr:
        if "waiting two minutes" in said:
            break
    assert cluster.nodes("rk1")["rk4"].availability == "drain"
    cluster.docker("rk4", "swarm", "leave")
    begun.communicate(timeout=100)
    assert begun.returncode == 0
    assert names(cluster, "rk1") == {*MANAGERS}


@pytest.mark.parametrize("at", ["no more tasks", "no manager", "out of the swarm"])
def test_whatever_it_dies_at_the_next_run_finishes_it(cluster: Hosts, at: str) -> None:
    line, env = cluster.pyinfra_line(
        *("-y", "-v", "inventory.py", "deploys/remove.py"),
        *("--data", "host=rk3", "--data", "confirm=rk3"),
    )
    begun = subprocess.Popen(
        line, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert begun.stderr is not None
    assert any(said.startswith("--> ") and f"Remove | {at}" in said for said in begun.stderr)
    time.sleep(0.3)
    begun.kill()
    begun.wait()
    run = remove(cluster, "rk3")
    assert run.returncode == 0, run.output
    assert names(cluster, "rk1") == {"rk1", "rk2", "rk4"}
    assert cluster.swarm("rk3")["LocalNodeState"] == "inactive"


def test_a_replaced_manager_gets_what_is_declared(cluster: Hosts) -> None:
    """Old hardware, taken out while it lives; new hardware under its name and address."""
    cluster.settings(MANAGERS, WORKERS, labels={"rk3": {"disk": "nvme"}})
    assert cluster.pyinfra("-y", *SWARM).returncode == 0
    cluster.docker("rk1", "node", "update", "--label-add", "zone=attic", "rk3")
    run = remove(cluster, "rk3", job="replace")
    assert run.returncode == 0, run.output
    assert lines_with(run.output, ("label zone", "is lost with the entry"))
    assert names(cluster, "rk1") == {"rk1", "rk2", "rk4"}
    cluster.reinstall("rk3")
    run = cluster.pyinfra("-y", *SWARM)
    assert run.returncode == 0, run.output
    node = cluster.nodes("rk1")["rk3"]
    assert (node.role, node.availability, node.labels) == ("manager", "active", {"disk": "nvme"})
    assert len(cluster.api("rk1", "/nodes")) == 4


def test_a_changed_address_is_mended_by_a_replacement(cluster: Hosts) -> None:
    cluster.change_address("rk4", "10.99.0.44")
    cluster.settings(MANAGERS, WORKERS)
    run = cluster.pyinfra("-y", *SWARM)
    assert lines_with(run.output, ("[rk4]", "address", "deploys/replace.py --data host=rk4"))
    run = remove(cluster, "rk4", job="replace")
    assert run.returncode == 0, run.output
    run = cluster.pyinfra("-y", *SWARM)
    assert run.returncode == 0, run.output
    assert cluster.nodes("rk1")["rk4"].address == "10.99.0.44"
    assert not lines_with(run.output, ("[rk4]", "address"))
    cluster.change_address("rk4", "10.99.0.14")


def wait_until_down(hosts: Hosts, name: str) -> None:
    """Until the managers know it; while they look for another leader they do not answer."""
    deadline = time.monotonic() + 90
    while True:
        with contextlib.suppress(EngineError):
            node = hosts.nodes("rk1")[name]
            if node.state == "down" and node.reachability in ("", "unreachable"):
                return
        assert time.monotonic() < deadline, f"{name} is not called down"
        time.sleep(0.5)
