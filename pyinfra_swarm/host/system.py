"""What a host says of itself before anything is done to it: system, clock, disks, network, kernel.

Values only; :mod:`host.facts` and :mod:`host.kernel_facts` make them, :mod:`preflight.plan` judges
them.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyinfra_swarm.run.observation import Observation

CONFLICTING = (
    "docker.io",
    "docker-doc",
    "docker-compose",
    "podman-docker",
    "containerd",
    "runc",
)
"""Packages of the distributions that conflict with Docker's own (docs.docker.com, "Uninstall old
versions")."""


@dataclass(frozen=True)
class Module(Observation):
    """A kernel feature that is a module on most systems.

    name: the module's name, with underscores.
    state: ``loaded``, ``builtin``, ``loadable``, ``missing``, or ``unknown`` where the host could
        not be asked (no ``modprobe``, no modules of the running kernel) and shows no trace of it.
    blocked_by: what forbids loading it, as ``file:line: directive``; empty where nothing does.
    """

    name: str
    state: str
    blocked_by: str = ""


@dataclass(frozen=True)
class Kernel(Observation):
    """What a host's kernel can do for an encrypted swarm.

    release: as in ``uname -r``.
    modules: the features asked for, in order.
    esp: whether the kernel took an ESP state with the cipher swarm uses, tried in a network
        namespace of its own; ``None`` where that could not be tried.
    vxlan: whether it made a VXLAN interface there; ``None`` likewise.
    matches: whether iptables took rules with the matches ``policy`` and ``bpf`` there; ``None``
        where iptables is not installed or the modules were there already.
    errors: what the kernel said where it refused.
    cipher: the driver that AES-GCM goes through, where Rockchip's are there; else empty.
    limits_memory: whether it can limit the memory of containers; ``None`` where that is not known.
    memory_options: what its command line says of that (``cgroup_disable=memory``), in order.
    """

    release: str
    modules: tuple[Module, ...]
    esp: bool | None
    vxlan: bool | None
    matches: bool | None
    errors: tuple[str, ...] = ()
    cipher: str = ""
    limits_memory: bool | None = None
    memory_options: tuple[str, ...] = ()

    def module(self, name: str) -> Module:
        """The module of this name; ``unknown`` where it was not asked for."""
        return next((m for m in self.modules if m.name == name), Module(name, "unknown"))


@dataclass(frozen=True)
class Disk(Observation):
    """Free space of the file system that holds a folder.

    path: the folder. free: bytes that can still be written by root.
    free_inodes: files that can still be made; ``None`` where the file system has no such limit.
    file_system: its id, the same for folders that share it.
    """

    path: str
    free: int
    free_inodes: int | None
    file_system: str


@dataclass(frozen=True)
class Address(Observation):
    """An IPv4 address of an interface, with its prefix length: ``192.168.1.11/24``."""

    device: str
    address: str


@dataclass(frozen=True)
class Route(Observation):
    """An IPv4 route; the default route's network is ``0.0.0.0/0``."""

    network: str
    device: str


@dataclass(frozen=True)
class Link(Observation):
    """An interface that is no container's.

    random_mac: its MAC address is another one after each boot, since the hardware has none.
    awaited: whether the boot waits until it is online, as systemd-networkd has it; ``None`` where
        that does not manage it.
    mtu: bytes of a packet that it carries; 0 where that is not known.
    """

    device: str
    random_mac: bool
    awaited: bool | None
    mtu: int = 0


@dataclass(frozen=True)
class Host(Observation):
    """A host before anything is done to it.

    distribution, version, codename: ``ID``, ``VERSION_ID`` and ``VERSION_CODENAME`` of os-release.
    architecture: dpkg's name for it (``amd64``, ``arm64``); empty where there is no dpkg.
    clock_ahead: seconds the host's clock is ahead of the controller's, negative if behind, and 0
        if the difference is less than the time the question took.
    systemd: whether systemd is the init system.
    packages: installed packages that matter here, to their versions.
    engine: the installed version of Docker's own package ``docker-ce``; empty without it.
    snap_docker: Docker is installed as a snap.
    in_swarm: the engine keeps the state of a swarm.
    firewalls: other firewall managers in force: ``ufw``, ``firewalld``, ``netfilter-persistent``.
    managed_files: files to be written that another tool manages, each with what shows it.
    links: its interfaces, those of containers left out.
    first_boot_again: what cloud-init would do anew if it took the next boot for the first one:
        ``hostname``, ``host keys``; empty where it is off or told to leave them.
    expired_passwords, expired_accounts: users of whom that has expired.
    vpn, keepalived: there is anything of one, ours or not. What is there is for others to say
        (``vpn.facts.State``, ``floating_address.facts.FloatingAddress``), who need not be asked
        where there is nothing.
    """

    distribution: str
    version: str
    codename: str
    architecture: str
    hostname: str
    machine_id: str
    clock_ahead: float
    disks: tuple[Disk, ...]
    addresses: tuple[Address, ...]
    routes: tuple[Route, ...]
    systemd: bool
    packages: dict[str, str]
    engine: str
    snap_docker: bool
    in_swarm: bool
    firewalls: tuple[str, ...]
    managed_files: dict[str, str]
    kernel: Kernel
    links: tuple[Link, ...] = ()
    first_boot_again: tuple[str, ...] = ()
    expired_passwords: tuple[str, ...] = ()
    expired_accounts: tuple[str, ...] = ()
    vpn: bool = False
    keepalived: bool = False

    def device(self, address: str) -> str:
        """The interface that has an IPv4 address; empty where none has it."""
        return next(
            (one.device for one in self.addresses if one.address.partition("/")[0] == address), ""
        )

    def link(self, device: str) -> Link | None:
        """What is known of an interface."""
        return next((link for link in self.links if link.device == device), None)

    def disk(self, path: str) -> Disk | None:
        """The disk that holds this folder, if it was asked for."""
        return next((disk for disk in self.disks if disk.path == path), None)
