"""Hosts made of namespaces on this machine, each with a real Docker engine, sshd and sudo.

A host has its own network, processes, mounts and name; its root is the machine's with a layer of
its own above, and with the engine, sshd and sudo laid between (:mod:`tests.engines.programs`). The
hosts share a bridge in a network namespace that the machine does not see, and pyinfra runs there.

Everything that a host is lives in memory and in namespaces: it is gone when this process ends,
however it ends. What these hosts are not: they share the machine's kernel, have no systemd, and a
power cut loses no write that the kernel has already taken.
"""

from __future__ import annotations

import contextlib
import fnmatch
import http.client
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.engines import programs
from tests.scenarios.conftest import ROOT, Run, environment, pyinfra_argv

USER = "admin"
"""Who logs in: a key, sudo without a password."""

NETWORK = "10.99.0"
"""The hosts' network; this machine is at its first address."""

_HERE = Path(__file__).resolve().parent
_NAMESPACES = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

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


@dataclass(frozen=True)
class Node:
    """A node, as a manager's engine lists it; the words are the engine's."""

    id: str
    hostname: str
    address: str
    role: str
    availability: str
    state: str
    reachability: str
    leader: bool
    labels: Mapping[str, str]


class Hosts:
    """Some hosts on a bridge, switched on; a context manager that leaves nothing behind.

    count: how many, named ``rk1`` and so on, at 10.99.0.11 and so on; version: of the engines, or
    one for each host; the oldest there is where none is given; network: the first three numbers of
    their addresses.
    """

    def __init__(
        self, count: int = 4, version: str | Sequence[str] = "", network: str = NETWORK
    ) -> None:
        self._network = network
        if isinstance(version, str):
            version = [version or programs.versions()[0]] * count
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
        self.key = self.folder / "key"
        self.known_hosts = self.folder / "known_hosts"

    def __enter__(self) -> Hosts:
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

    def power_on(self, name: str, *, engine: bool = True) -> None:
        """Switch a host on, and wait for its sshd and, unless told otherwise, for its engine."""
        host = self.hosts[name]
        if host.on:
            return
        host.lives += 1
        place = self._memory / name
        if not self._from_here(place).is_dir():
            self._flash(host)
        self._wire(host)
        host.process = subprocess.Popen(
            [
                *("nsenter", f"--target={self._outer}", "--mount", "--"),
                *("nsenter", f"--net=/run/netns/{name}", "--"),
                *("sh", str(_HERE / "power.sh"), self._group(host), name, str(place)),
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
        if engine:
            self.wait_for_engine(name)

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
        self._outside(f"rm -rf {shlex.quote(str(self._memory / name))}")
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
        # Whoever looks for it from here finds nobody, instead of remembering where it was.
        self._outside(f"ip link set {_cable(self.hosts[name])} down; ip neigh flush dev br0")

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
            host.path("/etc/hosts").write_text(_hosts_file(host))
        self._make_known_hosts()

    # What a host runs
    # ----------------

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
        host = self.hosts[name]
        if not host.on:
            raise HostError(f"{name} is off")
        done = subprocess.run(
            [
                *("nsenter", f"--target={host.init}", *_NAMESPACES, "--root", "--wd", "--"),
                *(
                    "env",
                    "-i",
                    f"PATH={_PATH}",
                    "HOME=/root",
                    "LC_ALL=C.UTF-8",
                    "sh",
                    "-c",
                    command,
                ),
            ],
            input=text,
            stdin=subprocess.DEVNULL if text is None else None,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if check and done.returncode:
            raise HostError(f"{name}: {command}: {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def docker(self, name: str, *arguments: str, text: str | None = None) -> str:
        """What ``docker …`` prints on a host; ``HostError`` where it fails."""
        return self.run(name, shlex.join(["docker", *arguments]), text=text).stdout

    def api(
        self,
        name: str,
        path: str,
        body: object = None,
        *,
        method: str = "",
        timeout: float = 60,
    ) -> Any:
        """Ask a host's engine: GET, or POST with a body; ``EngineError`` where it answers no."""
        connection = _Socket(self.hosts[name].path("/run/docker.sock"), timeout)
        with contextlib.closing(connection):
            sent = None if body is None else json.dumps(body)
            connection.request(
                method or ("GET" if body is None else "POST"),
                path,
                sent,
                {"Content-Type": "application/json"},
            )
            answer = connection.getresponse()
            said = answer.read().decode()
        if answer.status >= 300:
            raise EngineError(answer.status, said.strip())
        return json.loads(said) if said.strip() else None

    def wait_for_engine(self, name: str, seconds: float = 60) -> None:
        """Return when a host's engine answers."""
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(OSError, EngineError, http.client.HTTPException, ValueError):
                self.api(name, "/info", timeout=10)
                return
            if time.monotonic() > deadline:
                log = self.run(name, "tail -n 20 /var/log/docker.log", check=False).stdout
                raise HostError(f"{name}: no answer from the engine after {seconds:.0f} s\n{log}")
            time.sleep(0.05)

    def stop_engine(self, name: str) -> None:
        """End a host's engine in good order; the host stays."""
        self.run(name, "systemctl stop docker")

    def start_engine(self, name: str) -> None:
        """Start a host's engine, and wait for it."""
        self.run(name, "systemctl start docker")

    def restart_engine(self, name: str) -> None:
        """End a host's engine in good order and start it again."""
        self.run(name, "systemctl restart docker")

    def crash_engine(self, name: str) -> None:
        """The engine dies without a last word; the host stays."""
        self.run(name, 'pid=$(cat /run/docker.pid); kill -9 "$pid"; ' + _WAIT_FOR_END)

    # The swarm
    # ---------

    def init(self, name: str, **spec: object) -> None:
        """Found a swarm on a host, without the product."""
        address = self.hosts[name].address
        body = {"ListenAddr": "0.0.0.0:2377", "AdvertiseAddr": address, **spec}
        self.api(name, "/swarm/init", body)

    def join(self, name: str, manager: str, *, role: str = "worker") -> None:
        """Let a host join the swarm of a manager, without the product."""
        token = self.api(manager, "/swarm")["JoinTokens"][role.capitalize()]
        body = {
            "ListenAddr": "0.0.0.0:2377",
            "AdvertiseAddr": self.hosts[name].address,
            "RemoteAddrs": [f"{self.hosts[manager].address}:2377"],
            "JoinToken": token,
        }
        self.api(name, "/swarm/join", body)

    def form(self, managers: Sequence[str], workers: Sequence[str] = ()) -> None:
        """A swarm of so many managers and workers, without the product; the first inits it."""
        first, *others = managers
        self.init(first)
        for name in others:
            self.join(name, first, role="manager")
        self.each(lambda name: self.join(name, first), workers)

    def nodes(self, manager: str) -> dict[str, Node]:
        """What a manager lists, by hostname; a dead twin under its name and its id."""
        found: dict[str, Node] = {}
        for entry in self.api(manager, "/nodes"):
            spec, said = entry["Spec"], entry.get("ManagerStatus") or {}
            node = Node(
                id=entry["ID"],
                hostname=entry["Description"]["Hostname"],
                address=said.get("Addr", "").rpartition(":")[0] or entry["Status"].get("Addr", ""),
                role=spec["Role"],
                availability=spec["Availability"],
                state=entry["Status"]["State"],
                reachability=said.get("Reachability", ""),
                leader=bool(said.get("Leader")),
                labels=spec.get("Labels") or {},
            )
            twin = found.get(node.hostname)
            if twin is None:
                found[node.hostname] = node
            elif twin.state == "down":
                found[node.hostname] = node
                found[f"{twin.hostname} {twin.id}"] = twin
            else:
                found[f"{node.hostname} {node.id}"] = node
        return found

    def swarm(self, name: str) -> dict[str, Any]:
        """What a host's engine says of its own place in a swarm (``docker info``'s part)."""
        found: dict[str, Any] = self.api(name, "/info")["Swarm"]
        return found

    def import_image(self, *names: str) -> None:
        """Give hosts (all, where none is named) an image ``busybox`` without a registry."""
        program = programs.busybox()
        script = (
            "folder=$(mktemp -d); mkdir $folder/bin; cat > $folder/bin/busybox; "
            "chmod 755 $folder/bin/busybox; chroot $folder /bin/busybox --install -s /bin; "
            "tar -C $folder -c . | docker import -c 'ENV PATH=/bin' - busybox; rm -r $folder"
        )
        for name in names or self.hosts:
            line = [
                *("nsenter", f"--target={self.hosts[name].init}", *_NAMESPACES, "--root"),
                *("--wd", "--", "env", "-i", f"PATH={_PATH}", "sh", "-euc", script),
            ]
            with program.open("rb") as content:
                subprocess.run(line, stdin=content, check=True, capture_output=True, timeout=60)

    # The product
    # -----------

    def settings(
        self,
        managers: Sequence[str],
        workers: Sequence[str] = (),
        *,
        labels: Mapping[str, Mapping[str, str]] | None = None,
        availability: Mapping[str, str] | None = None,
        file: str = "cluster.toml",
        **sections: Mapping[str, object],
    ) -> Path:
        """Write a ``cluster.toml`` that declares some of the hosts, and return its path.

        labels, availability: by host; file: its name, for more than one at a time; sections: more
        of the file, as ``swarm={"certificate_expiry": "2h"}``.
        """
        tables: list[tuple[str, Mapping[str, object]]] = []
        for role, names in (("manager", managers), ("worker", workers)):
            for name in names:
                table: dict[str, object] = {
                    "name": name,
                    "address": self.hosts[name].address,
                    "role": role,
                }
                if labels and name in labels:
                    table["labels"] = labels[name]
                if availability and name in availability:
                    table["availability"] = availability[name]
                tables.append(("[[hosts]]", table))
        ssh = {
            "user": USER,
            "key": str(self.key),
            "known_hosts": str(self.known_hosts),
            "strict_host_keys": "yes",
            **sections.pop("ssh", {}),
        }
        tables += [
            ("[cluster]", {"name": "engines", **sections.pop("cluster", {})}),
            ("[ssh]", ssh),
        ]
        tables += [(f"[{name}]", values) for name, values in sections.items()]
        path = self.folder / file
        path.write_text("\n".join(f"{title}\n{_toml(values)}" for title, values in tables))
        return path

    def pyinfra(
        self,
        *arguments: str,
        settings: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = 300,
    ) -> Run:
        """Run pyinfra's command line as a user does, on a machine that reaches the hosts.

        settings: the ``cluster.toml``; the one last written under its usual name if left out.
        """
        line, told = self.pyinfra_line(*arguments, settings=settings, env=env)
        begun = time.monotonic()
        done = subprocess.run(
            line,
            cwd=ROOT,
            env=told,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        return Run(done.returncode, done.stdout, done.stderr, time.monotonic() - begun)

    def pyinfra_line(
        self,
        *arguments: str,
        settings: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> tuple[list[str], dict[str, str]]:
        """The command and environment of :meth:`pyinfra`, for who starts it in another way.

        It runs in this project's folder, and becomes pyinfra's own process: a signal to it is one
        to pyinfra.
        """
        path = settings or self.folder / "cluster.toml"
        line = ["nsenter", f"--net=/proc/{self._outer}/ns/net", "--", *pyinfra_argv(*arguments)]
        state = str(self.folder / "state")
        own = {"SWARM_SETTINGS": str(path), "XDG_STATE_HOME": state}
        return line, environment({**own, **(env or {})})

    # How they are made
    # -----------------

    def _lay_the_bridge(self) -> None:
        self._memory.mkdir()
        script = (
            f"set -e; mount -t tmpfs -o mode=755 engines {shlex.quote(str(self._memory))}; "
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

    def _flash(self, host: Host) -> None:
        """A disk as after a fresh installation: our own users and keys, nothing of Docker's."""
        key, public = self._host_key(host.name), self.key.with_suffix(".pub").read_text()
        files: dict[str, tuple[int, str]] = {
            "etc/hostname": (0o644, f"{host.name}\n"),
            "etc/hosts": (0o644, _hosts_file(host)),
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
                f'Defaults secure_path="{_PATH}"\nroot ALL=(ALL:ALL) ALL\n'
                f"{USER} ALL=(ALL:ALL) NOPASSWD: ALL\n",
            ),
            "etc/pam.d/sudo": (
                0o644,
                "".join(
                    f"{kind} required pam_permit.so\n" for kind in ("auth", "account", "session")
                ),
            ),
            "etc/ssh/sshd_config": (0o644, _SSHD),
            "etc/ssh/ssh_host_ed25519_key": (0o600, key.read_text()),
            "etc/ssh/ssh_host_ed25519_key.pub": (0o644, key.with_suffix(".pub").read_text()),
            f"var/lib/{USER}/.ssh/authorized_keys": (0o600, public),
            "usr/bin/systemctl": (0o755, (_HERE / "systemctl").read_text()),
        }
        # Made beside and put in its place, so that a disk is there whole or not at all.
        place = self._from_here(self._memory / host.name)
        half = place.with_name(f"{host.name}.half")
        shutil.rmtree(half, ignore_errors=True)
        for name, (mode, text) in files.items():
            path = half / "upper" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            path.chmod(mode)
        own = half / "upper/var/lib" / USER
        for path in (own, own / ".ssh", own / ".ssh/authorized_keys"):
            os.chown(path, 1000, 1000)
        (own / ".ssh").chmod(0o700)
        half.rename(place)


class HostError(Exception):
    """Something that a host should have done."""


class EngineError(HostError):
    """The engine's own words for what it does not do."""

    def __init__(self, status: int, said: str) -> None:
        with contextlib.suppress(ValueError):
            said = json.loads(said)["message"]
        super().__init__(f"the engine answered {status}: {said}")
        self.status = status
        self.message = said


_PREFIX = "engines-"
_WAIT_FOR_END = 'while [ -d "/proc/$pid" ]; do sleep 0.05; done'


class _Socket(http.client.HTTPConnection):
    """HTTP to an engine's socket."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _cable(host: Host) -> str:
    # A namespace that is gone takes its cable with it a moment later: each life has another.
    return f"{host.name}-{host.lives}"


def _hosts_file(host: Host) -> str:
    return f"127.0.0.1 localhost\n{host.address} {host.name}\n"


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


def _toml(value: object) -> str:
    """A table's lines, or a value, as TOML."""
    if isinstance(value, Mapping):
        return "".join(f"{key} = {_inline(entry)}\n" for key, entry in value.items())
    return _inline(value)


def _inline(value: object) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_inline(entry)}" for key, entry in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return json.dumps(value)
