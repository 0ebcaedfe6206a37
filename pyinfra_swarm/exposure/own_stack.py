"""The project's own stack: which of the compose files it is made of, and with which variables.

It is a stack like the user's: rendered, linted, deployed, awaited and compared by the room of
stacks. Its files lie here, in ``compose/`` (:mod:`exposure.own_files`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyinfra_swarm.settings.exposure_modes import OWN_STACK

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings

CONNECTOR = f"{OWN_STACK}_cloudflared"
"""The service whose tasks are the tunnel's connectors."""

BESIDE = 2
"""Nodes without a connector that ``start-first`` needs: a new one takes a free node, and one more
where the next update begins before this one has ended."""


@dataclass(frozen=True)
class OwnStack:
    """files: in ``compose/``, a later one adds to those before; variables: what they leave open."""

    files: tuple[str, ...]
    variables: Mapping[str, str]


def own_stack(settings: Settings) -> OwnStack | None:
    """What is to be deployed; ``None`` where nothing is."""
    exposure = settings.exposure
    if exposure.mode == "tunnel":
        return OwnStack(("tunnel.yml",), _of_tunnel(settings))
    if exposure.dynamic_dns.domains:
        network = "host" if exposure.dynamic_dns.ipv6 else "overlay"
        files = ("dynamic-dns.yml", f"dynamic-dns-{network}.yml")
        return OwnStack(files, _of_dynamic_dns(settings))
    return None


def connectors(settings: Settings) -> int:
    """How many connectors there are to be: each on a node of its own, so no more than nodes."""
    return min(settings.exposure.tunnel.replicas, len(_nodes(settings)))


def _nodes(settings: Settings) -> list[str]:
    """The hosts that take tasks. Where that is none, all: the lint then says what is wrong."""
    takes = [host.name for host in settings.hosts if host.availability in (None, "active")]
    return takes or [host.name for host in settings.hosts]


def _of_tunnel(settings: Settings) -> dict[str, str]:
    tunnel, replicas = settings.exposure.tunnel, connectors(settings)
    return {
        "IMAGE": tunnel.image,
        "PROTOCOL": tunnel.protocol,
        "REPLICAS": str(replicas),
        "ORDER": "start-first" if replicas + BESIDE <= len(_nodes(settings)) else "stop-first",
        "NETWORK": tunnel.network,
        "TOKEN": tunnel.token,
    }


def _of_dynamic_dns(settings: Settings) -> dict[str, str]:
    dns = settings.exposure.dynamic_dns
    return {
        "IMAGE": dns.image,
        "DOMAINS": ",".join(dns.domains),
        "PROXIED": "true" if dns.proxied else "false",
        "IP6_PROVIDER": "cloudflare.trace" if dns.ipv6 else "none",
        "TOKEN": dns.token,
    }
