"""A rolling restart of real engines: its order, its gates, and what a run leaves that is ended.

What came of it is looked up at the engines, never through the product's facts.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.engines.hosts import Hosts
from tests.scenarios.conftest import ROOT, Run

RESTART = ("inventory.py", str(Path(__file__).parent / "deploys/restart.py"))
LABELS = "pyinfra-swarm."
SERVED = "trap 'exit 0' TERM; httpd -f -p 80 -h / & wait"


@pytest.fixture(scope="module")
def engines() -> Iterator[Hosts]:
    """Three managers and a worker with a replicated service; rk3 drained by hand."""
    with Hosts(4) as made:
        made.settings(("rk1", "rk2", "rk3"), ("rk4",))
        made.form(("rk1", "rk2", "rk3"), ("rk4",))
        serve(made)
        made.docker("rk1", "node", "update", "--availability", "drain", "rk3")
        until(lambda: replicas(made, "rk1") == "3/3", "the service")
        yield made


def serve(hosts: Hosts) -> None:
    hosts.import_image()
    hosts.docker(
        *("rk1", "service", "create", "--detach", "--name", "web", "--replicas", "3"),
        *("--no-resolve-image", "busybox", "sh", "-c", SERVED),
    )


def until(true: Callable[[], bool], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.2)


def replicas(hosts: Hosts, manager: str) -> str:
    said = hosts.docker(manager, "service", "ls", "--format", "{{.Name}} {{.Replicas}}")
    return next(line.split()[1] for line in said.splitlines() if line.startswith("web "))


def started(hosts: Hosts, but: str = "") -> dict[str, str]:
    """Which engine runs on each host but one, in a word that is another one for each start."""
    ask = "cut -d ' ' -f 22 /proc/$(cat /run/docker.pid)/stat"
    return {str(n): hosts.run(str(n), ask).stdout.strip() for n in hosts if n != but}


def restarted(hosts: Hosts, before: Mapping[str, str]) -> set[str]:
    return {name for name, word in started(hosts).items() if word != before[name]}


def availability(hosts: Hosts, by: str = "rk1") -> dict[str, str]:
    return {name: node.availability for name, node in hosts.nodes(by).items()}


def traces(hosts: Hosts) -> set[str]:
    nodes = hosts.nodes("rk1").values()
    return {key for node in nodes for key in node.labels if key.startswith(LABELS)}


AS_IT_WAS = {"rk1": "active", "rk2": "active", "rk3": "drain", "rk4": "active"}


def assert_whole(hosts: Hosts) -> None:
    nodes = hosts.nodes("rk1")
    assert {name: node.state for name, node in nodes.items()} == dict.fromkeys(nodes, "ready")
    assert availability(hosts) == AS_IT_WAS
    assert traces(hosts) == set()
    assert replicas(hosts, "rk1") == "3/3"


def turns(run: Run) -> list[str]:
    """Whose engine was restarted, in the order of the log."""
    lines = [line for line in run.stderr.splitlines() if line.endswith("restarting Docker")]
    return [line.split("[")[1].split("]")[0] for line in lines]


def leader(hosts: Hosts) -> str:
    [name] = [name for name, node in hosts.nodes("rk1").items() if node.leader]
    return name


def killed_at(hosts: Hosts, host: str, words: str) -> None:
    """Run it, and kill the controller when it says these words of this host."""
    line, told = hosts.pyinfra_line("-y", *RESTART)
    process = subprocess.Popen(
        line,
        cwd=ROOT,
        env=told,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    printed = []
    for text in process.stderr:
        printed.append(text)
        if f"[{host}]" in text and words in text:
            process.kill()
            break
    assert process.wait() == -9, "".join(printed)


def test_a_dry_run_shows_the_turns_and_changes_nothing(engines: Hosts) -> None:
    before = started(engines)
    run = engines.pyinfra("--dry", *RESTART)
    assert run.returncode == 0, run.output
    order = [name for name in ("rk1", "rk2", "rk3") if name != leader(engines)]
    for place, name in zip(
        ("1st", "2nd", "3rd", "4th"), [*order, leader(engines), "rk4"], strict=True
    ):
        words = f"[{name}] ~ restart | the Docker daemon: is restarted, {place} of 4"
        assert words in run.stderr
    assert restarted(engines, before) == set()
    assert availability(engines) == AS_IT_WAS
    assert traces(engines) == set()


def test_managers_come_first_the_leader_last_of_them_and_all_is_as_it_was(engines: Hosts) -> None:
    before, last = started(engines), leader(engines)
    run = engines.pyinfra("-y", *RESTART)
    assert run.returncode == 0, run.output
    assert turns(run) == [*(n for n in ("rk1", "rk2", "rk3") if n != last), last, "rk4"]
    assert run.stderr.count("here the data plane would be proven") == 4
    assert re.match(r"All 4 hosts are done after \d+:\d\d: 4 changed\.", run.closing)
    assert restarted(engines, before) == {"rk1", "rk2", "rk3", "rk4"}
    assert_whole(engines)


def test_wherever_the_controller_is_killed_the_same_command_goes_on(engines: Hosts) -> None:
    """Four times, each time further on; no engine is restarted that has been already."""
    before, last = started(engines), leader(engines)
    first, second = (name for name in ("rk1", "rk2", "rk3") if name != last)
    killed_at(engines, first, "draining it")
    killed_at(engines, first, "restarting Docker")
    killed_at(engines, second, "waiting until it is back")
    killed_at(engines, last, "restoring its availability")
    between = started(engines)
    assert restarted(engines, before) == {first, second, last}
    site = engines.pyinfra("--dry", "inventory.py", "deploys/swarm.py")
    assert "label pyinfra-swarm" not in site.output
    run = engines.pyinfra("-y", *RESTART)
    assert run.returncode == 0, run.output
    assert turns(run) == ["rk4"]
    assert restarted(engines, between) == {"rk4"}
    assert_whole(engines)


def test_a_node_that_does_not_come_back_ends_it_and_mended_it_goes_on(engines: Hosts) -> None:
    before, last = started(engines), leader(engines)
    first, second = (name for name in ("rk1", "rk2", "rk3") if name != last)
    engines.run(second, "mv /usr/bin/dockerd /usr/bin/dockerd.away")
    run = engines.pyinfra("-y", *RESTART)
    assert run.returncode == 1
    assert f"1 of 4 hosts are done: {first}." in run.closing
    assert f"not done: {second}: restart: a command failed, its output is above" in run.closing
    stopped = f"the rolling job stopped at {second}, and all later nodes are unchanged"
    assert run.closing.count(stopped) == 2
    there = started(engines, but=second)
    assert {name for name, word in there.items() if word != before[name]} == {first}
    assert availability(engines, last) == {**AS_IT_WAS, second: "drain"}
    again = engines.pyinfra("--dry", *RESTART)
    assert f"[{second}] ~ restart | the Docker daemon: is restarted, 1st of 3" in again.stderr
    engines.run(second, "mv /usr/bin/dockerd.away /usr/bin/dockerd")
    last_run = engines.pyinfra("-y", *RESTART)
    assert last_run.returncode == 0, last_run.output
    assert turns(last_run)[0] == second
    assert first not in turns(last_run)
    assert_whole(engines)


def test_a_node_whose_traffic_is_not_proven_ends_it_and_stays_drained(engines: Hosts) -> None:
    first = next(name for name in ("rk1", "rk2", "rk3") if name != leader(engines))
    run = engines.pyinfra("-y", *RESTART, env={"ENGINES_PROOF": "fails"})
    assert run.returncode == 1
    assert f"not done: {first}: nothing encrypted came through" in run.closing
    assert turns(run) == [first]
    assert availability(engines)[first] == "drain"
    site = engines.pyinfra("--dry", "inventory.py", "deploys/swarm.py")
    assert "was set by a rolling job that has not finished" in site.output
    assert engines.pyinfra("-y", *RESTART).returncode == 0
    assert_whole(engines)


def test_a_swarm_that_is_not_whole_is_refused_before_the_first(engines: Hosts) -> None:
    before, last = started(engines), leader(engines)
    away = next(name for name in ("rk1", "rk2", "rk3") if name != last)
    engines.stop_engine(away)
    try:
        until(lambda: engines.nodes(last)[away].state == "down", "the swarm to miss it")
        run = engines.pyinfra("-y", *RESTART)
        assert run.returncode == 1
        assert "is not healthy" in run.closing
        assert turns(run) == []
    finally:
        engines.start_engine(away)
    until(
        lambda: all(node.state == "ready" for node in engines.nodes("rk1").values()), "all of them"
    )
    assert restarted(engines, before) == {away}


# The gates' time limits
# ----------------------

SOON = ("--data", "wait=15")

ALONE = """\
mv /usr/bin/dockerd /usr/bin/dockerd.away
cat > /usr/bin/dockerd <<'END'
#!/bin/sh
iptables -A OUTPUT -p tcp --dport 2377 -j REJECT --reject-with tcp-reset
exec /usr/bin/dockerd.away "$@"
END
chmod 755 /usr/bin/dockerd
"""
"""Shell: from its next start on, the engine reaches no manager."""

NOT_ALONE = """\
mv /usr/bin/dockerd.away /usr/bin/dockerd
iptables -D OUTPUT -p tcp --dport 2377 -j REJECT --reject-with tcp-reset
"""


def put_back(hosts: Hosts, name: str) -> None:
    """As docs/rolling.md says where a roll is to be left at that."""
    mine = [key for key in hosts.nodes("rk1")[name].labels if key.startswith(LABELS)]
    labels = [word for key in mine for word in ("--label-rm", key)]
    hosts.docker("rk1", "node", "update", "--availability", "active", *labels, name)
    until(lambda: replicas(hosts, "rk1") == "3/3", "the service")
    assert_whole(hosts)


def assert_stopped_at(hosts: Hosts, run: Run, name: str, before: Mapping[str, str]) -> None:
    """It is drained, all others are as they were, and no engine was restarted."""
    assert run.returncode == 1
    stopped = f"the rolling job stopped at {name}, and all later nodes are unchanged"
    assert run.closing.count(stopped) == 3
    assert availability(hosts) == {**AS_IT_WAS, name: "drain"}
    assert restarted(hosts, before) == set()


def test_tasks_that_do_not_go_end_it_with_their_names(engines: Hosts) -> None:
    before = started(engines)
    first = next(name for name in ("rk1", "rk2", "rk3") if name != leader(engines))
    engines.docker(
        *("rk1", "service", "create", "--name", "stubborn", "--no-resolve-image"),
        *("--constraint", f"node.hostname=={first}", "--stop-grace-period", "10m"),
        *("busybox", "sh", "-c", "trap '' TERM; while :; do sleep 1; done"),
    )
    run = engines.pyinfra("-y", *RESTART, *SOON)
    assert "after 15 s there are still tasks on this host: stubborn.1." in run.output
    assert ". It is drained and otherwise unchanged (more time: --data wait=" in run.output
    assert "This node stays drained until that is fixed" in run.closing
    assert_stopped_at(engines, run, first, before)
    engines.docker("rk1", "service", "rm", "stubborn")
    engines.run(first, "docker kill $(docker ps -q --filter name=stubborn)")
    put_back(engines, first)


def test_a_service_that_is_not_whole_elsewhere_ends_it(engines: Hosts) -> None:
    before = started(engines)
    first = next(name for name in ("rk1", "rk2", "rk3") if name != leader(engines))
    engines.docker(first, "tag", "busybox", "only-here")
    engines.docker("rk1", "node", "update", "--label-add", "may=yes", first)
    engines.docker(
        *("rk1", "service", "create", "--name", "rare", "--no-resolve-image"),
        *("--constraint", "node.labels.may==yes", "only-here", "sh", "-c", SERVED),
    )
    engines.docker("rk1", "node", "update", "--label-add", "may=yes", "rk4")
    run = engines.pyinfra("-y", *RESTART, *SOON)
    assert f"not done: {first}: after 15 s services still lack replicas: " in run.closing
    assert "rare (0 of 1)" in run.closing
    assert "Look at `docker service ps`, then run the same command again" in run.closing
    assert_stopped_at(engines, run, first, before)
    engines.docker("rk1", "service", "rm", "rare")
    for name in (first, "rk4"):
        engines.docker("rk1", "node", "update", "--label-rm", "may", name)
    put_back(engines, first)


def test_an_engine_that_finds_no_manager_ends_it_and_the_same_command_goes_on(
    engines: Hosts,
) -> None:
    before = started(engines)
    engines.run("rk4", ALONE)
    run = engines.pyinfra("-y", "--limit", "rk4", *RESTART, *SOON)
    assert run.returncode == 1
    assert "not done: rk4: this node has not come back after 15 s: " in run.closing
    assert ". It is still drained. Fix it (`sudo journalctl -u docker`)" in run.closing
    assert availability(engines) == {**AS_IT_WAS, "rk4": "drain"}
    assert restarted(engines, before) == {"rk4"}
    engines.run("rk4", NOT_ALONE)
    again = engines.pyinfra("-y", "--limit", "rk4", *RESTART)
    assert again.returncode == 0, again.output
    assert_whole(engines)


def test_a_host_that_does_not_boot_ends_it(engines: Hosts) -> None:
    before = started(engines)
    first = next(name for name in ("rk1", "rk2", "rk3") if name != leader(engines))
    every = ("--data", "all=yes", *SOON)  # these hosts know no reboot
    run = engines.pyinfra("-y", "inventory.py", "deploys/reboot.py", *every)
    assert (
        f"not done: {first}: this host has not come back within 15 s of its reboot. It is still "
        "drained. When it is back"
    ) in run.closing
    assert_stopped_at(engines, run, first, before)
    put_back(engines, first)


@pytest.mark.parametrize("managers", [1, 2])
def test_few_managers_are_restarted_only_if_it_is_accepted(managers: int) -> None:
    names = [f"rk{number}" for number in range(1, managers + 2)]
    with Hosts(managers + 1) as few:
        few.settings(names[:-1], names[-1:])
        few.form(names[:-1], names[-1:])
        serve(few)
        until(lambda: replicas(few, "rk1") == "3/3", "the service")
        before = started(few)
        refused = few.pyinfra("-y", *RESTART)
        assert refused.returncode == 1
        assert "--data interruption=accepted" in refused.closing
        assert restarted(few, before) == set()
        run = few.pyinfra("-y", *RESTART, "--data", "interruption=accepted")
        assert run.returncode == 0, run.output
        assert restarted(few, before) == set(names)
        assert set(availability(few).values()) == {"active"}
        assert traces(few) == set()
        until(lambda: replicas(few, "rk1") == "3/3", "the service")


def test_locked_managers_are_unlocked_in_their_turn(tmp_path: Path) -> None:
    with Hosts(3) as hosts:
        autolock = {"autolock": True, "unlock_key_file": str(tmp_path / "unlock-key")}
        hosts.settings(("rk1", "rk2", "rk3"), (), swarm=autolock)
        hosts.form(("rk1", "rk2", "rk3"))
        locked = hosts.pyinfra("-y", "inventory.py", "deploys/swarm.py")
        assert locked.returncode == 0, locked.output
        before = started(hosts)
        run = hosts.pyinfra("-y", *RESTART)
        assert run.returncode == 0, run.output
        assert restarted(hosts, before) == {"rk1", "rk2", "rk3"}
        assert {node.reachability for node in hosts.nodes("rk1").values()} == {"reachable"}
        said = hosts.docker("rk1", "info", "--format", "{{.Swarm.Cluster.Spec.EncryptionConfig}}")
        assert said.strip() == "{true}"
