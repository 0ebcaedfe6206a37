"""Hosts that do not go together: equal names or machine ids, engines that are not compatible."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pyinfra_swarm.engine.versions import encrypt_alike, order
from pyinfra_swarm.host.system import Host
from pyinfra_swarm.run.findings import Finding, Refusal
from pyinfra_swarm.run.printable import setting
from pyinfra_swarm.run.wording import listed

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings


NEW_MACHINE_ID = (
    "sudo rm /etc/machine-id /var/lib/dbus/machine-id; sudo systemd-machine-id-setup; sudo reboot"
)
"""For all copies of an image but one."""


def cluster_findings(settings: Settings, hosts: Mapping[str, Host | None]) -> Iterator[Finding]:
    """What forbids these hosts to be one swarm. hosts: ``None`` for a silent one."""
    known = {name: host for name, host in hosts.items() if host}
    for hostname, names in _shared({name: host.hostname for name, host in known.items()}):
        yield Refusal(
            "hostname",
            f"{listed(names)} have the same hostname “{hostname}”, so swarm's node list and the "
            "logs could not tell them apart",
            remedy="Give each its own: `sudo hostnamectl set-hostname NAME`",
        )
    for identity, names in _shared({name: host.machine_id for name, host in known.items()}):
        yield Refusal(
            "machine id",
            f"{listed(names)} have the same machine id ({identity}), as copies of one image do, "
            "so DHCP may give them the same address",
            remedy=f"On all of them but one: `{NEW_MACHINE_ID}`",
        )
    yield from _engines(settings, known)


def _engines(settings: Settings, hosts: Mapping[str, Host]) -> Iterator[Finding]:
    """Different releases of the engine may be unable to talk over encrypted networks.

    moby #51798: 28.5 and 29.1 pass no traffic, and nothing reports it. Where the declared version
    is one of those that run, and is compatible with the others, an upgrade is under way: the part
    docker reports each node that does not have it yet.
    """
    members = {name: host.engine for name, host in hosts.items() if host.engine and host.in_swarm}
    others = {name: host.engine for name, host in hosts.items() if host.engine}
    wanted = settings.docker.version
    if len(set(map(_release, members.values()))) > 1:
        versions = _by_version(members)
        newest = max(members.values(), key=order)
        if wanted in members.values() and all(encrypt_alike(wanted, v) for v in members.values()):
            return
        yield Refusal(
            "Docker Engine",
            f"the swarm's nodes run different releases ({versions}), which may be"
            " unable to talk over encrypted networks (moby #51798)",
            remedy=f"Declare docker.version = {setting(newest)}, and upgrade the others, one node"
            " at a time: deploys/upgrade.py",
        )
    elif len(set(map(_release, others.values()))) > 1 and not wanted:
        yield Refusal(
            "Docker Engine",
            f"the hosts have different releases installed ({_by_version(others)}), which may be"
            " unable to talk over encrypted networks (moby #51798)",
            remedy="Declare docker.version: the version that all hosts are to have",
        )


def _release(version: str) -> tuple[int, ...]:
    return order(version)[0][:2]


def _by_version(versions: Mapping[str, str]) -> str:
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
