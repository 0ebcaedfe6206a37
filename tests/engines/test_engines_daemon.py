"""A changed daemon.json on real engines: whose restarts come when, and what stops them.

What came of it is looked up at the engines, never through the product's facts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyinfra_swarm.docker.daemon import UNIT_DROP_IN_CONTENT
from pyinfra_swarm.docker.installation import PACKAGES
from pyinfra_swarm.docker.paths import DAEMON_JSON, UNIT_DROP_IN
from tests.engines.hosts import Hosts
from tests.engines.test_engines_rolling import leader, restarted, started, turns, until
from tests.scenarios.conftest import Run

MANAGERS = ("rk1", "rk2", "rk3")
DAEMON = ("inventory.py", str(Path(__file__).parent / "deploys/daemon.py"))

ONLY_VALIDATES = """\
mv /usr/bin/dockerd /usr/bin/dockerd.away
cat > /usr/bin/dockerd <<'END'
#!/bin/sh
[ "$1" = --validate ] || exit 1
shift
exec /usr/bin/dockerd.away --validate "$@"
END
chmod 755 /usr/bin/dockerd
"""
"""Shell: the engine judges a file, and does not start."""

WHOLE_AGAIN = "mv /usr/bin/dockerd.away /usr/bin/dockerd"


@pytest.fixture(scope="module")
def engines() -> Iterator[Hosts]:
    """Three managers and a worker that run with what is declared."""
    with Hosts(4) as made:
        made.settings(MANAGERS, ("rk4",))
        made.each(lambda name: prepare(made, name))
        made.form(MANAGERS, ("rk4",))
        run = applied(made, 3)
        assert run.returncode == 0, run.output
        yield made


def prepare(hosts: Hosts, name: str) -> None:
    """What deploys/docker.py's first operations leave: packages, and the unit's drop-in."""
    packages = "".join(
        f"\nPackage: {package}\nStatus: hold ok installed\nArchitecture: amd64\n"
        f"Maintainer: nobody\nVersion: 5:{hosts[name].version}-1\nDescription: given\n"
        for package in PACKAGES
    )
    hosts.run(name, "cat >> /var/lib/dpkg/status", text=packages)
    folder = str(Path(UNIT_DROP_IN).parent)
    hosts.run(name, f"mkdir -p {folder}; cat > {UNIT_DROP_IN}", text=UNIT_DROP_IN_CONTENT)


def applied(hosts: Hosts, log_files: int, flag: str = "-y", **more: str) -> Run:
    """The deploy with so many log files declared."""
    return hosts.pyinfra(flag, *DAEMON, env={"SWARM_DOCKER__LOG_MAX_FILES": str(log_files), **more})


def log_files(hosts: Hosts) -> dict[str, int]:
    """What each host's daemon.json says."""
    said = {str(name): json.loads(hosts.run(name, f"cat {DAEMON_JSON}").stdout) for name in hosts}
    return {name: int(content["log-opts"]["max-file"]) for name, content in said.items()}


def as_declared(count: int) -> dict[str, int]:
    return dict.fromkeys(("rk1", "rk2", "rk3", "rk4"), count)


def wait_until_whole(hosts: Hosts) -> None:
    until(
        lambda: all(
            node.state == "ready" and node.reachability in ("", "reachable")
            for node in hosts.nodes("rk1").values()
        ),
        "every node to be there",
    )


def test_each_engine_is_restarted_once_in_turn_and_the_leader_after_the_managers(
    engines: Hosts,
) -> None:
    before, last = started(engines), leader(engines)
    dry = applied(engines, 4, "--dry")
    assert dry.output.count("the running Docker daemon: has not read") == 4
    assert restarted(engines, before) == set()
    run = applied(engines, 4)
    assert run.returncode == 0, run.output
    first, second = (name for name in MANAGERS if name != last)
    assert turns(run) == [first, second, last, "rk4"]
    assert restarted(engines, before) == set(engines)
    assert log_files(engines) == as_declared(4)
    assert {node.state for node in engines.nodes("rk1").values()} == {"ready"}
    assert {engines.nodes("rk1")[name].reachability for name in MANAGERS} == {"reachable"}
    between = started(engines)
    again = applied(engines, 4)
    assert again.closing == "All 4 hosts are as declared. Nothing was changed."
    assert restarted(engines, between) == set()


def test_what_the_engine_refuses_is_never_put_in_force(engines: Hosts) -> None:
    before = started(engines)
    run = applied(engines, 4, SWARM_DOCKER__DAEMON='{"no-such-thing": true}')
    assert run.returncode == 1
    assert "no-such-thing" in run.output
    assert turns(run) == []
    assert log_files(engines) == as_declared(4)
    for name in engines:
        assert engines.run(name, "ls /etc/docker/*.new", check=False).stdout == ""
    assert restarted(engines, before) == set()


def test_a_restart_that_would_cost_the_quorum_is_refused_in_the_plan_before_anything(
    engines: Hosts,
) -> None:
    last = leader(engines)
    away, other = (name for name in MANAGERS if name != last)
    before = started(engines)
    engines.stop_engine(away)
    engines.run(away, ONLY_VALIDATES)  # else the run itself starts it, and has its quorum again
    try:
        until(lambda: engines.nodes(last)[away].reachability != "reachable", "it to be missed")
        refused = (
            "the running Docker daemon: is not restarted: of 3 managers 2 must stay reachable, and "
            "without this one only 1 would be"
        )
        dry = applied(engines, 5, "--dry")
        assert dry.returncode == 1
        for name in (last, other):
            assert f"[{name}] ✗ docker | {refused}" in dry.stderr
            assert f"not done: {name}: refused, as is marked ✗ above" in dry.closing
        run = applied(engines, 5)
        assert run.returncode == 1
        assert log_files(engines) == {**as_declared(5), last: 4, other: 4}
        there = started(engines, but=away)
        assert {name for name, word in there.items() if word != before[name]} == {"rk4"}
    finally:
        engines.run(away, WHOLE_AGAIN)
        engines.start_engine(away)
    wait_until_whole(engines)
    assert applied(engines, 5).returncode == 0
    assert log_files(engines) == as_declared(5)


def test_after_a_node_that_does_not_come_back_no_other_engine_is_restarted(engines: Hosts) -> None:
    last = leader(engines)
    first, second = (name for name in MANAGERS if name != last)
    before = started(engines)
    engines.run(second, ONLY_VALIDATES)
    run = applied(engines, 6)
    assert run.returncode == 1
    assert f"1 of 4 hosts are done: {first}." in run.closing
    for name in (last, "rk4"):
        assert (
            f"not done: {name}: the running Docker daemon: is not restarted: {second} has not come "
            f"back into the swarm since its engine was restarted. Bring {second} back"
        ) in run.closing
    assert log_files(engines) == {**as_declared(6), last: 5, "rk4": 5}
    there = started(engines, but=second)
    assert {name for name, word in there.items() if word != before[name]} == {first}
    engines.run(second, WHOLE_AGAIN)
    engines.start_engine(second)
    wait_until_whole(engines)
    again = applied(engines, 6)
    assert again.returncode == 0, again.output
    assert sorted(turns(again)) == sorted((last, "rk4"))
    assert log_files(engines) == as_declared(6)


def test_a_last_manager_that_would_come_back_locked_is_not_restarted(engines: Hosts) -> None:
    """Without a leader its engine calls autolock off; the key on its disk is encrypted."""
    engines.run("rk1", "docker swarm update --autolock=true")
    until(
        lambda: (
            not engines.run(
                "rk1",
                "grep -q ENCRYPTED /var/lib/docker/swarm/certificates/swarm-node.key",
                check=False,
            ).returncode
        ),
        "rk1's key to be encrypted",
    )
    for name in ("rk2", "rk3"):
        engines.stop_engine(name)
    until(lambda: not _lists_nodes(engines, "rk1"), "the swarm to be without a leader")
    before, files = _start_of(engines, "rk1"), log_files(engines)["rk1"]
    run = engines.pyinfra("-y", "--limit", "rk1", *DAEMON, env={"SWARM_DOCKER__LOG_MAX_FILES": "7"})
    assert run.returncode == 1
    assert (
        "is not restarted: it would be locked, and could not be unlocked: no file that keeps the "
        "unlock key is declared"
    ) in run.output
    assert _start_of(engines, "rk1") == before
    assert log_files(engines)["rk1"] == files


def _lists_nodes(hosts: Hosts, name: str) -> bool:
    return hosts.run(name, "docker node ls", check=False).returncode == 0


def _start_of(hosts: Hosts, name: str) -> str:
    return hosts.run(name, "cut -d ' ' -f 22 /proc/$(cat /run/docker.pid)/stat").stdout.strip()
