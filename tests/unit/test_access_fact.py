"""Who could log in, as a host tells it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from cluster.answer import sections
from facts.access import Accounts, parse


def told(root: Path) -> list[str]:
    """Run the fact's script on files of our own."""
    script = Accounts().command()
    for path in ("/etc/passwd", "/etc/shadow", "/etc/group", "/etc/sudoers", "/var/lib"):
        script = script.replace(path, f"{root}{path}")
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


def test_passwords_never_leave_the_host(tmp_path: Path) -> None:
    assert "secret" not in "\n".join(told(host(tmp_path)))


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
