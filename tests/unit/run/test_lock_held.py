"""The cluster's lock as a run holds it: real SSH connections and shells, and a clock that jumps."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pyinfra.api import Config, State
from pyinfra.api.inventory import Inventory

from pyinfra_swarm.run import clock, lock, pyinfra_internals
from pyinfra_swarm.run.context import begin_another_run, this_run
from pyinfra_swarm.run.lock_state import FILE, LAST, SILENCE, Holder, announcement, take
from tests.tools import forked
from tests.tools.ssh_server import Server

OTHER = Holder("bob", "sofa", 4712, "deploys/upgrade.py", "another")

SUDO = '#!/bin/sh\nshift 2\ncd "$(dirname "$0")"\nexec "$@"\n'
"""sudo that stays who it is; files that are named without a folder are the host's own."""


@dataclass
class Manager:
    """A host with an SSH server of its own, and files of its own."""

    server: Server
    here: Path

    def taken_by_another(self) -> subprocess.Popen[str]:
        """Another run's shell, which holds the lock until its input ends."""
        shell = subprocess.Popen(
            ["bash", "-c", here()],
            cwd=self.here,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert shell.stdin is not None
        assert shell.stdout is not None
        shell.stdin.write(f"{announcement(OTHER)}\n")
        shell.stdin.flush()
        assert shell.stdout.readline().startswith("held")
        return shell

    def is_held(self) -> bool:
        return subprocess.run(["flock", "-n", "lock", "true"], cwd=self.here).returncode != 0


def here(silence: int = SILENCE) -> str:
    """The lock's script with files beside it, and with another patience."""
    script = take(silence=silence)
    assert FILE in script
    assert LAST in script
    return script.replace(FILE, "lock").replace(LAST, "last")


class Sleeping:
    """This computer's clock, which goes on while it sleeps."""

    def __init__(self) -> None:
        self.slept = 0.0

    def now(self) -> float:
        return time.monotonic() + self.slept


@pytest.fixture
def computer(monkeypatch: pytest.MonkeyPatch) -> Sleeping:
    made = Sleeping()
    monkeypatch.setattr(clock, "now", made.now)
    return made


@pytest.fixture(autouse=True)
def _a_run_of_its_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    begin_another_run()
    monkeypatch.setattr(lock, "take", lambda: here(silence=1))
    yield
    begin_another_run()


@pytest.fixture
def managers(tmp_path: Path) -> Iterator[list[Manager]]:
    made = []
    for name in ("rk1", "rk2", "rk3"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "sudo").write_text(SUDO)
        (folder / "sudo").chmod(0o755)
        server = Server(folder, {"PATH": f"{folder}:{os.environ['PATH']}"})
        made.append(Manager(server, folder))
    yield made
    for manager in made:
        manager.server.close()


def the_run(managers: list[Manager]) -> State:
    names = [
        (f"rk{number}", {**manager.server.data, "ssh_connect_retries": 0, "_sudo": True})
        for number, manager in enumerate(managers, start=1)
    ]
    inventory = Inventory((names, {}), managers=([name for name, _ in names], {}), override_data={})
    state = State(inventory, Config(CONNECT_TIMEOUT=3))
    for host in state.inventory:
        host.connect(raise_exceptions=True)
        state.activate_host(host)
    return state


@pytest.fixture
def run(managers: list[Manager]) -> State:
    return the_run(managers)


lost: list[str] = []


def problem(run: State, *, waiting: bool = False) -> str:
    lost.clear()
    return lock.problem(run, lambda: lost.append("forgotten"), waiting=waiting)


def let_go(managers: list[Manager]) -> None:
    """The managers lose patience, as they do after a minute without a sign."""
    end = time.monotonic() + 10
    while any(manager.is_held() for manager in managers):
        assert time.monotonic() < end
        time.sleep(0.1)


def commands(managers: list[Manager]) -> list[int]:
    return [len(manager.server.commands) for manager in managers]


def test_it_is_held_on_every_manager_and_asking_for_it_costs_nothing(
    run: State, managers: list[Manager], computer: Sleeping
) -> None:
    assert problem(run) == ""
    assert all(manager.is_held() for manager in managers)
    before = commands(managers)
    for _ in range(100):
        assert problem(run) == ""
    assert commands(managers) == before == [1, 1, 1]


def test_after_a_sleep_the_managers_are_asked_whether_they_still_hold_it(
    run: State, managers: list[Manager], computer: Sleeping
) -> None:
    assert problem(run) == ""
    computer.slept = 45
    assert problem(run) == ""
    assert not lost
    assert commands(managers) == [1, 1, 1], "the shells there have answered"
    assert all(hold.certain() for hold in this_run(lock._Lock).holds.values())


def test_who_wakes_up_and_finds_another_run_stops(
    run: State, managers: list[Manager], computer: Sleeping
) -> None:
    assert problem(run) == ""
    let_go(managers)
    computer.slept = 3600
    other = managers[0].taken_by_another()
    for waiting in (False, True):
        said = problem(run, waiting=waiting)
        assert "this run was silent for too long" in said
        assert "another run has begun: bob@sofa" in said
    other.kill()


def test_this_side_cannot_tell_that_it_has_slept_by_the_connection_alone(
    run: State, managers: list[Manager], computer: Sleeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that survives a sleep looks as it did before: nobody has read from it yet."""
    assert problem(run) == ""
    monkeypatch.setattr(lock.Hold, "_open", lambda hold: True)
    let_go(managers)
    other = managers[0].taken_by_another()
    assert problem(run) == "", "by this computer's clock it was answered a moment ago"
    computer.slept = 3600
    assert "another run has begun: bob@sofa" in problem(run)
    other.kill()


@pytest.mark.parametrize("met_by", [0, 1, 2])
def test_who_wakes_up_after_another_run_has_come_and_gone_stops_as_well(
    run: State, managers: list[Manager], computer: Sleeping, met_by: int
) -> None:
    """Wherever that one was: it may have reached another manager only."""
    assert problem(run) == ""
    let_go(managers)
    computer.slept = 3600
    other = managers[met_by].taken_by_another()
    other.communicate(timeout=5)
    assert not any(manager.is_held() for manager in managers)
    said = problem(run)
    assert "another run has been at work since: bob@sofa (deploys/upgrade.py)" in said


def test_who_wakes_up_alone_goes_on_and_looks_anew(
    run: State, managers: list[Manager], computer: Sleeping
) -> None:
    assert problem(run) == ""
    let_go(managers)
    computer.slept = 3600
    assert problem(run) == ""
    assert lost == ["forgotten"]
    assert all(manager.is_held() for manager in managers)
    assert problem(run) == ""
    assert not lost


def test_a_run_that_has_withdrawn_from_one_manager_was_no_run(
    run: State, managers: list[Manager], computer: Sleeping
) -> None:
    """It had rebooted, so another run got it there, and met this one at the next."""
    assert problem(run) == ""
    this_run(lock._Lock).holds["rk1"].channel.close()
    let_go(managers[:1])
    managers[0].taken_by_another().communicate(timeout=5)
    host = run.inventory.get_host("rk1")
    assert this_run(lock._Lock).holds["rk2"].give_sign()
    assert lock._take_again(run, host)
    assert problem(run) == ""
    assert not lost


def test_where_the_connections_have_ended_it_is_taken_over_new_ones(
    run: State, managers: list[Manager], computer: Sleeping
) -> None:
    assert problem(run) == ""
    for manager in managers:
        manager.server.cut()
    let_go(managers)
    computer.slept = 3600
    assert problem(run) == ""
    assert all(manager.is_held() for manager in managers)


def test_where_no_manager_answers_any_more_nothing_more_is_changed(
    run: State, managers: list[Manager], computer: Sleeping
) -> None:
    assert problem(run) == ""
    for manager in managers:
        manager.server.close()
    assert problem(run) == "", "they have let nobody else in yet"
    computer.slept = SILENCE + 1
    assert problem(run, waiting=True) == "", "a wait for a reboot goes on"
    said = problem(run)
    assert "rk1, rk2 and rk3 held the cluster's lock for this run and cannot be reached" in said
    assert "another run may have begun. This run changes nothing more" in said


# Who can hold it
# ---------------


def test_managers_that_answer_and_cannot_hold_it_are_a_refusal(
    managers: list[Manager], computer: Sleeping
) -> None:
    for manager in managers:
        (manager.here / "sudo").write_text("#!/bin/sh\necho 'no room in /run' >&2; exit 1\n")
    said = problem(the_run(managers))
    assert "no manager could hold the cluster's lock" in said
    assert "rk1: no room in /run; rk2: no room in /run; rk3: no room in /run" in said


def test_one_that_can_is_enough_and_the_others_are_told(
    managers: list[Manager], computer: Sleeping, caplog: pytest.LogCaptureFixture
) -> None:
    (managers[1].here / "sudo").write_text("#!/bin/sh\necho 'no room in /run' >&2; exit 1\n")
    assert problem(the_run(managers)) == ""
    assert "rk2: the cluster's lock could not be taken here: no room in /run" in caplog.text


def test_a_full_disk_is_no_lock(managers: list[Manager], computer: Sleeping) -> None:
    if not Path("/dev/full").exists() or shutil.which("bash") is None:
        pytest.skip("needs /dev/full")
    for manager in managers:
        (manager.here / "last").symlink_to("/dev/full")
    assert "no manager could hold the cluster's lock" in problem(the_run(managers))


def test_a_connection_that_pyinfra_keeps_elsewhere_is_said_and_nothing_is_changed(
    run: State, computer: Sleeping
) -> None:
    for host in run.inventory:
        vars(host.connector)["moved"] = vars(host.connector).pop("client")
    assert "is connected to rk1 by SSH, but its connection is not found" in problem(run)


def test_where_no_manager_is_reached_the_run_says_that_nobody_holds_it(
    computer: Sleeping, caplog: pytest.LogCaptureFixture
) -> None:
    inventory = Inventory((["@fake/rk1"], {}), managers=(["@fake/rk1"], {}), override_data={})
    state = State(inventory, Config())
    for host in state.inventory:
        host.connect(raise_exceptions=True)
        state.activate_host(host)
    assert not pyinfra_internals.is_ssh(host)
    assert problem(state) == ""
    assert (
        "this run goes on without the cluster's lock: @fake/rk1 is not reached by SSH"
        in caplog.text
    )
    assert caplog.text.count("without the cluster's lock") == 1


def test_an_inventory_that_is_not_this_projects_has_no_lock(
    computer: Sleeping, caplog: pytest.LogCaptureFixture
) -> None:
    state = State(Inventory((["@fake/rk1"], {}), override_data={}), Config())
    assert problem(state) == ""
    assert not caplog.text


TAKES_AND_IS_SILENT = """
from gevent import monkey

monkey.patch_all()

import time
from pathlib import Path

from pyinfra.api import Config, State
from pyinfra.api.inventory import Inventory

from pyinfra_swarm.run import lock
from tests.tools import ssh_server

ssh_server._Session.check_channel_exec_request = lambda *_: time.sleep(60) or True
lock._ANSWER = 0.5
server = ssh_server.Server(Path({folder!r}))
inventory = Inventory(([("rk1", server.data)], {{}}), managers=(["rk1"], {{}}), override_data={{}})
state = State(inventory, Config(CONNECT_TIMEOUT=3))
host = inventory.get_host("rk1")
host.connect(raise_exceptions=True)
print(lock._take(state, host), flush=True)
"""


def test_a_manager_that_never_answers_the_command_holds_nobody_up(tmp_path: Path) -> None:
    (tmp_path / "silent.py").write_text(TAKES_AND_IS_SILENT.format(folder=str(tmp_path)))
    done = forked.run([sys.executable, "-m", "silent"], cwd=tmp_path, env=os.environ)
    assert "no answer in 1.5 s" in done.stdout, done.stderr


def test_a_run_that_is_over_gives_no_more_signs_of_life(
    managers: list[Manager], run: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "HEARTBEAT", 0.01)
    assert problem(run) == ""
    keepers = list(this_run(lock._Lock).keepers)
    assert len(keepers) == 3
    begin_another_run()
    assert all(keeper.dead for keeper in keepers)
    assert all(keeper.successful() for keeper in keepers)
