"""Whether the declared hosts can become an encrypted swarm; asked before anything is changed."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pyinfra_swarm.firewall.docker_bridges import looks_like_dockers
from pyinfra_swarm.firewall.plan import other_firewalls
from pyinfra_swarm.host.system import CONFLICTING, Host
from pyinfra_swarm.preflight.board import board_findings
from pyinfra_swarm.preflight.cluster import cluster_findings
from pyinfra_swarm.preflight.engine import engine_findings
from pyinfra_swarm.preflight.kernel import kernel_findings
from pyinfra_swarm.run.findings import Finding, Notice, Refusal
from pyinfra_swarm.run.printable import quoted
from pyinfra_swarm.run.wording import duration, listed, verb
from pyinfra_swarm.settings.values.numbers import SMALLEST_MTU

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings

SUPPORTED = {
    "ubuntu": ("24.04", "26.04"),
    "debian": ("12", "13"),
}
"""Supported releases, by the ``ID`` and ``VERSION_ID`` of os-release."""

ARCHITECTURES = ("amd64", "arm64")

CLOCK_NOTICE = 30
"""Seconds a clock may be off before that is reported."""

CLOCK_LIMIT = 120
"""Seconds a clock may be off before its host inits or joins a swarm.

A swarm's root certificate is valid from five minutes before its making, rounded to the minute
(cfssl's ``FillTemplate``; swarmkit's root does not set another ``Backdate``), and a host whose
clock is before that cannot join (docker/for-linux #400). Two hosts, each off by this much in
opposite directions, are 4 minutes apart and still compatible.
"""

CLOCK_LIMIT_IN_SWARM = 45 * 60
"""The same in a running swarm, whose node certificates are backdated by an hour (swarmkit's
``CertBackdate``)."""

MIB = 2**20

IMAGES = ("/var/lib/docker", "/var/lib/containerd")
"""Where images are: the second is containerd's store, the default of engines from 29 on where they
are installed anew."""

FREE_BEFORE = {"/": 1024 * MIB, "/var": 2048 * MIB, **dict.fromkeys(IMAGES, 2048 * MIB)}
"""Bytes that must be free before Docker is installed: its packages, and the first images."""

FREE_AFTER = {"/": 100 * MIB, "/var": 500 * MIB, **dict.fromkeys(IMAGES, 500 * MIB)}
"""Bytes that must be free where Docker is installed: an update, and swarm's own records."""

VXLAN, ESP = 50, 26
"""Bytes that Docker takes off the MTU of the network underneath, for an encrypted network."""

FREE_INODES = 20_000
"""Files that must still be possible: an image is thousands of them."""


def plan(settings: Settings, name: str, hosts: Mapping[str, Host | None]) -> list[Finding]:
    """What this host and the cluster lack for an encrypted swarm.

    name: the host in question.
    hosts: what every declared host said; ``None`` for a silent one, which is not judged.

    A finding about the host is this host's alone; one about the cluster is in every host's plan.
    """
    host = hosts[name]
    own = list(host_findings(settings, name, host)) if host else []
    if host:
        new = all(one is not None and not one.in_swarm for one in hosts.values())
        own += engine_findings(settings, host, new_cluster=new)
    return own + list(cluster_findings(settings, hosts))


def host_findings(settings: Settings, name: str, host: Host) -> Iterator[Finding]:
    """What one host lacks, whatever the others are like."""
    yield from _system(host)
    yield from _identity(settings, name, host)
    yield from _clock(host)
    yield from _disks(host)
    yield from board_findings(settings, name, host)
    yield from _other_tools(settings, host)
    yield from _networks(settings, host)
    yield from _mtu(settings, name, host)
    yield from kernel_findings(host.kernel)


def _system(host: Host) -> Iterator[Finding]:
    if host.version not in SUPPORTED.get(host.distribution, ()):
        yield Refusal(
            "distribution",
            "it is not supported: this project is not tested on it",
            expected=listed(
                [
                    f"{distribution.capitalize()} {version}"
                    for distribution, versions in SUPPORTED.items()
                    for version in versions
                ],
                "or",
            ),
            found=f"{host.distribution} {host.version}".strip() or "nothing in /etc/os-release",
            remedy="Install one of these on the host",
        )
    if host.architecture not in ARCHITECTURES:
        yield Refusal(
            "architecture",
            "it is not supported: Docker's packages are not tested on it here",
            expected=listed(ARCHITECTURES, "or"),
            found=host.architecture or "no dpkg",
            remedy="Install a 64-bit system if the processor is one, or use another host",
        )
    if not host.systemd:
        yield Refusal(
            "init system",
            "systemd does not run, but every service here is a systemd unit",
            remedy="Use a host that boots with systemd; a container is not one",
        )


def _identity(settings: Settings, name: str, host: Host) -> Iterator[Finding]:
    if host.hostname != name:
        yield Notice(
            "hostname",
            "it differs from the declared name, so swarm lists the node under another name",
            expected=name,
            found=host.hostname,
            remedy=f"`sudo hostnamectl set-hostname {quoted(name)}`; or, before it has joined, "
            "declare it by the name that it has",
        )
    declared = settings.host(name).address
    own = [ipaddress.ip_interface(entry.address) for entry in host.addresses]
    if declared not in [str(interface.ip) for interface in own]:
        reachable = [str(interface.ip) for interface in own if not interface.ip.is_loopback]
        yield Refusal(
            "address",
            "no interface of the host has the declared address, so other nodes could not reach it",
            expected=declared,
            found=listed(reachable) or "none",
            remedy="Correct the host's address in the settings, or ssh_host if SSH reaches another"
            " machine; a static address or a reserved DHCP lease keeps the address from changing",
        )


def _clock(host: Host) -> Iterator[Finding]:
    off = abs(host.clock_ahead)
    direction = "ahead of" if host.clock_ahead > 0 else "behind"
    measured = f"it is {duration(off)} {direction} this computer's"
    remedy = (
        "Compare `timedatectl` there and here; `sudo timedatectl set-ntp true` turns"
        " synchronisation on, `sudo timedatectl set-time …` sets a clock that is far off"
    )
    if off > (CLOCK_LIMIT_IN_SWARM if host.in_swarm else CLOCK_LIMIT):
        reason = f"{measured}; swarm's certificates would seem not yet valid, or expired"
        yield Refusal("clock", reason, remedy=remedy)
    elif off > CLOCK_NOTICE:
        yield Notice("clock", measured, remedy=remedy)


def _disks(host: Host) -> Iterator[Finding]:
    needed = FREE_AFTER if host.engine else FREE_BEFORE
    remedy = "Find what takes the space: `sudo du -xhd1 {} | sort -h`"
    if host.engine:
        remedy += "; `docker system df` shows Docker's part"
    judged: set[str] = set()
    for path, least in sorted(needed.items(), key=lambda need: -need[1]):
        disk = host.disk(path)
        if disk is None or disk.file_system in judged:
            continue  # folders that share a file system: the one that needs more speaks for both
        judged.add(disk.file_system)
        whole = min(other.path for other in host.disks if other.file_system == disk.file_system)
        if disk.free < least:
            yield Refusal(
                f"disk space on {path}",
                "it is too little for Docker and its images",
                expected=f"{least // MIB} MiB free",
                found=f"{disk.free // MIB} MiB",
                remedy=remedy.format(quoted(whole)),
            )
        elif disk.free_inodes is not None and disk.free_inodes < FREE_INODES:
            yield Refusal(
                f"inodes on {path}",
                "hardly any more files can be created there, even if space is free",
                expected=f"{FREE_INODES} free",
                found=str(disk.free_inodes),
                remedy=f"Find what takes them: `sudo du -x --inodes -d1 {quoted(whole)} | sort -h`",
            )


def _other_tools(settings: Settings, host: Host) -> Iterator[Finding]:
    conflicting = [package for package in CONFLICTING if package in host.packages]
    if conflicting:
        yield Refusal(
            "packages",
            f"{listed(conflicting)} of the distribution {verb(conflicting, 'is', 'are')} installed "
            "and would conflict with Docker's own packages",
            remedy=f"`sudo apt remove {' '.join(map(quoted, conflicting))}` (images and volumes "
            "stay)",
        )
    if host.snap_docker:
        yield Refusal(
            "snap",
            "Docker is installed as a snap, which would be a second engine on the host",
            remedy="Save the data of its containers, then: `sudo snap remove --purge docker`",
        )
    for path, sign in host.managed_files.items():
        yield Refusal(
            path,
            f"another tool manages this file ({sign}); each would overwrite the other's changes",
            remedy="Make that tool leave the file alone, then: "
            f"`sudo mv {quoted(path)} {quoted(f'{path}.old')}`; what it sets goes into "
            "docker.daemon in the settings",
        )
    if settings.firewall.enabled:
        yield from other_firewalls(host.firewalls)
        return
    for firewall in host.firewalls:
        turn_off = f"`sudo systemctl disable {quoted(firewall)}`"
        turn_off = "`sudo ufw disable`" if firewall == "ufw" else turn_off
        yield Notice(
            "firewall",
            f"{firewall} manages rules on this host as well, and may drop what the swarm needs:"
            " ports 2377, 7946 and the data path between the nodes, and ESP",
            remedy=f"Open these there, or turn it off: {turn_off}",
        )


def _networks(settings: Settings, host: Host) -> Iterator[Finding]:
    declared = [("swarm.address_pool", text) for text in settings.swarm.address_pool]
    declared.append(("networks.ingress_subnet", settings.networks.ingress_subnet))
    declared += [
        (f"the subnet of networks.overlays “{overlay.name}”", overlay.subnet)
        for overlay in settings.networks.overlays
        if overlay.subnet
    ]
    for route in host.routes:
        network = ipaddress.ip_network(route.network, strict=False)
        if network.prefixlen == 0 or looks_like_dockers(route.device):
            continue
        for field, text in declared:
            if not network.overlaps(ipaddress.ip_network(text)):
                continue
            reason = (
                f"{text} overlaps {route.network}, which this host reaches over {route.device};"
                " containers could not reach that network, nor it them"
            )
            if host.in_swarm:  # a swarm keeps the pool that it was initialised with
                yield Notice(field, reason, remedy=f"Renumber {route.network}, or accept that")
            else:
                yield Refusal(field, reason, remedy="Declare another private network there")


def _mtu(settings: Settings, name: str, host: Host) -> Iterator[Finding]:
    """Whether the interface that the nodes reach carries what networks are made for.

    A swarm's networks keep what they were made for, and somebody may live with it. A link that is
    not known, as a bridge, is not judged.
    """
    declared = settings.networks.mtu
    link = host.link(host.device(settings.host(name).address))
    if not declared or link is None or not 0 < link.mtu < declared:
        return
    reason = (
        f"{link.device} carries {link.mtu} bytes. A network that is made for {declared} lets "
        f"containers send {declared - VXLAN - ESP}, which are {declared} with {VXLAN} for VXLAN "
        f"and {ESP} for ESP: {declared - link.mtu} too many, so large packets would be lost or "
        "torn apart"
    )
    remedy = "Set networks.mtu to 0, which takes the smallest of the hosts' own"
    if link.mtu >= SMALLEST_MTU:
        remedy += f", or to {link.mtu}"
    remedy += f"; or raise that of {quoted(link.device)} and of the way between the hosts"
    if host.in_swarm:
        remedy += ". A network keeps what it was made for until it is created again"
    kind = Notice if host.in_swarm else Refusal
    yield kind("networks.mtu", reason, f"at most {link.mtu}", str(declared), remedy)
