"""A host's disk as after a fresh installation."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

USER = "admin"
"""Who logs in: a key, sudo without a password."""

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where programs are."""

_SSHD = """\
HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin no
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
MaxStartups 200
MaxSessions 100
Subsystem sftp internal-sftp
"""


def flash(place: Path, name: str, address: str, *, host_key: Path, login: str) -> None:
    """A disk as after a fresh installation: our own users and keys, nothing of Docker's.

    host_key: sshd's, a file beside its public half; login: the public key that the user has.
    """
    files: dict[str, tuple[int, str]] = {
        "etc/hostname": (0o644, f"{name}\n"),
        "etc/hosts": (0o644, hosts_file(name, address)),
        "etc/resolv.conf": (0o644, ""),
        "etc/nsswitch.conf": (0o644, "passwd: files\ngroup: files\nhosts: files\n"),
        "etc/machine-id": (0o444, f"{os.urandom(16).hex()}\n"),
        "etc/passwd": (
            0o644,
            "root:x:0:0:root:/root:/bin/sh\n"
            f"{USER}:x:1000:1000:{USER}:/var/lib/{USER}:/bin/sh\n"
            "sshd:x:101:65534::/run/sshd:/usr/sbin/nologin\n"
            "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
        ),
        "etc/group": (
            0o644,
            "root:x:0:\nadm:x:4:\ntty:x:5:\nsudo:x:27:\nshadow:x:42:\ndocker:x:900:\n"
            f"{USER}:x:1000:\nnogroup:x:65534:\n",
        ),
        "etc/shadow": (0o640, f"root:*:20000::::::\n{USER}:*:20000::::::\n"),
        "etc/sudoers": (
            0o440,
            f'Defaults secure_path="{PATH}"\nroot ALL=(ALL:ALL) ALL\n'
            f"{USER} ALL=(ALL:ALL) NOPASSWD: ALL\n",
        ),
        "etc/pam.d/sudo": (
            0o644,
            "".join(f"{kind} required pam_permit.so\n" for kind in ("auth", "account", "session")),
        ),
        "etc/ssh/sshd_config": (0o644, _SSHD),
        "etc/ssh/ssh_host_ed25519_key": (0o600, host_key.read_text()),
        "etc/ssh/ssh_host_ed25519_key.pub": (0o644, host_key.with_suffix(".pub").read_text()),
        f"var/lib/{USER}/.ssh/authorized_keys": (0o600, login),
        "usr/bin/systemctl": (0o755, Path(__file__).with_name("systemctl").read_text()),
    }
    # Made beside and put in its place, so that a disk is there whole or not at all.
    half = place.with_name(f"{name}.half")
    shutil.rmtree(half, ignore_errors=True)
    for file, (mode, text) in files.items():
        path = half / "upper" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
    own = half / "upper/var/lib" / USER
    for path in (own, own / ".ssh", own / ".ssh/authorized_keys"):
        os.chown(path, 1000, 1000)
    (own / ".ssh").chmod(0o700)
    half.rename(place)


def hosts_file(name: str, address: str) -> str:
    """``/etc/hosts``."""
    return f"127.0.0.1 localhost\n{address} {name}\n"
