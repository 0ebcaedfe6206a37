"""Backups, restores and lost quorums on real engines.

What came of it is looked up at the engines, never through the product's facts.
"""

from __future__ import annotations

import base64
import hashlib
import re
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pytest

from pyinfra_swarm.backup import age_encryption
from pyinfra_swarm.backup.archive import Archive, unpack
from tests.engines.conftest import SWARM
from tests.engines.hosts import EngineError, Hosts
from tests.scenarios.conftest import ROOT, Run

MANAGERS, WORKERS = ("rk1", "rk2", "rk3"), ("rk4",)
BACKUP = ("inventory.py", "deploys/backup.py")
RESTORE = ("inventory.py", "deploys/restore.py")
RECOVER = ("inventory.py", "deploys/recover.py")
UNLOCK = ("inventory.py", "deploys/unlock.py")
CANARY = "canary-3f1c9a"
"""What the swarm's secret and config hold."""


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SSH key, as a user has one."""
    path = tmp_path_factory.mktemp("keys") / "id_ed25519"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)],
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "backups"


def declare(hosts: Hosts, key: Path, folder: Path, unlock_key_file: Path | None = None) -> None:
    recipient = key.with_suffix(".pub").read_text().strip()
    autolock = {"autolock": True, "unlock_key_file": str(unlock_key_file)}
    hosts.settings(
        MANAGERS,
        WORKERS,
        backup={"recipients": [recipient], "folder": str(folder), "keep": 2},
        swarm=autolock if unlock_key_file else {},
    )


def fill(hosts: Hosts, at: str) -> None:
    """Something of everything that a swarm keeps."""
    encoded = base64.b64encode(CANARY.encode()).decode()
    hosts.api(at, "/secrets/create", {"Name": "password", "Data": encoded})
    hosts.api(at, "/configs/create", {"Name": "settings", "Data": encoded})
    hosts.docker(at, "network", "create", "-d", "overlay", "--opt", "encrypted", "backend")
    hosts.docker(at, "node", "update", "--label-add", "disk=nvme", "rk4")
    hosts.docker(
        at,
        *("service", "create", "-d", "--name", "web", "--replicas", "2", "--network", "backend"),
        *("--secret", "password", "busybox", "sleep", "1000"),
    )


def kept(hosts: Hosts, at: str) -> dict[str, object]:
    """What of it an engine knows."""
    networks = hosts.api(at, "/networks")
    return {
        "swarm": hosts.api(at, "/swarm")["ID"],
        "services": {s["Spec"]["Name"]: s["ID"] for s in hosts.api(at, "/services")},
        "secrets": {s["Spec"]["Name"]: s["ID"] for s in hosts.api(at, "/secrets")},
        "configs": {
            c["Spec"]["Name"]: base64.b64decode(c["Spec"]["Data"]).decode()
            for c in hosts.api(at, "/configs")
        },
        # Without the ingress network, which the site replaces by an encrypted one.
        "overlays": {
            n["Name"]: n["Id"] for n in networks if n["Scope"] == "swarm" and not n["Ingress"]
        },
        "labels": hosts.nodes(at)["rk4"].labels,
    }


def back_up(hosts: Hosts, folder: Path, *more: str) -> Path:
    run = hosts.pyinfra("-y", *BACKUP, *more)
    assert run.returncode == 0, run.output
    return newest(folder)


def newest(folder: Path) -> Path:
    return sorted(folder.iterdir())[-1]


def restore(
    hosts: Hosts, file: Path, key: Path, *more: str, env: Mapping[str, str] | None = None
) -> Run:
    options = ("--data", f"file={file}", "--data", f"identity={key}")
    return hosts.pyinfra("-y", *RESTORE, *options, *more, env=env)


# Backing up
# ----------


@pytest.fixture(scope="module")
def swarm(four: Hosts) -> Hosts:
    """Three managers and a worker, with something in it."""
    four.reset()
    four.form(MANAGERS, WORKERS)
    fill(four, "rk1")
    return four


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


def test_the_controller_is_killed_and_the_engine_runs_again(
    swarm: Hosts, key: Path, folder: Path
) -> None:
    declare(swarm, key, folder)
    line, told = swarm.pyinfra_line("-y", *BACKUP)
    run = subprocess.Popen(line, cwd=ROOT, env=told, stdin=subprocess.DEVNULL)
    try:
        wait_until(lambda: not engine_runs(swarm, "rk2"), "the engine was never stopped")
    finally:
        run.send_signal(signal.SIGKILL)
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
    line, told = swarm.pyinfra_line("-y", *BACKUP)
    run = subprocess.Popen(line, cwd=ROOT, env=told, stdin=subprocess.DEVNULL)
    try:
        wait_until(lambda: not engine_runs(swarm, "rk2"), "the engine was never stopped")
        run.send_signal(signal.SIGSTOP)
        wait_until(lambda: engine_runs(swarm, "rk2"), "the engine was not started again")
        wait_until(
            lambda: swarm.nodes("rk1")["rk2"].availability == "active", "the node is drained"
        )
    finally:
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


# Restoring
# ---------


@pytest.fixture(scope="module")
def saved(swarm: Hosts, key: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of rk2."""
    folder = tmp_path_factory.mktemp("backups")
    declare(swarm, key, folder)
    return back_up(swarm, folder)


@pytest.fixture(scope="module")
def before(swarm: Hosts, saved: Path) -> dict[str, object]:
    return kept(swarm, "rk1")


def test_nothing_is_restored_beside_a_living_swarm(
    swarm: Hosts, saved: Path, before: dict[str, object], key: Path
) -> None:
    run = restore(swarm, saved, key)
    assert run.returncode == 1
    assert "the swarm is alive: rk1 is one of its managers and answers" in run.output
    swarm.reinstall("rk2")
    run = restore(swarm, saved, key)
    assert run.returncode == 1
    assert "the swarm is alive: rk1 is one of its managers and answers" in run.output
    assert swarm.swarm("rk2")["LocalNodeState"] == "inactive"


def test_nothing_is_restored_while_an_old_manager_may_come_back(
    swarm: Hosts, saved: Path, before: dict[str, object], key: Path
) -> None:
    swarm.power_cut("rk1")
    run = restore(swarm, saved, key)
    assert run.returncode == 1
    assert "rk1 did not answer, and may still be a manager of this swarm" in run.output
    assert "rk3 is still a manager of this swarm" in run.output
    assert "--data gone=rk1" in run.output
    swarm.stop_engine("rk3")
    run = restore(swarm, saved, key, "--data", "gone=rk1")
    assert run.returncode == 1
    assert "rk3 is still a manager of this swarm, though its engine does not run now" in run.output
    assert swarm.swarm("rk2")["LocalNodeState"] == "inactive"


def test_a_backup_goes_back_on_a_fresh_host_and_the_site_completes_the_swarm(
    swarm: Hosts, saved: Path, before: dict[str, object], key: Path
) -> None:
    """All managers are lost; the worker is not, and finds the swarm again by itself."""
    for name in ("rk1", "rk3"):
        swarm.reinstall(name)
    planned = swarm.pyinfra(
        "--dry", *RESTORE, "--data", f"file={saved}", "--data", f"identity={key}"
    )
    assert planned.returncode == 0, planned.output
    assert "continues with rk2 as its only manager" in planned.output
    assert "node rk1: is a manager that is lost for good" in planned.output
    assert swarm.swarm("rk2")["LocalNodeState"] == "inactive"
    run = restore(swarm, saved, key)
    assert run.returncode == 1
    assert "--data confirm=rk2" in run.output
    assert swarm.swarm("rk2")["LocalNodeState"] == "inactive"
    run = restore(swarm, saved, key, "--data", "confirm=rk2", "-vvv", "--debug")
    assert run.returncode == 0, run.output
    assert not holds_a_state(run.output)
    assert kept(swarm, "rk2") == before
    assert is_in_networks(swarm, "rk2")
    nodes = swarm.nodes("rk2")
    assert nodes["rk2"].availability == "active", "it was drained for the backup"
    assert set(nodes) == {"rk2", "rk4"}
    assert nodes["rk2"].leader
    wait_until(lambda: swarm.nodes("rk2")["rk4"].state == "ready", "the worker has not come back")
    assert not left_behind(swarm, "rk2")
    again = restore(swarm, saved, key)
    assert again.returncode == 0, again.output
    assert "is a manager of this swarm and answers: nothing is restored" in again.output
    site = swarm.pyinfra("-y", *SWARM)
    assert site.returncode == 0, site.output
    assert {name: (n.role, n.state) for name, n in swarm.nodes("rk2").items()} == {
        **dict.fromkeys(MANAGERS, ("manager", "ready")),
        "rk4": ("worker", "ready"),
    }
    assert kept(swarm, "rk1") == before


# A lost quorum
# -------------


def test_a_quorum_that_is_there_is_not_recovered(swarm: Hosts, key: Path, folder: Path) -> None:
    declare(swarm, key, folder)
    run = swarm.pyinfra("-y", *RECOVER)
    assert run.returncode == 1
    assert "the swarm has its quorum: 3 of 3 managers are reachable, 2 are needed" in run.output


def test_two_of_three_managers_are_lost_and_the_third_continues(
    swarm: Hosts, key: Path, folder: Path
) -> None:
    declare(swarm, key, folder)
    before = kept(swarm, "rk1")
    swarm.power_cut("rk2")
    swarm.stop_engine("rk3")
    wait_until(lambda: not answers(swarm, "rk1"), "rk1 still answers")
    run = swarm.pyinfra("-y", *RECOVER, "--limit", "rk1")
    assert run.returncode == 1
    assert "rk3 is still a manager of this swarm, though its engine does not run now" in run.output
    swarm.power_cut("rk3")
    planned = swarm.pyinfra("--dry", *RECOVER, "--limit", "rk1")
    assert planned.returncode == 0, planned.output
    assert "node rk2: is a manager that is lost for good" in planned.output
    run = swarm.pyinfra("-y", *RECOVER, "--limit", "rk1")
    assert run.returncode == 1
    assert "rk2, rk3 must never come back" in run.output
    assert "--data confirm=rk1" in run.output
    assert not answers(swarm, "rk1")
    run = swarm.pyinfra("-y", *RECOVER, "--limit", "rk1", "--data", "confirm=rk1")
    assert run.returncode == 0, run.output
    assert set(swarm.nodes("rk1")) == {"rk1", "rk4"}
    assert kept(swarm, "rk1") == before
    assert is_in_networks(swarm, "rk1")
    wait_until(lambda: swarm.nodes("rk1")["rk4"].state == "ready", "the worker has not come back")
    for name in ("rk2", "rk3"):
        swarm.reinstall(name)
    site = swarm.pyinfra("-y", *SWARM)
    assert site.returncode == 0, site.output
    assert {n.role for n in swarm.nodes("rk1").values() if n.reachability == "reachable"} == {
        "manager"
    }
    assert sorted(swarm.nodes("rk1")) == ["rk1", "rk2", "rk3", "rk4"]


def test_entries_of_lost_managers_are_cleared_once_the_nodes_can_be_listed(
    swarm: Hosts, key: Path, folder: Path
) -> None:
    """A recovery that was interrupted, and somebody who clears them by hand at the same time."""
    declare(swarm, key, folder)
    for name in ("rk2", "rk3"):
        swarm.power_cut(name)
    forced = {"ForceNewCluster": True, "ListenAddr": "0.0.0.0:2377", "AdvertiseAddr": "10.99.0.11"}
    swarm.api("rk1", "/swarm/init", forced)
    wait_until(
        lambda: {swarm.nodes("rk1")[name].state for name in ("rk2", "rk3")} == {"down"},
        "the lost ones are not called down",
    )

    def recover(how: str) -> Run:
        instead = f'#!/bin/sh\ncase "$*" in {how} esac\nexec /usr/bin/docker "$@"\n'
        path = "/usr/local/bin/docker"
        swarm.run("rk1", f"mkdir -p /usr/local/bin; cat > {path}; chmod 755 {path}", text=instead)
        run = swarm.pyinfra("-y", *RECOVER, "--limit", "rk1")
        swarm.run("rk1", f"rm {path}")
        return run

    run = recover('"node ls -q") echo "no leader" >&2; exit 1;;')
    assert run.returncode == 1, run.output
    assert "no leader" in run.output
    assert set(swarm.nodes("rk1")) == {"rk1", "rk2", "rk3", "rk4"}
    run = recover('"node rm "*) /usr/bin/docker "$@";;')
    assert run.returncode == 0, run.output
    assert set(swarm.nodes("rk1")) == {"rk1", "rk4"}


# An autolocked swarm
# -------------------


@pytest.fixture(scope="module")
def unlock_key(four: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unlock key of an autolocked swarm of three managers, in a file."""
    four.reset()
    four.form(MANAGERS, WORKERS)
    fill(four, "rk1")
    four.docker("rk1", "swarm", "update", "--autolock=true")
    path = tmp_path_factory.mktemp("unlock") / "key"
    path.write_text(four.docker("rk1", "swarm", "unlock-key", "-q"))
    path.chmod(0o600)
    for name in MANAGERS:
        wait_until(partial(locked_on_disk, four, name), f"{name} was not locked")
    return path


@pytest.fixture(scope="module")
def locked_backup(
    four: Hosts, unlock_key: Path, key: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A backup of rk2 without the unlock key, which is not ours to keep."""
    folder = tmp_path_factory.mktemp("backups")
    declare(four, key, folder)
    run = four.pyinfra("-y", "-vvv", "--debug", *BACKUP)
    assert run.returncode == 0, run.output
    assert "SWMKEY-1-" not in run.output
    assert "the swarm's unlock key: is not in the backup" in run.output
    return newest(folder)


@pytest.fixture(scope="module")
def whole_backup(
    four: Hosts,
    unlock_key: Path,
    locked_backup: Path,
    key: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A backup of rk2 with the unlock key, which is declared to be kept in a file."""
    folder = tmp_path_factory.mktemp("backups")
    declare(four, key, folder, unlock_key)
    run = four.pyinfra("-y", "-vvv", "--debug", *BACKUP)
    assert run.returncode == 0, run.output
    assert "SWMKEY-1-" not in run.output
    return newest(folder)


def test_a_locked_manager_is_unlocked_again_after_its_backup(
    four: Hosts, locked_backup: Path
) -> None:
    assert four.swarm("rk2")["LocalNodeState"] == "active"
    assert four.nodes("rk1")["rk2"].reachability == "reachable"
    assert four.nodes("rk1")["rk2"].availability == "active"
    assert is_in_networks(four, "rk2"), "unlocked engines often are in none at first"


def test_the_unlock_key_is_in_the_backup_where_a_file_keeps_it(
    locked_backup: Path, whole_backup: Path, key: Path, unlock_key: Path
) -> None:
    def opened(file: Path) -> Archive:
        return unpack(age_encryption.decrypt(file.read_bytes(), key.read_bytes(), lambda: None))

    assert opened(locked_backup).unlock_key == ""
    assert opened(whole_backup).unlock_key == unlock_key.read_text().strip()


def test_no_engine_is_stopped_while_the_unlock_key_is_not_in_its_file(
    four: Hosts, unlock_key: Path, key: Path, folder: Path, tmp_path: Path
) -> None:
    declare(four, key, folder, tmp_path / "unlock-key")
    pid = four.run("rk2", "cat /run/docker.pid").stdout
    run = four.pyinfra("-y", *BACKUP)
    assert run.returncode == 1
    assert f"there is no unlock key in {tmp_path}/unlock-key" in run.output
    assert four.run("rk2", "cat /run/docker.pid").stdout == pid
    assert not folder.exists()


def test_a_locked_manager_continues_alone_with_the_unlock_key_and_is_locked_again(
    four: Hosts, whole_backup: Path, unlock_key: Path, key: Path, folder: Path
) -> None:
    """Engines cannot do it by themselves (moby #36852)."""
    declare(four, key, folder)
    before = kept(four, "rk1")
    for name in ("rk2", "rk3"):
        four.power_cut(name)
    four.restart_engine("rk1")
    assert four.swarm("rk1")["LocalNodeState"] == "locked"
    confirmed = ("--limit", "rk1", "--data", "confirm=rk1")
    run = four.pyinfra("-y", *RECOVER, *confirmed)
    assert run.returncode == 1
    assert "its unlock key is needed to force rk1" in run.output
    wrong = unlock_key.with_name("wrong")
    wrong.write_text("SWMKEY-1-7c37Cc8654o6p38HnroywCi19pllOnGtbdZEgtKxZu8")
    run = four.pyinfra("-y", *RECOVER, *confirmed, "--data", f"unlock={wrong}")
    assert run.returncode == 1
    assert "the unlock key is another one than the state is locked with" in run.output
    assert four.swarm("rk1")["LocalNodeState"] == "locked"
    given = ("-y", "-vvv", "--debug", *RECOVER, *confirmed, "--data", f"unlock={unlock_key}")
    # The controller dies when the lock is off; to be asked again is enough.
    line, told = four.pyinfra_line(*given)
    with subprocess.Popen(
        line, cwd=ROOT, env=told, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    ) as dying:
        wait_until(lambda: not locked_on_disk(four, "rk1"), "the lock was not taken off")
        dying.kill()
    run = four.pyinfra(*given)
    assert run.returncode == 0, run.output
    assert "SWMKEY-1-" not in run.output
    assert "PRIVATE KEY" not in run.output
    assert kept(four, "rk1") == before
    assert is_in_networks(four, "rk1")
    assert_locked_with(four, "rk1", unlock_key)


def test_a_backup_of_a_locked_manager_goes_back_from_a_computer_that_did_not_write_it(
    four: Hosts,
    locked_backup: Path,
    whole_backup: Path,
    unlock_key: Path,
    key: Path,
    folder: Path,
    tmp_path: Path,
) -> None:
    """With the hosts the computer is lost that has made it; the unlock key is in the backup."""
    declare(four, key, folder)
    before = kept(four, "rk1")
    for name in MANAGERS:
        four.reinstall(name)
    run = restore(four, locked_backup, key, "--data", "confirm=rk2")
    assert run.returncode == 1
    assert "so the unlock key of that time is needed" in run.output
    another = {"XDG_STATE_HOME": str(tmp_path / "another computer")}
    run = restore(four, whole_backup, key, "--data", "confirm=rk2", env=another)
    assert run.returncode == 1
    assert f"this computer did not write {whole_backup.name}, or it was changed" in run.output
    assert f"It says of itself: swarm {before['swarm']}, made on rk2 at" in run.output
    assert four.swarm("rk2")["LocalNodeState"] == "inactive"
    word = f"confirm={before['swarm']}"
    assert f"--data {word}" in run.output
    run = restore(four, whole_backup, key, "--data", word, "-vvv", "--debug", env=another)
    assert run.returncode == 0, run.output
    assert "SWMKEY-1-" not in run.output
    assert kept(four, "rk2") == before
    assert is_in_networks(four, "rk2")
    assert_locked_with(four, "rk2", unlock_key)
    site = four.pyinfra("-y", *SWARM)
    assert site.returncode == 0, site.output
    assert sum(node.reachability == "reachable" for node in four.nodes("rk2").values()) == 3


def locked_on_disk(hosts: Hosts, name: str) -> bool:
    key = "/var/lib/docker/swarm/certificates/swarm-node.key"
    return "BEGIN ENCRYPTED" in hosts.run(name, f"cat {key}", check=False).stdout


def assert_locked_with(hosts: Hosts, name: str, unlock_key: Path) -> None:
    """The engine has put the lock back: it does not start without the same key."""
    wait_until(lambda: locked_on_disk(hosts, name), f"{name} was not locked again")
    hosts.restart_engine(name)
    assert hosts.swarm(name)["LocalNodeState"] == "locked"
    run = hosts.pyinfra("-y", *UNLOCK, "--limit", name, "--data", f"key_file={unlock_key}")
    assert run.returncode == 0, run.output
    assert hosts.swarm(name)["LocalNodeState"] == "active"


# Helpers
# -------


def holds_a_state(output: str) -> bool:
    """Whether something compressed is in what was printed; what facts answer is encoded text."""
    for encoded in re.findall(r"[A-Za-z0-9+/]{300,}", output):
        decoded = base64.b64decode(encoded[: len(encoded) // 4 * 4])
        if sum(byte >= 0x80 for byte in decoded) > len(decoded) // 20:
            return True
    return False


def wait_until(true: Callable[[], bool], otherwise: str, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.1)


def engine_runs(hosts: Hosts, name: str) -> bool:
    return hosts.run(name, "systemctl is-active docker", check=False).stdout == "active\n"


def answers(hosts: Hosts, name: str) -> bool:
    try:
        hosts.api(name, "/nodes")
    except EngineError:
        return False
    return True


def is_in_networks(hosts: Hosts, name: str) -> bool:
    """The engine has its end of the ingress network, which every node gets."""
    return "ingress-sbox" in (hosts.api(name, "/networks/ingress")["Containers"] or {})


def left_behind(hosts: Hosts, name: str) -> str:
    return hosts.run(
        name, "ls -A /run /var/lib/docker | grep -e backup -e restore", check=False
    ).stdout
