"""Whether the declared hosts can become an encrypted swarm; asked before anything is changed."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pyinfra_swarm.engine.versions import encrypt_alike, order
from pyinfra_swarm.firewall.plan import neighbours
from pyinfra_swarm.host.system import CONFLICTING, Host, Kernel, Module
from pyinfra_swarm.run.findings import Finding, Notice, Refusal
from pyinfra_swarm.run.printable import quoted, setting
from pyinfra_swarm.run.wording import duration, listed

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings

SUPPORTED = {
    "ubuntu": ("24.04", "26.04"),
    "debian": ("12", "13"),
}
"""Supported releases, by the ``ID`` and ``VERSION_ID`` of os-release."""

ARCHITECTURES = ("amd64", "arm64")

CLOCK_NOTICE = 30
"""Seconds a clock may be off before it is worth a word."""

CLOCK_LIMIT = 120
"""Seconds a clock may be off before its host founds or joins a swarm.

A swarm's root certificate is valid from five minutes before its making, rounded to the minute
(cfssl's ``FillTemplate``; swarmkit's root does not set another ``Backdate``), and a host whose
clock is before that cannot join (docker/for-linux #400). Two hosts, each off by this much in
opposite directions, are 4 minutes apart and still get on.
"""

CLOCK_LIMIT_IN_SWARM = 45 * 60
"""The same in a running swarm, whose node certificates are backdated by an hour (swarmkit's
``CertBackdate``)."""

MIB = 2**20

FREE_BEFORE = {"/": 1024 * MIB, "/var": 2048 * MIB}
"""Bytes that must be free before Docker is installed: its packages, and the first images."""

FREE_AFTER = {"/": 100 * MIB, "/var": 500 * MIB}
"""Bytes that must be free where Docker is installed: an update, and swarm's own records."""

FREE_INODES = 20_000
"""Files that must still be possible: an image is thousands of them."""

NEEDED_FOR = {
    "overlay": "images are stored in overlay file systems",
    "bridge": "containers are connected by bridges",
    "veth": "containers are connected by veth pairs",
    "br_netfilter": "traffic on bridges must pass iptables",
    "vxlan": "overlay networks are VXLANs",
    "esp4": "encrypted networks are ESP",
    "xfrm_user": "Docker programs encryption through it",
    "ip_vs": "the routing mesh balances with IPVS",
    "ip_vs_rr": "the routing mesh balances round robin",
    "xt_policy": "only with it can iptables tell encrypted packets from others",
    "xt_bpf": "Docker tells encrypted networks apart with it",
    "xt_conntrack": "iptables rules of Docker use it",
    "xt_addrtype": "iptables rules of Docker use it",
}

_DOCKERS_OWN = re.compile(r"docker0|docker_gwbridge|br-[0-9a-f]{12}|veth[0-9a-f]+")


def plan(settings: Settings, name: str, hosts: Mapping[str, Host | None]) -> list[Finding]:
    """What speaks against going on, on this host and in the cluster.

    settings: the declared cluster. name: the host in question.
    hosts: what every declared host said; ``None`` for a silent one, which is not judged.

    A finding about the host is this host's alone; one about the cluster is in every host's plan.
    """
    host = hosts[name]
    own = list(host_findings(settings, name, host)) if host else []
    return own + list(cluster_findings(settings, hosts))


def host_findings(settings: Settings, name: str, host: Host) -> Iterator[Finding]:
    """What speaks against one host by itself."""
    yield from _system(host)
    yield from _identity(settings, name, host)
    yield from _clock(host)
    yield from _disks(host)
    yield from _other_tools(settings, host)
    yield from _networks(settings, host)
    yield from kernel_findings(host.kernel)


def cluster_findings(settings: Settings, hosts: Mapping[str, Host | None]) -> Iterator[Finding]:
    """What speaks against the hosts together."""
    known = {name: host for name, host in hosts.items() if host}
    for hostname, names in _shared({name: host.hostname for name, host in known.items()}):
        yield Refusal(
            "hostname",
            f"{listed(names)} call themselves “{hostname}”; swarm's node list and the logs could "
            "not tell them apart",
            remedy="Give each its own: `sudo hostnamectl set-hostname NAME`",
        )
    for identity, names in _shared({name: host.machine_id for name, host in known.items()}):
        yield Refusal(
            "machine id",
            f"{listed(names)} have the same one ({identity}), as copies of one image do; the "
            "network may give them the same address",
            remedy="On all of them but one: `sudo rm /etc/machine-id /var/lib/dbus/machine-id;"
            " sudo systemd-machine-id-setup; sudo reboot`",
        )
    yield from _engines(settings, known)


def _system(host: Host) -> Iterator[Finding]:
    if host.version not in SUPPORTED.get(host.distribution, ()):
        yield Refusal(
            "distribution",
            "it is not one that this project is made and tested for",
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
            "Docker's packages are not tested on it here",
            expected=listed(ARCHITECTURES, "or"),
            found=host.architecture or "no dpkg",
            remedy="Install a 64-bit system if the processor is one, or use another host",
        )
    if not host.systemd:
        yield Refusal(
            "init system",
            "systemd does not run, and everything here is a unit of it",
            remedy="Use a host that boots with systemd; a container is not one",
        )


def _identity(settings: Settings, name: str, host: Host) -> Iterator[Finding]:
    if host.hostname != name:
        yield Notice(
            "hostname",
            "swarm lists the node under another name than the settings do",
            expected=name,
            found=host.hostname,
            remedy=f"`sudo hostnamectl set-hostname {quoted(name)}`",
        )
    declared = settings.host(name).address
    own = [ipaddress.ip_interface(entry.address) for entry in host.addresses]
    if declared not in [str(interface.ip) for interface in own]:
        reachable = [str(interface.ip) for interface in own if not interface.ip.is_loopback]
        yield Refusal(
            "address",
            "no interface of the host has the declared one, so the other nodes could not reach it",
            expected=declared,
            found=listed(reachable) or "none",
            remedy="Correct the host's address in the settings, or ssh_host if SSH ends up on"
            " another machine; a static address or a reserved DHCP lease keeps it",
        )


def _clock(host: Host) -> Iterator[Finding]:
    off = abs(host.clock_ahead)
    direction = "ahead of" if host.clock_ahead > 0 else "behind"
    measured = f"it is {duration(off)} {direction} this computer's"
    remedy = (
        "See what `timedatectl` says there and here; `sudo timedatectl set-ntp true` turns"
        " synchronisation on, `sudo timedatectl set-time …` sets a clock that is far off"
    )
    if off > (CLOCK_LIMIT_IN_SWARM if host.in_swarm else CLOCK_LIMIT):
        reason = f"{measured}; swarm's certificates would not be valid yet, or no longer"
        yield Refusal("clock", reason, remedy=remedy)
    elif off > CLOCK_NOTICE:
        yield Notice("clock", measured, remedy=remedy)


def _disks(host: Host) -> Iterator[Finding]:
    needed = FREE_AFTER if host.engine else FREE_BEFORE
    remedy = "See what takes it: `sudo du -xhd1 {} | sort -h`"
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
                "it does not suffice for Docker and its images",
                expected=f"{least // MIB} MiB free",
                found=f"{disk.free // MIB} MiB",
                remedy=remedy.format(quoted(whole)),
            )
        elif disk.free_inodes is not None and disk.free_inodes < FREE_INODES:
            yield Refusal(
                f"inodes on {path}",
                "hardly any file can be made there, however much space is free",
                expected=f"{FREE_INODES} free",
                found=str(disk.free_inodes),
                remedy=f"See what takes them: `sudo du -x --inodes -d1 {quoted(whole)} | sort -h`",
            )


def _other_tools(settings: Settings, host: Host) -> Iterator[Finding]:
    conflicting = [package for package in CONFLICTING if package in host.packages]
    if conflicting:
        yield Refusal(
            "packages",
            f"{listed(conflicting)} of the distribution"
            f" {'is' if len(conflicting) == 1 else 'are'} installed, and Docker's own conflict"
            " with that",
            remedy=f"`sudo apt remove {' '.join(map(quoted, conflicting))}` (images and volumes "
            "stay)",
        )
    if host.snap_docker:
        yield Refusal(
            "snap",
            "Docker is installed as a snap, a second engine beside the one to be installed",
            remedy="Save what its containers hold, then: `sudo snap remove --purge docker`",
        )
    for path, sign in host.managed_files.items():
        yield Refusal(
            path,
            f"another tool manages it ({sign}); the two would overwrite each other",
            remedy="Take the file from that tool, then: "
            f"`sudo mv {quoted(path)} {quoted(f'{path}.old')}`; what it sets goes into "
            "docker.daemon in the settings",
        )
    if settings.firewall.enabled:
        yield from neighbours(host.firewalls)
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
        if network.prefixlen == 0 or _DOCKERS_OWN.fullmatch(route.device):
            continue
        for field, text in declared:
            if not network.overlaps(ipaddress.ip_network(text)):
                continue
            reason = (
                f"{text} overlaps {route.network}, which this host reaches over {route.device};"
                " containers and that network could not reach each other"
            )
            if host.in_swarm:  # a swarm keeps the pool that it was founded with
                yield Notice(field, reason, remedy=f"Renumber {route.network}, or live with it")
            else:
                yield Refusal(field, reason, remedy="Declare another private network there")


def kernel_findings(kernel: Kernel) -> Iterator[Finding]:
    """What an encrypted swarm lacks in a host's kernel."""
    works = {
        "esp4": kernel.esp,
        "xfrm_user": kernel.esp,
        "vxlan": kernel.vxlan,
        "xt_policy": kernel.matches,
        "xt_bpf": kernel.matches,
    }
    named = set()
    for module in kernel.modules:
        if module.blocked_by:
            named.add(module.name)
            yield _blocked(module)
        elif module.state == "missing" and not works.get(module.name):
            named.add(module.name)
            yield Refusal(
                f"kernel module {module.name}",
                f"kernel {kernel.release} does not have it, and {NEEDED_FOR[module.name]}",
                remedy="Install the distribution's own kernel, or its package of extra modules"
                " (on Ubuntu linux-modules-extra-…); a board's vendor kernel may lack it",
            )
    said = "; ".join(kernel.errors)
    if kernel.esp is False and not named & {"esp4", "xfrm_user"}:
        yield Refusal(
            "encryption (ESP)",
            "the kernel did not take an ESP state with AES-GCM, tried in a network namespace of"
            " its own; an encrypted network would carry nothing",
            found=said,
            remedy=_REBOOT_OR + "`sudo modprobe -a esp4 gcm aes_generic; dmesg | tail` says why",
        )
    if kernel.vxlan is False and "vxlan" not in named:
        yield Refusal(
            "VXLAN",
            "the kernel did not make a VXLAN interface, tried in a network namespace of its own;"
            " overlay networks are VXLANs",
            found=said,
            remedy=_REBOOT_OR + "`sudo modprobe vxlan; dmesg | tail` says why",
        )
    if kernel.matches is False and not named & {"xt_policy", "xt_bpf"}:
        yield Refusal(
            "iptables matches",
            "iptables did not take rules with the matches policy and bpf, tried in a network"
            " namespace of its own; without them clear text cannot be told from encrypted packets",
            found=said,
            remedy=_REBOOT_OR + "`sudo modprobe -a xt_policy xt_bpf`; `iptables --version` shows"
            " the back end, whose kernel part (nf_tables or ip_tables) may be missing",
        )
    untried = [
        module.name
        for module in kernel.modules
        if module.state == "unknown" and not module.blocked_by and works.get(module.name) is None
    ]
    if untried:
        yield Notice(
            "kernel",
            f"could not find out whether it has {listed(untried)}: there is no modprobe, or no "
            f"folder /lib/modules/{kernel.release}",
            found=said,
            remedy="Reboot if the kernel was updated since the last boot, or install kmod",
        )


_REBOOT_OR = "Reboot if the kernel was updated since the last boot; else: "


def _blocked(module: Module) -> Refusal:
    mitigation = (
        ". If it is there against “Dirty Frag” (CVE-2026-43284), install a kernel with the fix and"
        " reboot first"
        if module.name == "esp4"
        else ""
    )
    return Refusal(
        f"kernel module {module.name}",
        f"loading it is blocked, and {NEEDED_FOR[module.name]}",
        found=module.blocked_by,
        remedy=f"Remove that line, then: `sudo modprobe {quoted(module.name)}`{mitigation}",
    )


def _engines(settings: Settings, hosts: Mapping[str, Host]) -> Iterator[Finding]:
    """Different releases of the Engine may not speak to each other over encrypted networks.

    moby #51798: 28.5 and 29.1 pass no traffic, and nothing reports it. Where the declared version
    is one of those that run, and gets on with the others, an upgrade is on its way: each node that
    does not have it yet is told so by Docker's part.
    """
    members = {name: host.engine for name, host in hosts.items() if host.engine and host.in_swarm}
    others = {name: host.engine for name, host in hosts.items() if host.engine}
    wanted = settings.docker.version
    if len(set(map(_release, members.values()))) > 1:
        versions = _listed(members)
        newest = max(members.values(), key=order)
        if wanted in members.values() and all(encrypt_alike(wanted, v) for v in members.values()):
            return
        yield Refusal(
            "Docker Engine",
            f"the swarm's nodes run different releases ({versions}), which may not understand"
            " each other over encrypted networks (moby #51798)",
            remedy=f"Declare docker.version = {setting(newest)}, and bring the others to it, one"
            " node at a time: deploys/upgrade.py",
        )
    elif len(set(map(_release, others.values()))) > 1 and not wanted:
        yield Refusal(
            "Docker Engine",
            f"the hosts have different releases installed ({_listed(others)}), which may not"
            " understand each other over encrypted networks (moby #51798)",
            remedy="Declare the one that all shall have as docker.version in the settings",
        )


def _release(version: str) -> tuple[int, ...]:
    return order(version)[0][:2]


def _listed(versions: Mapping[str, str]) -> str:
    by_version: dict[str, list[str]] = {}
    for name, version in versions.items():
        by_version.setdefault(version, []).append(name)
    return "; ".join(
        f"{version} on {listed(names)}"
        for version, names in sorted(by_version.items(), key=lambda item: order(item[0]))
    )


def _shared(values: Mapping[str, str]) -> Iterator[tuple[str, list[str]]]:
    """The values that more than one host has, each with these hosts."""
    by_value: dict[str, list[str]] = {}
    for name, value in values.items():
        if value:
            by_value.setdefault(value, []).append(name)
    for value, names in by_value.items():
        if len(names) > 1:
            yield value, names
