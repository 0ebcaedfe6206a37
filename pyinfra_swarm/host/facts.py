"""What a host says of itself before anything is done to it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

from pyinfra_swarm.engine.versions import engine_version
from pyinfra_swarm.host import kernel_facts, resources, system
from pyinfra_swarm.host.packages import PACKAGE_ROWS
from pyinfra_swarm.host.system import CONFLICTING
from pyinfra_swarm.rollback.plan import UNCONFIRMED
from pyinfra_swarm.run.answer import LIMIT, Sections
from pyinfra_swarm.run.fact import SubjectFact, plain_files
from pyinfra_swarm.run.onhost import program

WATCHED_FILES = ("/etc/docker/daemon.json",)
"""Files that will be written, and that another tool may manage already."""

OPTIONAL_PARTS = program(__file__, "optional_parts.sh", using=[UNCONFIRMED])
"""Shell: a function that says whether parts that are not declared have to look at a host at all."""

_SCRIPT = program(
    __file__,
    "system.sh",
    using=[kernel_facts.PATH, plain_files("/etc/os-release"), PACKAGE_ROWS, OPTIONAL_PARTS],
    packages=" ".join(["docker-ce", *CONFLICTING]),
    files=" ".join(WATCHED_FILES),
    limit=str(LIMIT),
)


class Host(SubjectFact[system.Host]):
    """A host before anything is done to it: system, clock, disks, network, packages and kernel.

    .. code:: python

        {
            "distribution": "ubuntu", "version": "24.04", "codename": "noble",
            "architecture": "arm64",
            "hostname": "rk1", "machine_id": "0f3c…",
            "clock_ahead": 0.0,
            "disks": [{"path": "/", "free": 21474836480, "free_inodes": 1400000, …}, …],
            "addresses": [{"device": "end0", "address": "192.168.1.11/24"}],
            "routes": [{"network": "0.0.0.0/0", "device": "end0"}, …],
            "systemd": true,
            "packages": {}, "engine": "", "snap_docker": false, "in_swarm": false,
            "firewalls": [], "managed_files": {}, "vpn": false, "keepalived": false,
            "kernel": {…},
            "links": [{"device": "end0", "random_mac": false, "awaited": true, "mtu": 1500}, …],
            "first_boot_again": ["hostname", "host keys"],
            "expired_passwords": [], "expired_accounts": []
        }

    The meaning of each value: :class:`host.system.Host`.
    """

    _asked_at = 0.0

    def script(self) -> str:
        self._asked_at = time.time()
        return _SCRIPT + kernel_facts.PROGRAM + "exit 0"

    def parse(self, said: Sections) -> system.Host:
        return parse(said, asked_at=self._asked_at, answered_at=time.time())


class UplinkMtu(SubjectFact[int]):
    """The MTU of the interface with the default route; 0 on a host without one."""

    def script(self) -> str:
        return program(__file__, "uplink_mtu.sh", using=[kernel_facts.PATH])

    def parse(self, said: Sections) -> int:
        mtus = dict(_mtus(said["mtu"]))
        return next((mtus.get(route.device, 0) for route in _routes(said["network"])), 0)


class Resources(SubjectFact[resources.Resources]):
    """How full a host is: memory, file systems in bytes, since when it is up, its temperature.

    Gives a :class:`host.resources.Resources`.
    """

    def script(self) -> str:
        return program(__file__, "resources.sh") + "exit 0\n"

    def parse(self, said: Sections) -> resources.Resources:
        return resources.parse(said)


def parse(said: Sections, *, asked_at: float, answered_at: float) -> system.Host:
    """Make sense of the script's output.

    asked_at, answered_at: the controller's clock around the question, seconds since the epoch.

    Raises ``ValueError`` where a section is missing or is not what it should be.
    """
    try:
        release = dict(_assignments(said["release"]))
        own = [line.split(maxsplit=1) for line in said["self"] if line]
        network = said["network"]
        disks = tuple(_disk(line) for line in said["disks"])
        architecture, packages = _packages(said["packages"])
        clock = float(said["clock"][0])
    except (KeyError, IndexError) as section:
        raise ValueError(f"the host said nothing under {section}") from None
    values = {key: value for key, value in own if key not in ("firewall", "managed")}
    routes = tuple(_routes(network))
    return system.Host(
        distribution=release.get("ID", ""),
        version=release.get("VERSION_ID", ""),
        codename=release.get("VERSION_CODENAME", ""),
        architecture=architecture,
        hostname=values.get("hostname", ""),
        machine_id=values.get("machine_id", ""),
        clock_ahead=_ahead(clock, asked_at, answered_at),
        disks=disks,
        addresses=tuple(_addresses(network)),
        routes=routes,
        systemd="systemd" in values,
        packages=packages,
        engine=engine_version(packages.get("docker-ce", "")),
        snap_docker="snap_docker" in values,
        in_swarm="in_swarm" in values,
        firewalls=tuple(value for key, value in own if key == "firewall"),
        managed_files=dict(_managed(value) for key, value in own if key == "managed"),
        kernel=kernel_facts.parse(said),
        links=tuple(_links(said.get("links", []))),
        first_boot_again=_first_boot_again(said.get("cloud-init", [])),
        expired_passwords=_expired("password", said.get("expired", [])),
        expired_accounts=_expired("account", said.get("expired", [])),
        vpn="vpn" in values,
        keepalived="keepalived" in values,
    )


def _ahead(clock: float, asked_at: float, answered_at: float) -> float:
    """The least difference of the clocks that explains what was seen."""
    if clock > answered_at:
        return round(clock - answered_at, 1)
    if clock < asked_at:
        return round(clock - asked_at, 1)
    return 0.0


def _assignments(lines: list[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        name, sign, value = line.partition("=")
        if sign:
            yield name, value.strip().strip("\"'")


def _packages(lines: list[str]) -> tuple[str, dict[str, str]]:
    """dpkg's architecture, and the installed packages with their versions."""
    architecture, installed = "", {}
    for line in lines:
        words = line.split()
        if len(words) != 4:
            continue  # known to dpkg, but not installed: no version
        name, its_architecture, status, version = words
        if name == "dpkg":
            architecture = its_architecture
        elif status[1:2] == "i":
            installed[name] = version
    return architecture, installed


def _disk(line: str) -> system.Disk:
    path, block, free, inodes, free_inodes, file_system = line.split()
    return system.Disk(
        path=path,
        free=int(block) * int(free),
        # btrfs and other file systems without a fixed number of inodes say 0 of 0.
        free_inodes=int(free_inodes) if int(inodes) else None,
        file_system=file_system,
    )


def _links(lines: list[str]) -> Iterator[system.Link]:
    for device, assigned, required, mtu in (line.split() for line in lines if line):
        yield system.Link(
            device=device,
            random_mac=assigned == "1",  # NET_ADDR_RANDOM (linux/netdevice.h)
            awaited=None if required == "-" else required == "yes",
            mtu=int(mtu),
        )


def _first_boot_again(lines: list[str]) -> tuple[str, ...]:
    """What cloud-init would do anew, by its own settings; the last of a kind counts."""
    if not lines:
        return ()
    values = {
        key.strip(): value.split("#")[0].strip().strip("\"'").lower()
        for key, _, value in (line.partition(":") for line in lines[1:])
    }
    kept = values.get("preserve_hostname") in _TRUE, values.get("ssh_deletekeys") in _FALSE
    return tuple(
        what for what, left in zip(("hostname", "host keys"), kept, strict=True) if not left
    )


_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def _expired(what: str, lines: list[str]) -> tuple[str, ...]:
    words = (line.split(" ", 1) for line in lines)
    return tuple(word[1] for word in words if word[0] == what and len(word) == 2)


def _addresses(lines: list[str]) -> Iterator[system.Address]:
    for line in lines:
        if match := re.match(r"\d+:\s+(\S+)\s+inet (\S+)", line):
            yield system.Address(device=match[1], address=match[2])


def _routes(lines: list[str]) -> Iterator[system.Route]:
    for line in lines:
        match = re.match(r"(default|[\d.]+(?:/\d+)?)\s.*?\bdev (\S+)", line)
        if match:
            network = "0.0.0.0/0" if match[1] == "default" else match[1]
            yield system.Route(network=network, device=match[2])


def _mtus(lines: list[str]) -> Iterator[tuple[str, int]]:
    for line in lines:
        if match := re.match(r"/sys/class/net/([^/]+)/mtu (\d+)$", line):
            yield match[1], int(match[2])


def _managed(text: str) -> tuple[str, str]:
    path, _, sign = text.partition(" ")
    return path, sign
