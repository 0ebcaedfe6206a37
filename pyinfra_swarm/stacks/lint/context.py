"""What only the cluster can know, for rules that ask it.

Every field may be unknown: ``None``, or absent from its mapping. A rule that would need an unknown
value says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pyinfra_swarm.settings.errors import nearest
from pyinfra_swarm.settings.exposure_modes import mode_closes_the_web

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings


@dataclass(frozen=True)
class Platform:
    """An operating system and an architecture, each "" where it is not said (it fits any then)."""

    os: str = ""
    architecture: str = ""


@dataclass(frozen=True)
class Node:
    """A node, as far as placement asks about it. ``None``: unknown.

    name: what to call it; labels: of the node; others: labels may be set besides those.
    """

    name: str
    id: str | None = None
    hostname: str | None = None
    address: str | None = None
    role: str | None = None
    availability: str | None = None
    platform: Platform | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    others: bool = False
    engine_labels: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Network:
    """A network that is there. stack: whose it is, "" for nobody's."""

    driver: str
    encrypted: bool
    stack: str = ""


@dataclass(frozen=True)
class Image:
    """What a registry, or an engine, says of an image. ``None``: unknown.

    platforms: as ``GET /distribution/NAME/json`` gives them (``Platforms``); an image without any
    is for all. healthcheck: its configuration has one.
    """

    platforms: tuple[Platform, ...] | None = None
    healthcheck: bool | None = None


@dataclass(frozen=True)
class Opening:
    """Ports that the firewall opens, first to last. sources: to whom; empty for everybody."""

    first: int
    last: int
    protocol: str
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Firewall:
    """What the hosts' firewall lets in.

    web: as ``firewall.web``; web_ports: TCP. mode: that of ``exposure``, where it closes them.
    """

    web: str
    web_ports: tuple[int, ...]
    openings: tuple[Opening, ...] = ()
    mode: str = ""

    def opens(self, port: int, protocol: str) -> bool:
        """Whether anybody outside, or another host of the cluster, is let in there."""
        web = protocol == "tcp" and port in self.web_ports and self.web != "closed"
        return web or any(
            one.first <= port <= one.last and one.protocol == protocol for one in self.openings
        )


@dataclass(frozen=True)
class Context:
    """What is known of the cluster.

    + stack: the stack's name, "" where it has none yet
    + nodes: all nodes of the swarm
    + networks: those that are known, by name
    + firewall: what it lets in; ``None`` also where it is switched off
    + ssh_ports, data_path_port: ports that belong to the hosts
    + taken: who publishes a port already, by number and protocol; services of this stack are no
      matter
    + secrets, configs: declared names; existing_secrets, existing_configs: what is at the engine
    + images: by the text that the file has
    + missing_paths: by path, the names of the nodes that lack it; a path that is not there is
      unknown
    + alone: nothing but what is declared is known, so what is not declared is told, not refused
    """

    stack: str = ""
    nodes: tuple[Node, ...] | None = None
    networks: Mapping[str, Network] = field(default_factory=dict)
    firewall: Firewall | None = None
    ssh_ports: tuple[int, ...] = (22,)
    data_path_port: int = 4789
    taken: Mapping[tuple[int, str], str] = field(default_factory=dict)
    secrets: frozenset[str] | None = None
    configs: frozenset[str] | None = None
    existing_secrets: frozenset[str] | None = None
    existing_configs: frozenset[str] | None = None
    images: Mapping[str, Image] = field(default_factory=dict)
    missing_paths: Mapping[str, frozenset[str]] = field(default_factory=dict)
    alone: bool = False


def declared(settings: Settings, stack: str = "") -> Context:
    """What the settings alone say of the cluster."""
    firewall = settings.firewall
    return Context(
        stack=stack,
        nodes=tuple(
            Node(
                host.name,
                address=host.address,
                role=host.role,
                availability=host.availability,
                labels=dict(host.labels),
                others=True,
            )
            for host in settings.hosts
        ),
        networks={one.name: Network("overlay", True) for one in settings.overlays},
        firewall=Firewall(
            firewall.web,
            tuple(firewall.web_ports),
            tuple(
                Opening(*_range(str(one.port)), one.protocol, tuple(map(str, one.sources)))
                for one in firewall.open
            ),
            settings.exposure.mode if mode_closes_the_web(settings.exposure.mode) else "",
        )
        if firewall.enabled and firewall.inbound == "deny"
        else None,
        ssh_ports=tuple(sorted({host.ssh_port for host in settings.hosts})),
        data_path_port=settings.swarm.data_path_port,
        secrets=frozenset(one.name for one in settings.secrets),
        configs=frozenset(one.name for one in settings.configs),
        alone=True,
    )


def meant(name: str, known: Iterable[str], otherwise: str) -> str:
    """The remedy for a name that is not known: the nearest one of those that are, or another."""
    near = nearest(name, known)
    return f"did you mean {near}? Else {otherwise}" if near else otherwise


def _range(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    return int(first), int(last or first)
