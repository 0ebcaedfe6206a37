"""The rollback on full disks, and in folders whose owner has laid traps: real users, as root.

The traps are those that root would walk into: links in place of a folder, a file, or the new one
beside it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pyinfra_swarm.rollback import plan as rollback
from pyinfra_swarm.rollback.plan import arm_and_apply, confirm, undo_all, uninstall
from pyinfra_swarm.run.writing import write_in_home
from tests.netns.rollback_host import ANN, KEY, SECRET, Disk, change, disk, script

FILE = "/home/ann/.ssh/authorized_keys"
COPY = "/home/ann/.ssh/.authorized_keys.pyinfra-swarm"


@pytest.fixture
def host(tmp_path: Path) -> Disk:
    return disk(tmp_path)


def applied(host: Disk, text: str = "") -> Disk:
    done = host.run(script(text or arm_and_apply(change())))
    assert done.returncode == 0, done.stderr
    return host


# A full disk
# -----------

FULL = """\
dd if=/dev/zero of=/etc/filler bs=1k 2>/dev/null || :
printf x 2>/dev/null > /etc/one-more || :
[ ! -s /etc/one-more ] || exit 99
"""
NO_INODES = """\
mkdir /etc/filler
seq 2000 | (cd /etc/filler && xargs touch 2>/dev/null) || :
! touch /etc/one-more 2>/dev/null || exit 99
"""


@pytest.mark.parametrize("full", [FULL, NO_INODES], ids=["no room", "no inodes"])
@pytest.mark.parametrize("undoes", ["the timer", "the boot", "a power cut in it, then the boot"])
def test_a_full_disk_does_not_keep_the_host_from_undoing(
    host: Disk, tmp_path: Path, full: str, undoes: str
) -> None:
    before, small = host.state(), tmp_path / "small"
    small.mkdir()
    made = change(passwords=(), apply=[one for one in change().apply if "--unlock" not in one])
    restore = f"/bin/sh {rollback.RESTORE}"
    last = {
        "the timer": f"{restore} access",
        "the boot": f"{restore} --boot",
        "a power cut in it, then the boot": (
            f"mv {rollback.ROOT}/access/armed {rollback.ROOT}/access/firing; "
            f"mv -f {rollback.ROOT}/access/saved/0.spare /etc/old; {restore} --boot"
        ),
    }[undoes]
    there = Disk(small, host.tools)
    done = there.run(
        script(f"({arm_and_apply(made)})\n{full}\n{last}\ncp -a {small}/. {tmp_path}/result"),
        before=f"mount -t tmpfs -o size=4m,nr_inodes=900 none {small}; "
        f"cp -a {host.folder}/. {small}",
    )
    assert done.returncode == 0, done.stderr
    result = Disk(tmp_path / "result", host.tools)
    assert result.state() == before
    assert not result.waits()


def test_a_password_that_finds_no_room_is_locked_again_when_there_is_some(
    host: Disk, tmp_path: Path
) -> None:
    before, small = host.state(), tmp_path / "small"
    small.mkdir()
    restore = f"/bin/sh {rollback.RESTORE}"
    steps = [
        f"({arm_and_apply(change())})",
        FULL,
        f"code=0; {restore} access || code=$?; [ $code = {rollback.LATER} ]",
        '[ "$(cat /etc/old)" = before ]',
        "rm /etc/filler",
        f"{restore} access",
        f"cp -a {small}/. {tmp_path}/result",
    ]
    done = Disk(small, host.tools).run(
        script("\n".join(steps)),
        before=f"mount -t tmpfs -o size=4m none {small}; cp -a {host.folder}/. {small}",
    )
    assert done.returncode == 0, done.stderr
    result = Disk(tmp_path / "result", host.tools)
    assert result.state() == before
    assert not result.waits()


def test_a_disk_that_is_full_before_is_told_and_nothing_is_changed(
    host: Disk, tmp_path: Path
) -> None:
    before, small = host.state(), tmp_path / "small"
    small.mkdir()
    arming = script(arm_and_apply(change())).replace("'", "'\"'\"'")
    done = Disk(small, host.tools).run(
        f"{FULL}\nsh -c '{arming}' && exit 98\nrm /etc/filler; cp -a {small}/. {tmp_path}/result",
        before=f"mount -t tmpfs -o size=4m none {small}; cp -a {host.folder}/. {small}",
    )
    assert done.returncode == 0, done.stderr
    result = Disk(tmp_path / "result", host.tools)
    assert result.state() == before
    assert not result.waits()


# Passwords
# ---------


def test_a_locked_password_is_kept_and_nobody_sees_it(host: Disk) -> None:
    before = host.state()
    done = host.run(script(f"set -x\n{arm_and_apply(change())}"))
    assert done.returncode == 0
    assert f"ann:*{SECRET}:" in host.path("/etc/shadow").read_text()
    assert SECRET not in done.stdout + done.stderr
    places = [line for line in host.everything() if SECRET in line]
    assert all(line.startswith(("etc/shadow 0o100600", "etc/shadow- 0o100600")) for line in places)
    host.time_passes()
    assert host.state() == before


def test_a_confirmed_change_keeps_the_password_unlocked_and_the_hash(host: Disk) -> None:
    applied(host)
    assert host.run(script(confirm("access"))).returncode == 0
    host.boots()
    assert f"ann:*{SECRET}:" in host.path("/etc/shadow").read_text()


def test_a_password_that_was_set_meanwhile_stays(host: Disk) -> None:
    applied(host)
    shadow = host.path("/etc/shadow")
    shadow.write_text(shadow.read_text().replace(f"*{SECRET}", "$6$salt$anew"))
    host.time_passes()
    assert "ann:$6$salt$anew:" in shadow.read_text()
    assert not host.waits()


def test_a_password_is_locked_again_only_when_sshd_has_read_the_old_files(host: Disk) -> None:
    """Before, an sshd without PAM would refuse the right key."""
    shadow, seen = host.path("/etc/shadow"), host.path("/etc/seen")
    asked = "cp /etc/shadow /etc/seen"
    applied(host, arm_and_apply(change(after_restore=asked)))
    host.time_passes()
    assert f"ann:*{SECRET}:" in seen.read_text()
    assert f"ann:!{SECRET}:" in shadow.read_text()
    assert not host.waits()


def test_a_password_stays_open_where_the_old_files_are_not_taken(host: Disk) -> None:
    applied(host, arm_and_apply(change(after_restore="false")))
    host.time_passes()
    assert f"ann:*{SECRET}:" in host.path("/etc/shadow").read_text()


@pytest.mark.parametrize("field", ["!", "!!", "!*", "*", "", "$6$a$b"])
def test_only_a_locked_password_is_touched_and_every_one_comes_back(host: Disk, field: str) -> None:
    shadow = host.path("/etc/shadow")
    shadow.write_text(shadow.read_text().replace(f"!{SECRET}", field))
    before = host.state()
    applied(host)
    now = shadow.read_text().split("ann:")[1].partition(":")[0]
    assert now == (f"*{field[1:]}" if field.startswith("!") else field)
    host.time_passes()
    if field != "*":  # one that was “*” before is not among those that are unlocked
        assert host.state() == before


# Links
# -----


def link_for_the_new_one(host: Disk) -> None:
    for name in ("authorized_keys.new", "authorized_keys.restored", Path(COPY).name):
        host.path(f"/home/ann/.ssh/{name}").symlink_to("/etc/victim")


def hard_link(host: Disk) -> None:
    keys = host.path(FILE)
    keys.unlink()
    os.link(host.path("/etc/victim"), keys)


def folder_of_root(host: Disk) -> None:
    host.path("/home/ann/.ssh").rename(host.path("/home/ann/mine"))
    host.path("/home/ann/.ssh").symlink_to("/root/.ssh")


def folder_of_bob(host: Disk) -> None:
    host.path("/home/ann/.ssh").rename(host.path("/home/ann/mine"))
    host.path("/home/ann/.ssh").symlink_to("/home/bob/.ssh")


def file_of_root(host: Disk) -> None:
    host.path(FILE).unlink()
    host.path(FILE).symlink_to("/etc/victim")


def pipe(host: Disk) -> None:
    host.path(FILE).unlink()
    os.mkfifo(host.path(FILE))
    os.chown(host.path(FILE), ANN, ANN)


def pipe_for_the_new_one(host: Disk) -> None:
    for name in ("authorized_keys.new", ".authorized_keys.pyinfra-swarm"):
        os.mkfifo(host.path(f"/home/ann/.ssh/{name}"))
        os.chown(host.path(f"/home/ann/.ssh/{name}"), ANN, ANN)


def nothing(host: Disk) -> None:
    """No trap at all."""


def of_others(host: Disk) -> list[str]:
    """What is not ann's, nor the rollback's, nor what the change is about."""
    mine = ("home/ann", "swarm", "local", "run", "etc/old", "etc/new", "etc/shadow", "etc/systemd")
    return [line for line in host.everything() if not line.startswith((*mine, "etc/.pwd"))]


def content(host: Disk) -> str:
    return host.path("/etc/victim").read_text()


@pytest.mark.parametrize(
    ("trap", "goes_on"),
    [
        (nothing, True),
        (link_for_the_new_one, True),
        (pipe_for_the_new_one, True),
        (file_of_root, True),
        (folder_of_root, False),
        (folder_of_bob, False),
        (pipe, False),
        (hard_link, False),  # ann cannot read it, so it cannot be saved
    ],
)
@pytest.mark.parametrize("ends", ["undone", "confirmed"])
def test_root_is_led_nowhere_by_what_lies_in_a_users_folder(
    host: Disk, trap: Callable[[Disk], None], goes_on: bool, ends: str
) -> None:
    victim = host.path("/etc/victim")
    victim.write_text("root's\n")
    victim.chmod(0o600)
    trap(host)
    before, others = host.state(), [line.split(" ", 1)[0] for line in of_others(host)]
    theirs = {line for line in of_others(host) if "etc/victim" not in line}
    done = host.run(script(arm_and_apply(change())), timeout=30)
    assert (done.returncode == 0) == goes_on, done.stderr
    if goes_on:
        assert "after access" in host.path(FILE).read_text()
        assert not host.path(FILE).is_symlink()
    if ends == "confirmed" and goes_on:
        assert host.run(script(confirm("access"))).returncode == 0
        assert [path.name for path in host.path(FILE).parent.iterdir() if path.is_file()] == [
            "authorized_keys"
        ]
    else:
        host.time_passes()
        assert host.state() == before
    assert content(host) == "root's\n"
    assert victim.stat().st_uid == 0
    assert theirs <= {*of_others(host)}
    assert [line.split(" ", 1)[0] for line in of_others(host)] == others
    assert not host.waits()


def test_a_folder_that_becomes_a_link_before_the_undoing_leads_nowhere(host: Disk) -> None:
    homes = (("ann", FILE), ("ann", f"{FILE}2"))  # of which the second is not there
    applied(host, arm_and_apply(change(in_homes=homes)))
    host.path("/root/.ssh/authorized_keys2").write_text("root's\n")
    keys = host.path("/home/ann/.ssh")
    keys.rename(host.path("/home/ann/mine"))
    keys.symlink_to("/root/.ssh")
    assert host.time_passes()
    there = {path.name for path in host.path("/root/.ssh").iterdir()}
    assert there == {"authorized_keys", "authorized_keys2"}
    assert host.path("/root/.ssh/authorized_keys").read_text() == "root's key\n"
    assert host.path("/etc/old").read_text() == "before\n"

    # Whoever owns the folder has seen to it, so it is put back.
    keys.unlink()
    host.path("/home/ann/mine").rename(keys)
    assert host.run(script(undo_all())).returncode == 0
    assert host.path(FILE).read_text() == f"{KEY} ann\n"
    assert not host.waits()


def test_a_home_that_is_a_link_is_followed_to_where_its_owner_may_write(host: Disk) -> None:
    host.path("/home/ann").rename(host.path("/srv/ann"))
    host.path("/home/ann").symlink_to("/srv/ann")
    real = host.path("/srv/ann/.ssh/authorized_keys")
    before = real.read_text()
    applied(host)
    assert "after access" in real.read_text()
    host.path("/home/ann").unlink()  # the rollback knows where it was
    host.time_passes()
    assert real.read_text() == before
    assert not host.waits()


def test_what_a_users_process_says_names_no_file_of_roots(host: Disk) -> None:
    """Its user may hold it, and have it say anything."""
    liar = host.tools / "setpriv"
    liar.write_text("#!/bin/sh\necho 'saved\nabsent root /etc/victim - /etc ext4\nabsent'\n")
    liar.chmod(0o755)
    host.path("/etc/victim").write_text("root's\n")
    done = host.run(script(arm_and_apply(change())))
    assert done.returncode == 1
    assert "a process of ann said something else" in done.stderr
    host.time_passes()
    host.boots()
    assert host.path("/etc/victim").read_text() == "root's\n"
    assert not host.waits()


def test_keys_of_a_user_without_any_are_gone_again(host: Disk) -> None:
    host.path(FILE).unlink()
    host.path("/home/ann/.ssh").rmdir()
    before = host.state()
    applied(host)
    assert host.path("/home/ann/.ssh").stat().st_mode & 0o777 == 0o700
    host.time_passes()
    assert host.state() == before


def test_a_folder_of_roots_is_told_in_words(host: Disk) -> None:
    os.chown(host.path("/home/ann/.ssh"), 0, 0)
    os.chown(host.path("/home/ann/.ssh/authorized_keys"), 0, 0)
    text = write_in_home("ann", "/home/ann/.ssh", "authorized_keys", "x")
    done = host.run(script(text))
    assert done.returncode == 1
    assert "both have to belong to that user" in done.stderr


def test_taking_the_rollback_off_leaves_nothing_of_it(host: Disk) -> None:
    before = host.everything()
    for end in (confirm("access"), undo_all()):
        applied(host)
        assert host.run(script(end)).returncode == 0
    assert host.run(script(uninstall(("access",)))).returncode == 0
    left = {line.split(" ", 1)[0] for line in host.everything()}
    assert {line for line in left if "pyinfra" in line or line.startswith("swarm/")} == set()
    assert {line.split(" ", 1)[0] for line in before} <= left
