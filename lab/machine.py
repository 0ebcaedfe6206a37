"""One host: a process with its disk, its seed and its console; User Mode Linux, or another."""

import contextlib
import io
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab import addresses, places, xstate
from lab.addresses import Node
from lab.commands import Recorded, kill_group, record, run
from lab.errors import LabError
from lab.kernel import PROGRAM
from lab.network import inside
from lab.userland import netplan

_NETWORK = """\
[Match]
Name={interface}

[Network]
Address={address}/24
Address={address6}/64
Gateway={gateway}
Gateway={gateway6}
IPv6AcceptRA=no
LinkLocalAddressing=ipv6

[Link]
RequiredForOnline=routable
"""


@dataclass(frozen=True)
class HostKeys:
    """A host's SSH keys.

    folder: holds `ssh_host_<type>_key` and the public halves
    """

    folder: Path

    TYPES = ("ed25519", "ecdsa")

    @classmethod
    def generate(cls, folder: Path) -> "HostKeys":
        """Make new ones."""
        folder.mkdir(parents=True, mode=0o700)
        for kind in cls.TYPES:
            path = folder / f"ssh_host_{kind}_key"
            run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "", "-f", path])
        return cls(folder)

    def known_hosts(self, *names: str) -> str:
        """The lines of a `known_hosts` file under which a client finds the host."""
        return "".join(
            f"{','.join(names)} {(self.folder / f'ssh_host_{kind}_key.pub').read_text().strip()}\n"
            for kind in self.TYPES
        )


@dataclass(frozen=True)
class Kind:
    """What a host's seed depends on besides the host.

    iptables: its back end, `nft` or `legacy`
    netplan: whether its network is netplan's
    interface: its network card's name, or a pattern for it
    """

    iptables: str
    netplan: bool
    interface: str = "vec0"


def write_seed(node: Node, keys: HostKeys, authorized_key: str, kind: Kind, path: Path) -> None:
    """Write the tar that the host unpacks at its first boot."""
    network = {
        "address": node.address,
        "address6": node.address6,
        "gateway": addresses.GATEWAY,
        "gateway6": addresses.GATEWAY6,
    }
    files: dict[str, tuple[int, int, str]] = {
        "etc/hostname": (0o644, 0, f"{node.name}\n"),
        f"home/{addresses.USER}/.ssh/authorized_keys": (0o600, 1000, authorized_key),
    }
    if kind.netplan:
        files["etc/netplan/50-cloud-init.yaml"] = (0o600, 0, netplan(**network))
    else:
        files["etc/systemd/network/10-lan.network"] = (
            0o644,
            0,
            _NETWORK.format(**network, interface=kind.interface),
        )
    for key_type in HostKeys.TYPES:
        name = f"ssh_host_{key_type}_key"
        files[f"etc/ssh/{name}"] = (0o600, 0, (keys.folder / name).read_text())
        files[f"etc/ssh/{name}.pub"] = (0o644, 0, (keys.folder / f"{name}.pub").read_text())
    path.touch(0o600)
    with tarfile.open(path, "w") as archive:
        for name, (mode, owner, text) in files.items():
            member = tarfile.TarInfo(name)
            content = text.encode()
            member.size, member.mode = len(content), mode
            member.uid = member.gid = owner
            archive.addfile(member, io.BytesIO(content))
        for name, to in _alternatives(kind.iptables):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, to
            archive.addfile(member)


def _alternatives(back_end: str) -> Iterator[tuple[str, str]]:
    """The links that `update-alternatives --set` makes for a back end of iptables."""
    for command in ("iptables", "ip6tables"):
        for suffix in ("", "-save", "-restore"):
            yield f"etc/alternatives/{command}{suffix}", f"/usr/sbin/{command}-{back_end}{suffix}"


class Machine(ABC):
    """A host that can be switched on and off; it owns the process and the disk, no policy.

    program: what its process is recognised by
    slowness: how many times as long as User Mode Linux it takes to boot
    """

    program: str
    slowness = 1

    def __init__(self, node: Node, kernel: Path, base_image: Path, memory: int) -> None:
        """Take over nothing yet: it is off.

        memory: megabytes
        """
        self.node = node
        self._kernel = kernel
        self._base = base_image
        self._memory = memory
        self._process: subprocess.Popen[bytes] | None = None
        self._since = 0
        self._recorded: Recorded | None = None

    @property
    def disk(self) -> Path:
        """What the host has written."""
        return places.disks() / f"{self.node.name}.disk"

    @property
    def seed(self) -> Path:
        """What it unpacks at its first boot."""
        return places.state() / f"{self.node.name}.seed"

    @property
    def recorded(self) -> Recorded | None:
        """Its process, as far as there is one."""
        return self._recorded

    @property
    def is_on(self) -> bool:
        """Whether its process runs."""
        return self._process is not None and self._process.poll() is None

    def switch_on(self) -> None:
        """Start it from whatever is on its disk.

        Raises LabError when it is on already, or cannot be started.
        """
        if self.is_on:
            raise LabError(f"{self.node.name} is on already")
        places.disks().mkdir(parents=True, exist_ok=True)
        self.prepare()
        with places.console(self.node.name).open("ab") as console:
            self._since = console.tell()
            self._process = subprocess.Popen(
                inside(addresses.NAMESPACE, self.command()),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env={**os.environ, **self.environment()},
                start_new_session=True,
            )
        self._recorded = record(self._process.pid)

    @abstractmethod
    def prepare(self) -> None:
        """Do what its process needs to be done before it starts."""

    @abstractmethod
    def command(self) -> list[str]:
        """The words of its process, whose output is its console."""

    def environment(self) -> Mapping[str, str]:
        """What its process is told besides."""
        return {}

    def wait(self) -> None:
        """Block until its process has ended."""
        if self._process is not None:
            self._process.wait()

    def cut_power(self) -> None:
        """End it as a pulled plug does."""
        if self._recorded is not None:
            kill_group(self._recorded, self.program)
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
        self._recorded = None

    def wipe(self) -> None:
        """Flash it anew. It must be off."""
        if self.is_on:
            raise LabError(f"{self.node.name} is on; its disk cannot be replaced")
        self.disk.unlink(missing_ok=True)

    def wants_power(self) -> bool:
        """Whether a host that ended by itself would come back on a real board.

        It would after `reboot` and after a crash of its kernel, not after `poweroff`.
        """
        said = last_lines(self.node.name, 40, self._since)
        ends = re.findall(r"reboot: (Restarting system|Power down|System halted)", said)
        return not ends or ends[-1] == "Restarting system"


class UserMode(Machine):
    """A host that is a User Mode Linux process; its disk is what differs from the image."""

    program = PROGRAM

    @property
    def _runtime(self) -> Path:
        return places.state() / "uml"

    def prepare(self) -> None:
        """Forget the process that it was before."""
        shutil.rmtree(self._runtime / self.node.name, ignore_errors=True)
        self._runtime.mkdir(exist_ok=True)

    def command(self) -> list[str]:
        """The kernel, and what it reads on its command line."""
        return [
            *(
                str(self._kernel),
                f"mem={self._memory}M",
                f"umid={self.node.name}",
                f"uml_dir={self._runtime}/",
            ),
            *(f"ubd0={self.disk},{self._base}", f"ubd1r={self.seed}"),
            # The file keeps what the host wrote whatever happens to the host.
            *("root=/dev/ubda", "rootflags=nobarrier", "rw"),
            *("noreboot", "panic=1"),
            *("con=null", "con0=null,fd:1", "ssl=null", "loglevel=5", "systemd.show_status=1"),
            f"vec0:transport=tap,ifname={self.node.tap},depth=64,gro=1,vec=0,mac={self.node.mac}",
        ]

    def environment(self) -> Mapping[str, str]:
        """Where its memory is kept, and what helps it on new processors."""
        return {**xstate.preloaded(), "TMPDIR": _memory_folder(self._memory)}


def _memory_folder(megabytes: int) -> str:
    """Where the kernel may keep a host's memory: in memory, if that has room and may be run."""
    with contextlib.suppress(OSError):
        shared = os.statvfs("/dev/shm")
        free = shared.f_bavail * shared.f_frsize >> 20
        if not shared.f_flag & os.ST_NOEXEC and free > megabytes:
            return "/dev/shm"
    return tempfile.gettempdir()


def last_lines(host: str, count: int = 15, since: int = 0) -> str:
    """The end of a host's console, without control characters.

    since: how much of it is of earlier times, in bytes
    """
    path = places.console(host)
    if not path.is_file():
        return "(the console is empty)"
    with path.open("rb") as file:
        file.seek(max(since, path.stat().st_size - 16384))
        text = file.read().decode(errors="replace")
    text = re.sub(r"\x1b(\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07|[()][A-Z0-9])", "", text)
    lines = [line.rstrip() for line in text.replace("\r", "\n").splitlines() if line.strip()]
    return "\n".join(lines[-count:]) or "(the console is empty)"
