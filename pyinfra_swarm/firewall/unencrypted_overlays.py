"""Overlay networks without encryption that are in use, and whether clear-text VXLAN is cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pyinfra_swarm.nodes.membership import Membership, Service
from pyinfra_swarm.run.findings import Finding, Notice

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings

Attached = Mapping[str, Sequence[str]]
"""Network id to the names of containers that are attached to it without a service."""


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


def notices(used: Mapping[str, Sequence[str]], settings: Settings) -> list[Finding]:
    """What is said of each of them."""
    if settings.firewall.drop_cleartext_vxlan:
        return []
    return [
        Notice(
            f"overlay {name}",
            f"is not encrypted, and in use by {', '.join(users)}; so clear-text VXLAN is not "
            "dropped, on no host",
            expected="encrypted",
            found="clear text",
            remedy="Move them to an encrypted network; or cut them off with "
            "firewall.drop_cleartext_vxlan = true",
        )
        for name, users in sorted(used.items())
    ]
