"""Machines made of namespaces: their power, disk and cable, and what they run.

What they are and are not: :mod:`tests.engines.hosts`.
"""

from __future__ import annotations

import contextlib
import fnmatch
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.engines import programs
from tests.engines.disk import PATH, flash, hosts_file

NETWORK = "10.99.0"
"""The hosts' network; this machine is at its first address."""

_HERE = Path(__file__).resolve().parent
_NAMESPACES = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup")
_PREFIX = "engines-"


@dataclass
class Host:
    """One host. address: the one it has now; version: of its engine."""

    name: str
    address: str
    version: str
    lives: int = 0
    process: subprocess.Popen[bytes] | None = None
    init: int = 0
    """Its first process's number on this machine; 0 while it is off."""

    @property
    def on(self) -> bool:
        return self.init != 0

    def path(self, path: str) -> Path:
        """A file of a host that is on, as this machine reaches it."""
        return Path(f"/proc/{self.init}/root/{path.lstrip('/')}")


class HostError(Exception):
    """Something that a host should have done."""


switched_on: list[Machines] = []
"""Those that are there at this moment."""


class Machines:
    """Some machines on a bridge, switched on; a context manager that leaves nothing behind.

    count, version, network: as for :class:`tests.engines.hosts.Hosts`.
    """

    def __init__(
        self, count: int = 4, version: str | Sequence[str] = "", network: str = NETWORK
    ) -> None:
        self._network = network
        if isinstance(version, str):
            version = [version or programs.version()] * count
        self.hosts = {
            f"rk{number}": Host(f"rk{number}", f"{network}.{10 + number}", version[number - 1])
            for number in range(1, count + 1)
        }
        self._programs = {one: programs.programs(one) for one in dict.fromkeys(version)}
        self._keeper: subprocess.Popen[bytes] | None = None
        self._outer = 0
        _clear_what_was_left()
        self.folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
        self._memory = self.folder / "memory"
        switched_on.append(self)
        self.key = self.folder / "key"
        self.known_hosts = self.folder / "known_hosts"

    def __enter__(self) -> Self:
        try:
            self._make_keys()
            self._lay_the_bridge()
            for version, place in self._programs.items():
                # A layer may not lie within another one, as the cache lies within the root.
                copied = self._from_here(self._memory / f"programs-{version}")
                shutil.copytree(place, copied, symlinks=True)
            self.each(self.power_on)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __getitem__(self, name: str) -> Host:
        return self.hosts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.hosts)

    def close(self) -> None:
        """End every host and the bridge between them."""
        if self in switched_on:
            switched_on.remove(self)
        for host in self.hosts.values():
            self._end(host)
        _end(self._keeper)
        self._keeper = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def each(self, does: Callable[[str], object], names: Iterable[str] | None = None) -> None:
        """Do something to all hosts, or to some, at the same time."""
        chosen = list(self.hosts if names is None else names)
        with ThreadPoolExecutor(max(len(chosen), 1)) as pool:
            list(pool.map(does, chosen))

    # Power, disk, cable, address
    # ---------------------------

    def power_on(self, name: str) -> None:
        """Switch a host on, and wait for its sshd."""
        host = self.hosts[name]
        if host.on:
            return
        host.lives += 1
        place = self._memory / name
        if not self._from_here(place).is_dir():
            flash(
                self._from_here(place),
                name,
                host.address,
                host_key=self._host_key(name),
                login=self.key.with_suffix(".pub").read_text(),
            )
        self._wire(host)
        host.process = subprocess.Popen(
            [
                *("nsenter", f"--target={self._outer}", "--mount", "--"),
                *("nsenter", f"--net=/run/netns/{name}", "--"),
                *("sh", str(_HERE / "power.sh"), self._group(host), name, str(place)),
                str(self._docker(name)),
                str(self._memory / f"programs-{host.version}"),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert host.process.stdout is not None
        said: list[bytes] = []
        while (line := host.process.stdout.readline()) != b"up\n":
            said.append(line)
            if not line:
                words = b"".join(said).decode(errors="replace").strip()
                raise HostError(f"{name} did not come up: {words or 'it said nothing'}")
        host.init = _child(host.process.pid)

    def power_cut(self, name: str) -> None:
        """Everything on a host ends at once, and its cable is dead."""
        host = self.hosts[name]
        if host.on:
            self.isolate(name)
        self._end(host)

    def reinstall(self, name: str) -> None:
        """A power cut, an empty disk, and on again.

        SSH host key and login are as before, as on a host whose owner has put them back.
        """
        self.power_cut(name)
        places = (self._memory / name, self._docker(name))
        self._outside("rm -rf " + shlex.join(map(str, places)))
        self.power_on(name)

    def restart(self, name: str) -> None:
        """A power cut, and on again."""
        self.power_cut(name)
        self.power_on(name)

    def reset(self) -> None:
        """All hosts as at the beginning: connected, reinstalled, at their first addresses."""
        for number, host in enumerate(self.hosts.values(), start=1):
            host.address = f"{self._network}.{10 + number}"
        self.each(self.reinstall)

    def isolate(self, name: str) -> None:
        """Pull a host's cable out."""
        # Whoever looks for it from here finds nobody, instead of remembering where it was. A flush
        # fails where another host's at the same moment has taken away what it had listed.
        self._outside(
            f"ip link set {_cable(self.hosts[name])} down; "
            "for i in 1 2 3; do ip neigh flush dev br0 2>/dev/null && exit; done; "
            "ip neigh flush dev br0"
        )

    def reconnect(self, name: str) -> None:
        """Put a host's cable in again."""
        self._outside(f"ip link set {_cable(self.hosts[name])} up")

    def change_address(self, name: str, address: str) -> None:
        """Give a host another address, at once and for its later lives."""
        host = self.hosts[name]
        host.address = address
        if host.on:
            self._outside(
                f"ip -n {name} addr flush dev eth0 scope global && "
                f"ip -n {name} addr add {address}/24 dev eth0"
            )
            host.path("/etc/hosts").write_text(hosts_file(name, host.address))
        self._make_known_hosts()

    def inside(self, name: str, *words: str) -> list[str]:
        """The command line, for this machine, of a command that root runs on a host."""
        there = ("nsenter", f"--target={self.hosts[name].init}", *_NAMESPACES, "--root", "--wd")
        own = (f"PATH={PATH}", "HOME=/root", "LC_ALL=C.UTF-8")
        return [*there, "--", "env", "-i", *own, *words]

    def run(
        self,
        name: str,
        command: str,
        *,
        text: str | None = None,
        check: bool = True,
        timeout: float = 120,
    ) -> subprocess.CompletedProcess[str]:
        """Run a line of shell on a host, as root; ``HostError`` where it fails, unless told not."""
        if not self.hosts[name].on:
            raise HostError(f"{name} is off")
        done = subprocess.run(
            self.inside(name, "sh", "-c", command),
            input=text,
            stdin=subprocess.DEVNULL if text is None else None,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if check and done.returncode:
            raise HostError(f"{name}: {command}: {done.returncode}: {done.stdout}{done.stderr}")
        return done

    # How they are made
    # -----------------

    def _lay_the_bridge(self) -> None:
        self._memory.mkdir()
        image = self.folder / "disk"
        memory, file = shlex.quote(str(self._memory)), shlex.quote(str(image))
        script = (
            f"set -e; mount -t tmpfs -o mode=755 engines {memory}; "
            # A disk, since an engine waits for it as on a board: where nothing is waited for, one
            # that is unlocked starts its new node before it has left the old one, and is in no
            # network then (docs/decisions/swarm-keys.md). Where there are no loop devices, the
            # hosts do without. Its file goes with the namespace.
            f"mkdir {memory}/disk; truncate -s 8G {file}; mkfs.ext4 -q -F {file}; "
            f"mount -o loop {file} {memory}/disk 2>/dev/null || true; rm {file}; "
            "mount -t tmpfs engines /run; mkdir /run/netns; ip link set lo up; "
            f"ip link add br0 type bridge; ip addr add {self._network}.1/24 dev br0; "
            "ip link set br0 up; echo up; exec cat >/dev/null"
        )
        # It ends when its standard input does, which is when this process does.
        self._keeper = subprocess.Popen(
            ["unshare", "--net", "--mount", "--", "sh", "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert self._keeper.stdout is not None
        if (said := self._keeper.stdout.readline()) != b"up\n":
            raise HostError(f"no bridge can be made here: {said.decode().strip()}")
        self._outer = self._keeper.pid

    def _outside(self, script: str) -> None:
        """Run shell where the bridge and the hosts' disks are."""
        done = subprocess.run(
            [
                *(
                    "nsenter",
                    f"--target={self._outer}",
                    "--net",
                    "--mount",
                    "--",
                    "sh",
                    "-ec",
                    script,
                )
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        if done.returncode:
            raise HostError(f"{script}: {done.stderr.strip()}")

    def _from_here(self, path: Path) -> Path:
        return Path(f"/proc/{self._outer}/root{path}")

    def _wire(self, host: Host) -> None:
        """A network namespace of its own, new in each life, and a cable to the bridge."""
        name, cable = host.name, _cable(host)
        # A board keeps its address on the wire: others go on sending to the one they know.
        wire = f"02:00:00:00:00:{int(name.removeprefix('rk')):02x}"
        self._outside(
            f"ip netns del {name} 2>/dev/null || true; ip netns add {name}; "
            f"ip link add {cable} type veth peer name eth0 address {wire} netns {name}; "
            f"ip link set {cable} master br0 up; ip -n {name} link set lo up; "
            f"ip -n {name} addr add {host.address}/24 dev eth0; ip -n {name} link set eth0 up; "
            f"ip -n {name} route add default via {self._network}.1"
        )

    def _docker(self, name: str) -> Path:
        """A host's ``/var/lib/docker``, where the bridge is."""
        return self._memory / "disk" / name

    def _group(self, host: Host) -> str:
        return f"{self.folder.name}-{host.name}-{host.lives}"

    def _end(self, host: Host) -> None:
        if host.process is None:
            return
        if host.init:
            os.kill(host.init, signal.SIGKILL)  # it takes its whole pid namespace with it
            host.process.wait()
        _end(host.process)
        host.process, host.init = None, 0
        _remove_groups(self._group(host))

    def _make_keys(self) -> None:
        def make(path: Path) -> None:
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "engines", "-f", str(path)],
                stdin=subprocess.DEVNULL,
                check=True,
            )

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(make, [self.key, *(self._host_key(name) for name in self.hosts)]))
        self._make_known_hosts()

    def _make_known_hosts(self) -> None:
        lines = []
        for host in self.hosts.values():
            public = self._host_key(host.name).with_suffix(".pub").read_text().split()
            lines.append(f"{host.address} {public[0]} {public[1]}\n")
        self.known_hosts.write_text("".join(lines))

    def _host_key(self, name: str) -> Path:
        return self.folder / f"host_key_{name}"


def _cable(host: Host) -> str:
    # A namespace that is gone takes its cable with it a moment later: each life has another.
    return f"{host.name}-{host.lives}"


def _child(pid: int) -> int:
    """The only child of a process, by the machine's numbers."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def _end(process: subprocess.Popen[bytes] | None) -> None:
    if process is None:
        return
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


def _remove_groups(name: str) -> None:
    """Remove control groups (:file:`power.sh`) that no process is in any more."""
    for folder, inner, _ in os.walk("/sys/fs/cgroup"):
        for found in fnmatch.filter(inner, name):
            for path, _, _ in os.walk(Path(folder, found), topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(path)


def _clear_what_was_left() -> None:
    """Remove folders and control groups of processes that were killed; the rest went with them."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        pid = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            _remove_groups(f"{folder.name}-*")
            shutil.rmtree(folder, ignore_errors=True)
