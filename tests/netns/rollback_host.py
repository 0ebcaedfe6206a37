"""A host's disk in a folder, and the rollback's own scripts on it: in a mount namespace, as root.

The folder's parts lie over ``/etc``, ``/home``, ``/run`` and the rollback's places, so that paths,
users, passwords and permissions are real. Only systemd is a stand-in: a timer is a file in
``/run/timers`` with the command that it would start.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from pyinfra_swarm.rollback import plan as rollback
from pyinfra_swarm.rollback.plan import ReversibleChange
from pyinfra_swarm.run.writing import write_file, write_in_home

PLACES = {
    "etc": "/etc",
    "home": "/home",
    "root": "/root",
    "run": "/run",
    "swarm": "/var/lib/pyinfra-swarm",
    "local": "/usr/local/lib/pyinfra-swarm",
    "srv": "/srv",
}
ANN, BOB = 4001, 4002
KEY = "ssh-ed25519 AAAA before"
SECRET = "$6$salt$thelockedhash"
_SYSTEMD_RUN = """\
#!/bin/sh
[ ! -e /run/no-systemd ] || exit 1
for word do case $word in --unit=*) unit=${word#--unit=} ;; esac; done
while [ "$1" != /bin/sh ]; do shift; done
mkdir -p /run/timers
echo "$*" > "/run/timers/$unit"
"""
_SYSTEMCTL = """\
#!/bin/sh
[ "$1" != --quiet ] || shift
action=$1; shift
case $action in
stop) for unit do case $unit in *.timer) rm -f "/run/timers/${unit%.timer}" ;; esac; done ;;
is-active) [ -e "/run/timers/${1%.timer}" ] ;;
reload) echo "$*" >> /run/reloaded ;;
esac
"""
# What a power cut may leave at the least is what was there at the last of these: kept for those
# who go through the steps of a script.
_SYNC = """\
#!/bin/bash -p
case ${1-} in '' | -f) ;; *) exit 0 ;; esac
[ -n "${STEPS-}" ] || exit 0
read -r syncs < "$STEPS/syncs"
next=$STEPS/s$((syncs + 1))
if [ "${1-}" = -f ]; then # the file system of the rollback's own files, as if they had one
  cp -a "$STEPS/s$syncs" "$next"; rm -rf "$next/swarm"; cp -a "$DISK/swarm" "$next"
else cp -a "$DISK" "$next"; fi
echo $((syncs + 1)) > "$STEPS/syncs"
"""


@dataclass(frozen=True)
class Disk:
    """A host's disk. folder: its parts by the names of :data:`PLACES`; tools: the stand-ins."""

    folder: Path
    tools: Path

    def run(
        self,
        script: str,
        *,
        before: str = "",
        mounted: str = "",
        timeout: float = 60,
        shell: tuple[str, ...] = ("sh",),
        **env: str,
    ) -> subprocess.CompletedProcess[str]:
        """Run a script on the host.

        before, mounted: what is done in its namespace before the disk is there, and after it.
        """
        mounts = [f"mount --bind {self.folder}/{part} {at}" for part, at in PLACES.items()]
        new = "for at in /var/lib /usr/local/lib; do mount -t tmpfs none $at; done"
        made = f"mkdir {PLACES['swarm']} {PLACES['local']}"
        inside = "\n".join(["set -e", new, made, before, *mounts, mounted])
        return subprocess.run(
            ["unshare", "-m", "sh", "-c", f'{inside}\nexec "$@"', "sh", *shell, "-c", script],
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
            env={
                "PATH": f"{self.tools}:/usr/sbin:/usr/bin:/sbin:/bin",
                "DISK": str(self.folder),
                **env,
            },
        )

    def path(self, path: str) -> Path:
        """Where a path of the host's is here."""
        for part, at in PLACES.items():
            if path.startswith(f"{at}/") or path == at:
                return self.folder / part / path[len(at) :].lstrip("/")
        raise ValueError(path)

    def copy(self, to: Path) -> Disk:
        """The disk as it is now, elsewhere."""
        subprocess.run(["cp", "-a", self.folder, to], check=True)
        return Disk(to, self.tools)

    # What happens to a host
    # ----------------------

    def timers(self) -> list[str]:
        """The commands of the timers that wait."""
        folder = self.folder / "run/timers"
        return [path.read_text() for path in sorted(folder.iterdir())] if folder.exists() else []

    def time_passes(self) -> int:
        """Every timer fires, and what asks to be tried again is; how often something ran."""
        ran = 0
        commands = self.timers()
        shutil.rmtree(self.folder / "run/timers", ignore_errors=True)
        for command in commands:
            for _ in range(3):
                ran += 1
                if self.run(command).returncode != rollback.LATER:
                    break
        return ran

    def boots(self, *, late: str = "") -> tuple[int, int]:
        """Power comes back; the codes of the two units. late: what is mounted between them."""
        for path in (self.folder / "run").iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        early = self.run(f"sh {rollback.RESTORE} --boot").returncode
        return early, self.run(f"sh {rollback.RESTORE} --late", mounted=late).returncode

    # What is on it
    # -------------

    def waits(self) -> bool:
        """Whether anything is neither confirmed nor undone."""
        place = self.folder / "swarm/rollback"
        return bool([*place.glob("*/armed"), *place.glob("*/firing")])

    def state(self, paths: Iterable[str] = ()) -> str:
        """What somebody who logs in depends on, with owner and mode."""
        found: dict[str, object] = {}
        for path in ("/etc/old", "/etc/new", "/home/ann/.ssh/authorized_keys", *paths):
            place = self.path(path)
            if place.is_symlink():
                found[path] = f"-> {os.readlink(place)}"
            elif place.exists() and not place.is_file():
                found[path] = "no file"
            elif place.exists():
                status = place.stat()
                found[path] = (place.read_text(), oct(status.st_mode), status.st_uid)
        for line in self.path("/etc/shadow").read_text().splitlines():
            name, secret, _ = line.split(":", 2)
            found[f"password of {name}"] = secret
        return json.dumps(found, indent=1, sort_keys=True)

    def everything(self) -> list[str]:
        """All of it, to see whether it has changed."""
        found = []
        for top, folders, files in os.walk(self.folder):
            for name in sorted(folders + files):
                path = Path(top, name)
                status = path.lstat()
                said = [str(path.relative_to(self.folder)), oct(status.st_mode)]
                if path.is_symlink():
                    said.append(os.readlink(path))
                elif path.is_file():
                    said += [str(status.st_uid), str(status.st_nlink), str(path.read_bytes())]
                found.append(" ".join(said))
        return sorted(found)


def disk(folder: Path) -> Disk:
    """A host nothing has been done to: two users, one with a locked password and a key."""
    tools = folder / "tools"
    tools.mkdir(parents=True)
    for name, text in {
        "systemd-run": _SYSTEMD_RUN,
        "systemctl": _SYSTEMCTL,
        "sync": _SYNC,
    }.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    made = Disk(folder / "disk", tools)
    for part in PLACES:
        (made.folder / part).mkdir(parents=True)
    etc = made.folder / "etc"
    users = {"root": (0, "/root"), "ann": (ANN, "/home/ann"), "bob": (BOB, "/home/bob")}
    passwd = [f"{name}:x:{uid}:{uid}::{home}:/bin/sh" for name, (uid, home) in users.items()]
    (etc / "passwd").write_text("\n".join(passwd) + "\n")
    (etc / "group").write_text("".join(f"{name}:x:{uid}:\n" for name, (uid, _) in users.items()))
    (etc / "nsswitch.conf").write_text("passwd: files\ngroup: files\nshadow: files\n")
    secrets = {"root": "*", "ann": f"!{SECRET}", "bob": "$6$salt$bobs"}
    (etc / "shadow").write_text("".join(f"{n}:{s}:1:0:99999:7:::\n" for n, s in secrets.items()))
    (etc / "shadow").chmod(0o600)
    os.utime(etc / "shadow", (0, 0))
    for name in ("ld.so.cache", "login.defs"):
        if Path("/etc", name).exists():
            subprocess.run(["cp", "-a", f"/etc/{name}", etc], check=True)
    (etc / "old").write_text("before\n")
    (etc / "old").chmod(0o640)
    for name, uid in (("ann", ANN), ("bob", BOB)):
        keys = made.folder / "home" / name / ".ssh/authorized_keys"
        keys.parent.mkdir(parents=True)
        keys.write_text(f"{KEY} {name}\n")
        keys.chmod(0o600)
        for path in (keys.parent.parent, keys.parent, keys):
            os.chown(path, uid, uid)
        keys.parent.chmod(0o700)
    (made.folder / "root/.ssh").mkdir(mode=0o700)
    (made.folder / "root/.ssh/authorized_keys").write_text("root's key\n")
    (made.folder / "root").chmod(0o700)
    return made


def change(subject: str = "access", *more: str, **fields: object) -> ReversibleChange:
    """A change to one file, to one that is not there yet, to a user's keys and to a password."""
    apply = (
        write_file("/etc/old", f"after {subject}", mode="600"),
        rollback.unlock("ann"),
        write_in_home(
            "ann", "/home/ann/.ssh", "authorized_keys", f"ssh-ed25519 BBBB after {subject}"
        ),
        write_file("/etc/new", f"after {subject}"),
        *more,
    )
    made: dict[str, object] = {
        "subject": subject,
        "files": ("/etc/old", "/etc/new"),
        "apply": apply,
        "after_restore": "systemctl reload it",
        "in_homes": (("ann", "/home/ann/.ssh/authorized_keys"),),
        "passwords": ("ann",),
    }
    return ReversibleChange(**{**made, **fields})  # type: ignore[arg-type]


def script(text: str) -> str:
    """A script as the run sends it."""
    return f"set -eu\n{text}"


Outcome = Callable[[Disk], None]
