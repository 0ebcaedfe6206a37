"""One run at a time: the cluster's lock on real hosts, with pyinfra's command line at both ends."""

from __future__ import annotations

import getpass
import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyinfra_swarm.run.lock_state import FILE, SILENCE
from tests.engines.hosts import EngineError, Hosts
from tests.scenarios.conftest import ROOT, Run, changes_in, wait_for

MANAGERS, WORKERS = ("rk1", "rk2", "rk3"), ("rk4",)

SLOW = """
import pathlib
import time

from pyinfra.api import FunctionCommand

from pyinfra_swarm.run.converge import converges, current_host, script, report


@converges("slow")
def waited(go="go"):
    yield script(f"echo begun >> /run/history; while [ ! -e /run/{go} ]; do sleep 0.1; done",
                 timeout=300)


@converges("slow")
def rebooted():
    if current_host().name == "rk1":
        yield FunctionCommand(_connected_again, (), {})


def _connected_again(state, host):
    # As a job that reboots a host does.
    pathlib.Path(FOLDER, "rebooting").touch()
    while not pathlib.Path(FOLDER, "rebooted").exists():
        time.sleep(0.1)
    host.connector.client.close()
    host.connector.connect()
    return True


@converges("slow")
def nothing():
    report("slow", [])
    yield from ()


@converges("slow")
def ended():
    yield script("echo ended >> /run/history")


"""
BEGIN, END = "waited(name='Begin')", "ended(name='End')"


class Runs:
    """Runs that take as long as a test wants."""

    def __init__(self, hosts: Hosts, folder: Path) -> None:
        self.hosts, self.folder = hosts, folder
        self._running: list[subprocess.Popen[str]] = []

    def deploy(self, *calls: str, name: str = "slow.py") -> tuple[str, str]:
        path = self.folder / name
        path.write_text(f"FOLDER = {str(self.folder)!r}\n{SLOW}" + "\n".join(calls))
        return "inventory.py", str(path)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """A run that goes on by itself; its standard error is part of what it says."""
        line, told = self.hosts.pyinfra_line(*arguments)
        started = subprocess.Popen(
            line,
            cwd=ROOT,
            env=told,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._running.append(started)
        return started

    def start_slow(
        self, *more: str, calls: tuple[str, ...] = (BEGIN, END)
    ) -> subprocess.Popen[str]:
        """A run that has begun on all its hosts, and waits there for :meth:`let_go`."""
        started = self.start("-y", *self.deploy(*calls), *more)
        begun = {name: ["begun"] for name in MANAGERS}
        wait_for(lambda: {name: self.history(name) for name in begun} == begun, "it to begin", 30)
        return started

    def history(self, name: str) -> list[str]:
        if not self.hosts[name].on:
            return []
        return self.hosts.run(name, "cat /run/history 2>/dev/null || true").stdout.split()

    def let_go(self, which: str = "go") -> None:
        for name in self.hosts:
            if self.hosts[name].on:
                self.hosts.run(name, f"touch /run/{which}")

    def forget(self) -> None:
        """The hosts as before, and no run left."""
        for process in self._running:
            process.kill()
            process.communicate()
        declare(self.hosts)
        for name in self.hosts:
            self.hosts.power_on(name)
            self.hosts.run(name, "rm -f /run/history /run/go /run/on")
        wait_for(lambda: not self.held(), "the lock to be gone", 20)

    def held(self) -> list[str]:
        """Where the lock is held, as the kernel says."""
        free = f"[ ! -e {FILE} ] || flock -n {FILE} true"
        on = [name for name in MANAGERS if self.hosts[name].on]
        return [name for name in on if self.hosts.run(name, free, check=False).returncode]


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    said, _ = process.communicate(timeout=120)
    return process.returncode, said


@pytest.fixture(scope="module")
def declared(four: Hosts) -> Hosts:
    declare(four)
    return four


def declare(hosts: Hosts) -> None:
    hosts.settings(MANAGERS, WORKERS)


@pytest.fixture
def runs(declared: Hosts, tmp_path: Path) -> Iterator[Runs]:
    made = Runs(declared, tmp_path)
    yield made
    made.forget()


def second(runs: Runs, *more: str) -> Run:
    return runs.hosts.pyinfra("-y", *runs.deploy(END, name="second.py"), *more)


def assert_refused(run: Run) -> None:
    assert run.returncode == 1
    who = re.escape(f"{getpass.getuser()}@{socket.gethostname()}")
    for name in runs_hosts(run):
        [line] = [line for line in run.closing.splitlines() if f"not done: {name}: " in line]
        assert re.search(
            rf"another run is changing this cluster: {who}, since \d\d:\d\d:\d\d "
            r"\(\S*slow\.py, (\d+ seconds? ago|just now); process \d+ there\)",
            line,
        ), line
        assert "Nothing was changed by this one. Wait until the other has ended" in line
    assert "Success" not in run.output


def runs_hosts(run: Run) -> list[str]:
    return re.findall(r"not done: (\w+): ", run.closing) or ["nobody was refused"]


def test_two_runs_at_once_are_one_too_many(runs: Runs) -> None:
    first = runs.start_slow()
    assert runs.held() == list(MANAGERS)
    refused = second(runs)
    assert_refused(refused)
    assert runs_hosts(refused) == [*MANAGERS, *WORKERS]
    assert_refused(second(runs, "--limit", "rk4"))
    assert {tuple(runs.history(name)) for name in runs.hosts} == {("begun",)}
    assert runs.held() == list(MANAGERS), "the second has taken it along"
    runs.let_go()
    code, said = ended(first)
    assert code == 0, said
    assert {tuple(runs.history(name)) for name in runs.hosts} == {("begun", "ended")}
    after = second(runs)
    assert after.returncode == 0, after.output


def test_of_two_that_begin_together_one_goes_on(runs: Runs) -> None:
    both = [runs.start("-y", *runs.deploy(BEGIN)) for _ in range(2)]
    wait_for(lambda: any(one.poll() is not None for one in both), "one to be refused", 30)
    wait_for(lambda: runs.history("rk4") == ["begun"], "the other to begin", 30)
    runs.let_go()
    assert sorted(ended(one)[0] for one in both) == [0, 1]
    assert {tuple(runs.history(name)) for name in runs.hosts} == {("begun",)}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_lock_ends_with_its_run(runs: Runs, number: signal.Signals) -> None:
    first = runs.start_slow()
    first.send_signal(number)
    if number == signal.SIGINT:
        runs.let_go()  # it ends when what is being done on its hosts has ended
    ended(first)
    after = second(runs)
    assert after.returncode == 0, after.output


def test_a_dry_run_takes_no_lock_and_tells_of_one(runs: Runs) -> None:
    for name in runs.hosts:
        runs.hosts.run(name, f"rm -f {FILE}")
    dry = runs.hosts.pyinfra("--dry", "inventory.py", "deploys/swarm.py", "-vv")
    assert dry.returncode == 0, dry.output
    assert "is changing this cluster" not in dry.output
    for name in runs.hosts:
        assert runs.hosts.run(name, f"test -e {FILE}", check=False).returncode == 1
    commands = dry.output.count(">>>")
    runs.start_slow()
    dry = runs.hosts.pyinfra("--dry", "inventory.py", "deploys/swarm.py", "-vv")
    assert dry.returncode == 0, dry.output
    assert dry.output.count("a run is changing this cluster: ") == 1
    assert "so the first one initialises it" in dry.output
    assert dry.output.count(">>>") == commands
    assert runs.held() == list(MANAGERS)


def test_a_check_says_that_a_run_is_in_progress_and_measures_nothing(runs: Runs) -> None:
    runs.start_slow()
    line, told = runs.hosts.pyinfra_line()
    at = line.index("--") + 1
    for deploy in ("deploys/swarm.py", "deploys/updates.py"):
        check = [
            *line[:at],
            sys.executable,
            "-m",
            "pyinfra_swarm.drift",
            "--json",
            "--deploy",
            deploy,
        ]
        done = subprocess.run(
            check, cwd=ROOT, env=told, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 1, done.stdout + done.stderr
        report = json.loads(done.stdout)
        assert report["busy"].startswith(f"held by {getpass.getuser()} from {socket.gethostname()}")
        assert report["hosts"] == []


def test_the_lock_is_no_change_and_one_command_for_each_manager(runs: Runs) -> None:
    run = runs.hosts.pyinfra("-y", "--json", "-vv", *runs.deploy("nothing(name='Nothing')"))
    assert run.returncode == 0, run.output
    assert not changes_in(run.json)
    assert "All 4 hosts are as declared. Nothing was changed." in run.closing
    sent = [line for line in run.stderr.splitlines() if ">>>" in line]
    assert [re.findall(r"rk\d", line)[0] for line in sent] == list(MANAGERS)


# Managers that come and go
# -------------------------


def test_a_manager_that_loses_its_power_does_not_take_the_lock_along(runs: Runs) -> None:
    first = runs.start_slow()
    runs.hosts.power_cut("rk1")
    assert runs.held() == ["rk2", "rk3"]
    assert_refused(second(runs, "--limit", "rk2"))
    runs.hosts.power_on("rk1")
    refused = second(runs)  # it gets rk1's, and must not keep it
    assert_refused(refused)
    wait_for(lambda: runs.held() == ["rk2", "rk3"], "rk1 to be let go", 5)
    runs.let_go()
    code, said = ended(first)
    assert code == 1  # rk1 has failed
    assert "3 of 4 hosts are done: rk2, rk3, rk4." in said


def test_the_only_manager_is_locked_again_after_its_reboot(runs: Runs) -> None:
    runs.hosts.settings(("rk1",), ("rk2", "rk3", "rk4"))
    first = runs.start("-y", *runs.deploy("rebooted(name='Reboot')", BEGIN, END))
    wait_for((runs.folder / "rebooting").exists, "the run to begin", 30)
    assert runs.held() == ["rk1"]
    runs.hosts.restart("rk1")
    (runs.folder / "rebooted").touch()
    wait_for(lambda: runs.history("rk1") == ["begun"], "the run to go on", 30)
    assert runs.held() == ["rk1"]
    assert_refused(second(runs))
    runs.let_go()
    code, said = ended(first)
    assert code == 0, said
    assert runs.history("rk1") == ["begun", "ended"]


def test_where_no_manager_can_be_reached_there_is_no_lock_and_no_harm(runs: Runs) -> None:
    runs.hosts.each(runs.hosts.power_cut, MANAGERS)
    after = second(runs, "--limit", "rk4")
    assert after.returncode == 0, after.output
    assert runs.history("rk4") == ["ended"]


# A run that wakes up inside of an operation
# ------------------------------------------

# With -v, since a run else holds a line back for a moment in which a node's turn can go on.
RESTART = ("-v", "inventory.py", str(Path(__file__).parent / "deploys/restart.py"))


def engine(hosts: Hosts, name: str) -> str:
    """A word that is another one for each start of a host's engine."""
    return hosts.run(name, "cut -d ' ' -f 22 /proc/$(cat /run/docker.pid)/stat").stdout.strip()


def reachable(hosts: Hosts, asked: str, manager: str) -> bool:
    """Whether the others reach a manager; so it is called, too, while they have no leader."""
    try:
        return hosts.nodes(asked)[manager].reachability == "reachable"
    except EngineError:
        return True


def silenced_at(runs: Runs, words: str, *arguments: str) -> tuple[subprocess.Popen[str], str]:
    """A run that falls asleep when it says these words of a host, and that host's name."""
    started = runs.start(*arguments)
    assert started.stdout is not None
    said = []
    for line in started.stdout:
        said.append(line)
        if words in line and (host := re.search(r"\[(rk\d)\]", line)):
            started.send_signal(signal.SIGSTOP)
            wait_for(lambda: not runs.held(), "the managers to lose patience", SILENCE + 15)
            return started, host[1]
    raise AssertionError(f"it never said {words!r}:\n" + "".join(said))


@pytest.fixture
def swarm(runs: Runs) -> Iterator[Runs]:
    """Three managers and a worker in a swarm."""
    runs.hosts.form(MANAGERS, WORKERS)
    yield runs
    runs.hosts.reset()


@pytest.mark.parametrize("other", ["at work", "come and gone"])
def test_a_run_that_wakes_up_in_the_middle_of_a_nodes_turn_stops_no_second_manager(
    swarm: Runs, other: str
) -> None:
    hosts = swarm.hosts
    first, name = silenced_at(swarm, "waiting until its tasks have gone", "-y", *RESTART)
    begun = {manager: engine(hosts, manager) for manager in MANAGERS}
    second = swarm.start("-y", *swarm.deploy(BEGIN, name="other.py"))
    wait_for(lambda: swarm.history("rk4") == ["begun"], "another run to begin", 30)
    away = next(manager for manager in MANAGERS if manager != name)
    hosts.run(away, "systemctl stop docker.service")
    if other == "come and gone":
        swarm.let_go()
        assert ended(second)[0] == 0
    first.send_signal(signal.SIGCONT)
    code, said = ended(first)
    running = [manager for manager in MANAGERS if manager != away]
    assert {m: engine(hosts, m) for m in running} == {m: begun[m] for m in running}, said
    assert code == 1
    assert "this run was silent for too long to keep the cluster's lock" in said
    assert "other.py" in said
    swarm.let_go()
    hosts.run(away, "systemctl start docker.service")


def test_a_run_that_wakes_up_alone_looks_again_before_it_stops_an_engine(swarm: Runs) -> None:
    """Nobody has taken the lock, and another manager has lost its power meanwhile."""
    hosts = swarm.hosts
    first, name = silenced_at(swarm, "waiting until its tasks have gone", "-y", *RESTART)
    before = engine(hosts, name)
    asked, away = (manager for manager in MANAGERS if manager != name)
    hosts.power_cut(away)
    wait_for(lambda: not reachable(hosts, asked, away), "the others to notice", 60)
    first.send_signal(signal.SIGCONT)
    code, said = ended(first)
    assert engine(hosts, name) == before, said
    assert code == 1
    assert "of 3 managers 2 must stay reachable, and without this one only 1 would be" in said


def test_a_run_that_falls_silent_loses_the_lock_and_finds_out(runs: Runs) -> None:
    first = runs.start_slow()
    first.send_signal(signal.SIGSTOP)  # as a laptop whose lid is closed
    begun = time.monotonic()
    assert_refused(second(runs))
    wait_for(lambda: not runs.held(), "the managers to lose patience", SILENCE + 5)
    assert time.monotonic() - begun > SILENCE - 20
    other = runs.start("-y", *runs.deploy("waited('on', name='On')", name="other.py"))
    wait_for(lambda: runs.history("rk4") == ["begun", "begun"], "another run to begin", 30)
    first.send_signal(signal.SIGCONT)
    runs.let_go()
    code, said = ended(first)
    assert code == 1
    runs.let_go("on")
    assert ended(other)[0] == 0
    assert "this run was silent for too long to keep the cluster's lock" in said
    assert "other.py" in said
    assert "ended" not in runs.history("rk4")
