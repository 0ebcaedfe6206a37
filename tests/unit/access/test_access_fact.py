"""Who could log in, as a host tells it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pyinfra.api.exceptions import FactProcessError

from pyinfra_swarm.access.facts import Accounts, parse
from pyinfra_swarm.access.plan import Account
from pyinfra_swarm.run.answer import sections
from tests.tools.answers import recorded


def told(root: Path, users: str = "") -> list[str]:
    """Run the fact's script on files of our own."""
    return _run(_on_files_of(root, users))


def _on_files_of(root: Path, users: str = "") -> str:
    script = Accounts().command(users=users)
    for path in ("/etc/passwd", "/etc/shadow", "/etc/group", "/etc/sudoers", "/var/lib"):
        script = script.replace(path, f"{root}{path}")
    return script


def _run(script: str) -> list[str]:
    done = subprocess.run(
        ["/bin/sh", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={"SUDO_USER": "debian", "PATH": "/usr/bin:/bin"},
    )
    return done.stdout.splitlines()


def host(root: Path) -> Path:
    home = root / "home/debian"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh/authorized_keys").write_text("#> login\nssh-ed25519 AAAAx me")  # no newline
    git = root / "srv/git"
    (git / ".ssh").mkdir(parents=True)
    (git / ".ssh/authorized_keys2").write_text("ssh-rsa AAAAy git\n")
    etc = root / "etc"
    etc.mkdir()
    (etc / "passwd").write_text(
        "root:x:0:0:root:/root-of-nobody:/bin/bash\n"
        "daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
        f"git:x:998:998::{git}:/bin/sh\n"
        "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
        f"debian:x:1000:1000:,,,:{home}:/bin/bash\n"
    )
    (etc / "shadow").write_text(
        "root:*:20000:0:99999:7:::\ndaemon:*:1::::::\ngit:!:1::::::\nnobody:*:1::::::\n"
        "debian:!$y$j9T$secret$hash:20000:0:99999:7:::\n"
    )
    (etc / "group").write_text("root:x:0:\nsudo:x:27:debian,ann\nadm:x:4:debian\n")
    (etc / "sudoers").write_text("Defaults use_pty\n@includedir /etc/sudoers.d\n")
    (etc / "sudoers.d").mkdir()
    return root


def test_people_root_and_whoever_has_keys(tmp_path: Path) -> None:
    seen = parse(sections(told(host(tmp_path))))
    assert seen.login_user == "debian"
    assert [account.name for account in seen.accounts] == ["root", "git", "debian"]
    debian = seen.account("debian")
    assert debian is not None
    assert debian.password == "locked"
    assert debian.groups == ("sudo", "adm")
    assert debian.keys == ("#> login", "ssh-ed25519 AAAAx me")
    git = seen.account("git")
    assert git is not None
    assert git.more_keys == ("ssh-rsa AAAAy git",)
    assert seen.sudoers is None
    assert seen.sudoers_included
    assert not seen.unconfirmed


def test_whoever_is_named_is_told_of_whatever_it_is(tmp_path: Path) -> None:
    root = host(tmp_path)
    (root / "srv/git/.ssh/authorized_keys2").unlink()
    assert [one.name for one in parse(sections(told(root))).accounts] == ["root", "debian"]
    seen = parse(sections(told(root, "git,debian,nobody,gi,ann")))
    assert [one.name for one in seen.accounts] == ["root", "git", "nobody", "debian"]
    git = seen.account("git")
    assert git is not None
    assert (git.uid, git.password, git.has_keys) == (998, "locked", False)
    assert seen.elsewhere == ()


def test_the_user_of_the_run_is_told_of_whatever_it_is(tmp_path: Path) -> None:
    root = host(tmp_path)
    passwd = root / "etc/passwd"
    passwd.write_text(passwd.read_text().replace(":1000:1000:", ":900:900:"))
    (root / "home/debian/.ssh/authorized_keys").unlink()
    assert parse(sections(told(root))).account("debian") is not None


def test_a_named_user_that_only_another_source_knows_is_elsewhere(tmp_path: Path) -> None:
    """Here, the other source is this computer: it has a user "bin", and the file has none."""
    seen = parse(sections(told(host(tmp_path), "bin,ann,daemon")))
    assert seen.account("bin") is None
    assert seen.elsewhere == ("bin",)


def test_names_are_not_code() -> None:
    with pytest.raises(ValueError, match="not a list of user names"):
        Accounts().command(users="ann;reboot")


def test_passwords_never_leave_the_host(tmp_path: Path) -> None:
    said = recorded(told(host(tmp_path)))
    assert "debian locked" in said
    assert "secret" not in said


def test_our_sudoers_drop_in_is_read_whole(tmp_path: Path) -> None:
    root = host(tmp_path)
    (root / "etc/sudoers.d/zz-pyinfra-swarm").write_text("# ours\ndebian ALL=(ALL) ALL\n")
    assert parse(sections(told(root))).sudoers == "# ours\ndebian ALL=(ALL) ALL\n"


def test_a_change_that_waits_for_its_confirmation_is_seen(tmp_path: Path) -> None:
    root = host(tmp_path)
    place = root / "var/lib/pyinfra-swarm/rollback/access"
    place.mkdir(parents=True)
    (place / "armed").touch()
    assert parse(sections(told(root))).unconfirmed


# What a user of the host can do to it
# ------------------------------------


def keys_of_git(root: Path) -> Account:
    """What is told of a user who is nobody here, within a moment; everybody else's is told too."""
    begun = time.monotonic()
    seen = Accounts().process(told(root))
    assert time.monotonic() - begun < 5
    debian, git = seen.account("debian"), seen.account("git")
    assert debian is not None
    assert git is not None
    assert debian.keys == ("#> login", "ssh-ed25519 AAAAx me")
    return git


def test_a_file_of_20_gb_is_not_read_and_told(tmp_path: Path) -> None:
    root = host(tmp_path)
    with (root / "srv/git/.ssh/authorized_keys").open("wb") as file:
        file.truncate(20 << 30)
    git = keys_of_git(root)
    assert git.unread == (f"{root}/srv/git/.ssh/authorized_keys is larger than 64 KiB",)
    assert git.more_keys == ("ssh-rsa AAAAy git",)


@pytest.mark.parametrize("size", [65536, 65537])
def test_a_file_is_read_up_to_its_limit(size: int, tmp_path: Path) -> None:
    root = host(tmp_path)
    (root / "srv/git/.ssh/authorized_keys").write_bytes(b"\xff" * size)
    git = keys_of_git(root)
    assert bool(git.unread) is (size > 65536)


@pytest.mark.parametrize("place", [".ssh", ".ssh/authorized_keys"])
def test_no_link_is_followed_to_what_only_root_may_read(place: str, tmp_path: Path) -> None:
    root = host(tmp_path)
    shutil.rmtree(root / "srv/git/.ssh")
    (root / "hidden").mkdir(mode=0o700)
    (root / "hidden/authorized_keys").write_text("the secret of somebody else")
    link = root / "srv/git" / place
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(root / "hidden" / link.relative_to(root / "srv/git/.ssh"))
    assert "the secret" not in recorded(told(root))
    assert keys_of_git(root).unread == (f"{link} is a link",)


def test_a_link_that_takes_a_files_place_while_it_is_looked_at_is_not_followed(
    tmp_path: Path,
) -> None:
    """The user changes what lies there between the look and the reading."""
    root = host(tmp_path)
    (root / "hidden").mkdir()
    (root / "hidden/authorized_keys").write_text("the secret of somebody else")
    folder, file = root / "srv/git/.ssh", root / "srv/git/.ssh/authorized_keys"
    file.write_text("ssh-rsa AAAA mine\n")
    for swap in (
        f"mv {folder} {folder}.old; ln -s {root}/hidden {folder}",
        f"ln -sf {root}/hidden/authorized_keys {file}",
        f"rm {file}; mkfifo {file}",
        f"rm -r {folder}",
    ):
        kept = tmp_path / "kept"
        subprocess.run(["cp", "-a", root / "srv", kept], check=True)
        script = _on_files_of(root).replace('    cd -P "$2"', f'    {swap}; cd -P "$2"')
        said = recorded(_run(script))
        assert swap not in said
        assert "the secret" not in said
        shutil.rmtree(root / "srv")
        kept.rename(root / "srv")


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda path: path.mkdir(), "a directory"),
        (os.mkfifo, "a device or a pipe"),
        (lambda path: path.symlink_to("/nowhere"), "a link"),
    ],
)
def test_what_is_no_file_is_told_and_waited_for_by_nobody(
    make: Callable[[Path], None], what: str, tmp_path: Path
) -> None:
    root = host(tmp_path)
    make(root / "srv/git/.ssh/authorized_keys")
    assert keys_of_git(root).unread == (f"{root}/srv/git/.ssh/authorized_keys is {what}",)


@pytest.mark.parametrize("name", ["passwd", "shadow", "group", "sudoers"])
@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/nowhere")])
def test_without_the_hosts_own_lists_nothing_is_told_of_anybody(
    name: str, make: Callable[[Path], None], tmp_path: Path
) -> None:
    root = host(tmp_path)
    (root / "etc" / name).unlink()
    make(root / "etc" / name)
    with pytest.raises(FactProcessError, match=f"{root}/etc/{name} is a .* nothing is guessed"):
        Accounts().process(told(root))


MOUNTED = """
import ctypes, os, sys
stat = os.stat(sys.argv[1])
fuse = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={{fuse}},rootmode={{stat.st_mode & 0o170000:o}},user_id=65534,group_id=65534"
assert ctypes.CDLL(None).mount(b"fuse", sys.argv[1].encode(), b"fuse", 6, options.encode()) == 0
os.set_inheritable(fuse, True)
os.execv("/bin/sh", ["sh", "-c", {script!r}])
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
@pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="there is no FUSE here")
@pytest.mark.parametrize("place", ["", ".ssh", ".ssh/authorized_keys"])
def test_what_a_user_mounts_over_its_keys_hides_them_from_nobody(
    place: str, tmp_path: Path
) -> None:
    root = host(tmp_path)
    (root / "srv/git/.ssh/authorized_keys").write_text("ssh-rsa AAAAz git\n")
    mounted = str(root / "srv/git" / place).rstrip("/")
    begin = [*("unshare", "-m", "--propagation", "private", sys.executable, "-c")]
    done = subprocess.run(
        [*begin, MOUNTED.format(script=_on_files_of(root)), mounted],
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    git = Accounts().process(done.stdout.splitlines()).account("git")
    assert git is not None
    assert f"{mounted} is hidden from root by what is mounted" in git.unread
