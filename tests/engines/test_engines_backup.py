"""Backups on real engines.

What came of it is looked up at the engines, never through the product's facts.
"""

from __future__ import annotations

import hashlib
import re
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.engines.backups import (
    BACKUP,
    CANARY,
    MANAGERS,
    back_up,
    declare,
    engine_runs,
    holds_a_state,
    is_in_networks,
    left_behind,
    newest,
    wait_until,
)
from tests.engines.hosts import EngineError, Hosts
from tests.scenarios.conftest import ROOT


def test_a_backup_of_a_manager_that_does_not_lead_while_the_swarm_goes_on(
    swarm: Hosts, key: Path, folder: Path
) -> None:
    declare(swarm, key, folder)
    planned = swarm.pyinfra("--dry", *BACKUP)
    assert planned.returncode == 0, planned.output
    assert "the Docker engine: is stopped while the state is read" in planned.output
    assert not folder.exists()
    pid = {name: swarm.run(name, "cat /run/docker.pid").stdout for name in MANAGERS}
    failed: list[str] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            try:
                swarm.api("rk1", "/nodes")
            except EngineError as error:
                failed.append(str(error))
            time.sleep(0.1)

    asking = threading.Thread(target=ask)
    asking.start()
    run = swarm.pyinfra("-y", "-vvv", "--debug", *BACKUP)
    done.set()
    asking.join()
    assert run.returncode == 0, run.output
    assert failed == []
    after = {name: swarm.run(name, "cat /run/docker.pid").stdout for name in MANAGERS}
    assert [name for name in MANAGERS if pid[name] != after[name]] == ["rk2"]
    assert all(node.availability == "active" for node in swarm.nodes("rk1").values())
    assert swarm.nodes("rk1")["rk2"].reachability == "reachable"
    assert not left_behind(swarm, "rk2")
    assert is_in_networks(swarm, "rk2")
    [file] = folder.iterdir()
    assert re.fullmatch(r"engines-rk2-\d{8}T\d{6}Z\.tar\.age", file.name)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    # Nothing of the state has gone to the log: neither in clear, nor as it came over the wire.
    node_key = swarm.run("rk2", "cat /var/lib/docker/swarm/certificates/swarm-node.key").stdout
    for line in node_key.splitlines()[1:-1]:
        assert len(line) < 20 or line not in run.output
    assert not holds_a_state(run.output)
    assert CANARY not in run.output
    assert CANARY.encode() not in file.read_bytes()


def test_as_many_backups_are_kept_as_declared_and_nothing_else_goes(
    swarm: Hosts, key: Path, folder: Path
) -> None:
    declare(swarm, key, folder)
    folder.mkdir()
    unknown = {
        folder / "engines-rk3-20200101T000000Z.tar.age",
        folder / "engines-rk3-20990101T000000Z.tar.age",
        folder / "another-rk3-20200101T000000Z.tar.age",
    }
    for file in unknown:
        file.write_text("age-encryption.org/v1\n")
    written = []
    for _ in range(3):
        run = swarm.pyinfra("-y", *BACKUP, "--data", "host=rk3", "--data", "drain=no")
        assert run.returncode == 0, run.output
        [sum_of_it] = re.findall(r"SHA-256 ([0-9a-f]{64})", run.output)
        [file] = [
            path
            for path in folder.iterdir()
            if hashlib.sha256(path.read_bytes()).hexdigest() == sum_of_it
        ]
        written.append(file)
        for file in unknown:
            assert file.name in run.output
        assert "this computer did not write" in run.output
    assert {*folder.iterdir()} == {*unknown, *written[1:]}


@contextmanager
def while_the_engine_is_stopped(swarm: Hosts) -> Iterator[subprocess.Popen[bytes]]:
    """A run of the backup that has stopped rk2's engine; killed at the end if it still runs."""
    line, env = swarm.pyinfra_line("-y", *BACKUP)
    with subprocess.Popen(line, cwd=ROOT, env=env, stdin=subprocess.DEVNULL) as run:
        try:
            wait_until(lambda: not engine_runs(swarm, "rk2"), "the engine was never stopped")
            yield run
        finally:
            run.kill()


def test_the_controller_is_killed_and_the_engine_runs_again(
    swarm: Hosts, key: Path, folder: Path
) -> None:
    declare(swarm, key, folder)
    with while_the_engine_is_stopped(swarm) as run:
        run.kill()
        run.wait()
    assert not engine_runs(swarm, "rk2")
    wait_until(lambda: engine_runs(swarm, "rk2"), "the engine was not started again")
    wait_until(
        lambda: swarm.nodes("rk1")["rk2"].availability == "active", "the node was left drained"
    )
    wait_until(lambda: not left_behind(swarm, "rk2"), "the state was left in /run")
    assert [path.name for path in folder.iterdir() if path.name.endswith(".age")] == []
    # What it began it can be asked to do again.
    back_up(swarm, folder)


def test_a_controller_that_hangs_keeps_no_engine_stopped(
    swarm: Hosts, key: Path, folder: Path
) -> None:
    declare(swarm, key, folder)
    with while_the_engine_is_stopped(swarm) as run:
        run.send_signal(signal.SIGSTOP)
        wait_until(lambda: engine_runs(swarm, "rk2"), "the engine was not started again")
        wait_until(
            lambda: swarm.nodes("rk1")["rk2"].availability == "active", "the node is drained"
        )
        run.send_signal(signal.SIGCONT)
        assert run.wait(timeout=120) == 0
    assert newest(folder).name.endswith(".tar.age")
    assert not left_behind(swarm, "rk2")


def test_a_manager_that_the_quorum_needs_is_not_stopped(
    swarm: Hosts, key: Path, folder: Path
) -> None:
    declare(swarm, key, folder)
    swarm.power_cut("rk3")
    wait_until(
        lambda: swarm.nodes("rk1")["rk3"].reachability == "unreachable", "rk3 was not missed"
    )
    run = swarm.pyinfra("-y", *BACKUP)
    assert run.returncode == 1
    assert (
        "the engine of rk2 is not stopped: of 3 managers 2 must stay reachable, and without this "
        "one only 1 would be" in run.output
    )
    assert not folder.exists()
    swarm.power_on("rk3")


def test_what_cannot_be_written_is_seen_before_any_engine_is_stopped(
    swarm: Hosts, key: Path, folder: Path
) -> None:
    declare(swarm, key, folder)
    for option, words in (
        ("to=/nowhere/at/all.age", "there is no folder /nowhere/at"),
        (f"to={key}", "exists already"),
        ("host=rk9", "instead: --data host=HOST, one of rk1, rk2, rk3, rk4"),
        ("host=rk4", "rk4 is no reachable manager of the swarm. One of rk1, rk2, rk3"),
    ):
        run = swarm.pyinfra("-y", *BACKUP, "--data", option)
        assert run.returncode == 1, option
        assert words in run.output
