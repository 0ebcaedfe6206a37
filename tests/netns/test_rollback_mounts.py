"""The rollback at boot, where file systems come late or not at all: homes from the network."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pyinfra_swarm.firewall import host_files, paths
from pyinfra_swarm.rollback import plan as rollback
from pyinfra_swarm.rollback.plan import LATER, ReversibleChange, arm_and_apply
from pyinfra_swarm.run.writing import write_file, write_in_home
from tests.netns.rollback_host import ANN, Disk, disk, script
from tests.tools import must_run

HOME = "/srv/late/ann"
KEYS = f"{HOME}/.ssh/authorized_keys"


@pytest.fixture
def host(tmp_path: Path) -> Disk:
    """A host on which ann's home is on a file system of its own."""
    made = disk(tmp_path)
    passwd = made.path("/etc/passwd")
    passwd.write_text(passwd.read_text().replace("/home/ann", HOME))
    made.path("/srv/late").mkdir()
    keys = tmp_path / "late/ann/.ssh/authorized_keys"
    keys.parent.mkdir(parents=True)
    keys.write_text("before\n")
    for path in (keys, keys.parent, keys.parent.parent):
        os.chown(path, ANN, ANN)
    return made


def mounted(host: Disk) -> str:
    return f"mount --bind {host.folder.parent}/late /srv/late"


def keys(host: Disk) -> Path:
    return host.folder.parent / "late/ann/.ssh"


def change() -> ReversibleChange:
    return ReversibleChange(
        "access",
        ("/etc/old",),
        (
            write_file("/etc/old", "after"),
            write_in_home(
                "ann", f"{HOME}/.ssh", "authorized_keys", "after", instead_of=[f"{KEYS}2"]
            ),
            f"setpriv --reuid ann --regid {ANN} --init-groups touch {KEYS}2",
        ),
        in_homes=(("ann", KEYS), ("ann", f"{KEYS}2")),
    )


@pytest.fixture
def applied(host: Disk) -> Disk:
    done = host.run(script(arm_and_apply(change())), mounted=mounted(host))
    assert done.returncode == 0, done.stderr
    assert (keys(host) / "authorized_keys").read_text() == "after\n"
    return host


def is_back(host: Disk) -> bool:
    return [
        (path.name, path.read_text()) for path in keys(host).iterdir() if path.name[0] != "."
    ] == [("authorized_keys", "before\n")]


def test_what_is_there_at_boot_is_put_back_then_and_the_rest_when_it_is(applied: Disk) -> None:
    assert applied.boots(late=mounted(applied)) == (LATER, 0)
    assert applied.path("/etc/old").read_text() == "before\n"
    assert is_back(applied)
    assert not applied.waits()


def test_nothing_is_written_below_a_mount_point_without_its_mount(applied: Disk) -> None:
    assert applied.boots() == (LATER, LATER)
    assert applied.path("/etc/old").read_text() == "before\n"
    assert not [*applied.path("/srv/late").iterdir()]
    assert applied.waits()  # it is not called restored, and is tried again
    said = applied.run(f"sh {rollback.RESTORE} access")
    assert said.returncode == LATER
    assert f"{KEYS} is left for later: /srv/late is not mounted" in said.stderr

    again = applied.run(f"sh {rollback.RESTORE} --late", mounted=mounted(applied))
    assert again.returncode == 0
    assert is_back(applied)
    assert not applied.waits()


def test_another_file_system_in_its_place_is_not_taken_for_it(applied: Disk) -> None:
    other = "mount -t tmpfs none /srv/late; mkdir -p /srv/late/ann/.ssh"
    assert applied.boots(late=other) == (LATER, LATER)
    assert applied.waits()


def test_a_timer_that_finds_no_home_tries_again(applied: Disk) -> None:
    assert applied.time_passes() == 3
    assert applied.waits()
    assert applied.run(f"sh {rollback.RESTORE} access", mounted=mounted(applied)).returncode == 0
    assert is_back(applied)


# What systemd makes of the units
# -------------------------------

_UNITS = "/usr/lib/systemd/system"
NETWORK_HOME = """\
[Unit]
After=network-online.target remote-fs-pre.target
Wants=network-online.target
Before=remote-fs.target
[Mount]
What=nas:/home
Where=/home
Type=nfs
Options=_netdev
"""

NETWORK = """\
[Unit]
DefaultDependencies=no
After=network-pre.target
Wants=network.target
Before=network.target
[Service]
ExecStart=/bin/true
"""


def verified(folder: Path, boot_unit: str) -> str:
    """What systemd says of our units on a host whose home comes over the network."""
    if shutil.which("systemd-analyze") is None:
        must_run.give_up("there is no systemd-analyze (Debian's package systemd)")
    units = {Path(path).name: text for path, text in rollback.INSTALLED.items()}
    del units[Path(rollback.RESTORE).name]
    rules = host_files.files({"ipv4": {}, "ipv6": {}}, refreshed=False, schedule="daily")
    units[paths.UNIT] = rules[f"{rollback.UNITS}/{paths.UNIT}"]
    units |= {rollback.UNIT: boot_unit, "home.mount": NETWORK_HOME, "net.service": NETWORK}
    for name, text in units.items():
        (folder / name).write_text(text)
    for target, unit in (
        ("sysinit.target", rollback.UNIT),
        ("sysinit.target", paths.UNIT),
        ("multi-user.target", rollback.LATE_UNIT),
        ("remote-fs.target", "home.mount"),
        ("multi-user.target", "net.service"),
        ("multi-user.target", "remote-fs.target"),
    ):
        wants = folder / f"{target}.wants"
        wants.mkdir(exist_ok=True)
        target_of_link = folder / unit if (folder / unit).exists() else f"{_UNITS}/{unit}"
        (wants / unit).symlink_to(target_of_link)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "multi-user.target", rollback.LATE_UNIT],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{folder}:"},
    )
    return done.stdout + done.stderr


def test_a_home_from_the_network_makes_no_ordering_cycle(tmp_path: Path) -> None:
    said = verified(tmp_path, rollback.BOOT_UNIT)
    assert "cycle" not in said
    assert "pyinfra" not in said


def test_such_a_cycle_would_be_seen(tmp_path: Path) -> None:
    """The unit once waited for /home, and systemd dropped a job at each boot."""
    with_home = rollback.BOOT_UNIT.replace(rollback.RESTORE, f"{rollback.RESTORE} /home", 1)
    assert with_home != rollback.BOOT_UNIT
    assert "cycle" in verified(tmp_path, with_home)
