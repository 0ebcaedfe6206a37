"""Overlay networks without encryption, what uses them, and whether clear-text VXLAN is dropped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from pyinfra_swarm.firewall.rules import INPUT
from pyinfra_swarm.firewall.state import Host
from pyinfra_swarm.nodes.membership import Membership, Service
from pyinfra_swarm.run.findings import Finding, Notice

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings

InUse = Mapping[str, Sequence[str]]
"""Name of an unencrypted overlay network to what uses it, in words."""

Attached = Mapping[str, Sequence[str]]
"""Network id to the names of containers that are attached to it without a service."""


def all_encrypted(swarm: Membership | None) -> bool:
    """Whether every overlay network that is known is encrypted: nothing can need clear text."""
    return all(overlay.encrypted for overlay in (swarm.overlays if swarm else None) or ())


def attached(by_host: Iterable[Attached | None]) -> Attached | None:
    """What all hosts say together; ``None`` where one of them is silent.

    What that one runs may well be what would be cut off.
    """
    found: dict[str, tuple[str, ...]] = {}
    for host in by_host:
        if host is None:
            return None
        for network, names in host.items():
            found[network] = (*found.get(network, ()), *names)
    return found


def in_use(
    swarm: Membership | None, services: Sequence[Service], attached: Attached
) -> dict[str, tuple[str, ...]]:
    """Name of each overlay network in clear text that something uses, to what uses it."""
    found: dict[str, tuple[str, ...]] = {}
    for overlay in (swarm.overlays if swarm else None) or ():
        if overlay.encrypted:
            continue
        users = [
            service.name
            for service in services
            if (service.mesh_ports if overlay.ingress else overlay.id in service.networks)
        ]
        users += [f"container {name}" for name in attached.get(overlay.id, ())]
        if users:
            found[overlay.name] = tuple(users)
    return found


def drops_cleartext_vxlan(settings: Settings, host: Host, in_use: InUse | None) -> bool:
    """Whether clear-text VXLAN is to be dropped: always, unless something needs it.

    Where nobody can say what needs it, it stays as it is on the host.
    """
    if settings.firewall.drop_cleartext_vxlan:
        return True
    return cleartext_vxlan_dropped(host) if in_use is None else not in_use


def cleartext_vxlan_dropped(host: Host) -> bool:
    """Whether clear-text VXLAN is dropped now; on a host without the firewall it is to be."""
    return not host.tables["ipv4"].managed or any(
        rule.condition("--pol") == "none" and rule.target == "DROP" for rule in host.rules(INPUT)
    )


def notices(used: InUse, settings: Settings) -> list[Finding]:
    """One for each of them, unless they are to be cut off."""
    if settings.firewall.drop_cleartext_vxlan:
        return []
    return [
        Notice(
            f"overlay {name}",
            f"is not encrypted, and in use by {', '.join(users)}; so no host drops "
            "clear-text VXLAN",
            expected="encrypted",
            found="clear text",
            remedy="Move them to an encrypted network; or cut them off with "
            "firewall.drop_cleartext_vxlan = true",
        )
        for name, users in sorted(used.items())
    ]
