"""Backups, restores and lost quorums of an autolocked swarm on real engines.

What came of it is looked up at the engines, never through the product's facts.
"""

from __future__ import annotations

import subprocess
from functools import partial
from pathlib import Path

import pytest

from pyinfra_swarm.backup.archive import Archive, unpack
from pyinfra_swarm.run import age_encryption
from tests.engines.backups import (
    BACKUP,
    MANAGERS,
    RECOVER,
    UNLOCK,
    WORKERS,
    answers,
    declare,
    fill,
    is_in_networks,
    kept,
    newest,
    restore,
    wait_until,
)
from tests.engines.conftest import SWARM
from tests.engines.hosts import Hosts
from tests.scenarios.conftest import ROOT


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


def test_a_locked_manager_that_has_survived_continues_with_its_own_state(
    four: Hosts, locked_backup: Path, whole_backup: Path, unlock_key: Path, key: Path, folder: Path
) -> None:
    """A backup is restored although its manager is left: nothing of the backup is needed."""
    declare(four, key, folder)
    four.api("rk2", "/configs/create", {"Name": "later", "Data": "bGF0ZXI="})
    now = kept(four, "rk2")
    for name in ("rk1", "rk3"):
        four.power_cut(name)
    wait_until(lambda: not answers(four, "rk2"), "rk2 still answers")
    gone = ("--limit", "rk2", "--data", "gone=rk1,rk3")
    run = restore(four, locked_backup, key, *gone, "--data", "confirm=rk2")
    assert run.returncode == 1
    assert "its unlock key is needed to force rk2" in run.output
    run = restore(four, whole_backup, key, *gone)
    assert run.returncode == 1
    assert "this run puts nothing back" in run.output
    assert not answers(four, "rk2")
    run = restore(four, whole_backup, key, *gone, "--data", "confirm=rk2")
    assert run.returncode == 0, run.output
    assert kept(four, "rk2") == now
    assert is_in_networks(four, "rk2")
    wait_until(lambda: locked_on_disk(four, "rk2"), "rk2 was not locked again")
    four.restart_engine("rk2")
    run = restore(four, whole_backup, key, *gone, "--data", "confirm=rk2")
    assert run.returncode == 1
    assert "rk2 already holds this swarm's state, and its engine is locked" in run.output
    assert_locked_with(four, "rk2", unlock_key)


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
