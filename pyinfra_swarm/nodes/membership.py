"""What each host says of its place in a swarm, and what a manager says of the whole.

Sources: Docker's administration guide for swarm (quorum), and the Engine API's reference for the
meaning of the states.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from pyinfra_swarm.run.observation import Observation

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings

IN_NO_SWARM = "inactive"

Ours = Literal["stacks", "secrets", "configs"]
"""What this tool puts into a swarm, and finds again by its labels: a stack by its record."""


@dataclass(frozen=True)
class Node(Observation):
    """A node, as a manager lists it.

    role: ``manager`` or ``worker``; availability: ``active``, ``pause`` or ``drain``;
    state: ``ready``, ``down``, ``disconnected`` or ``unknown``;
    reachability: ``reachable``, ``unreachable`` or ``unknown``, empty for a worker.
    issuer: a short name of the key that has signed the node's certificate. os, architecture: what
    programs have to be made for there, such as ``linux`` and ``aarch64``; "" where it is not told.
    """

    id: str
    hostname: str
    address: str
    role: str
    availability: str
    state: str
    leader: bool
    reachability: str
    labels: Mapping[str, str]
    engine_version: str
    issuer: str = ""
    os: str = ""
    architecture: str = ""

    @property
    def votes(self) -> bool:
        """Counts for the quorum: a manager, one being promoted, or one still being demoted.

        The role is what is asked for; reachability is there as long as it is in the raft group. One
        that has just been promoted has none for a moment, but is ready; without either it is no
        member: an entry that ``--force-new-cluster`` has left behind.
        """
        coming = self.role == "manager" and self.state == "ready"
        return coming or self.reachability != ""


@dataclass(frozen=True)
class SwarmSpec(Observation):
    """What the managers agree on for the whole swarm.

    certificate_expiry: how long new certificates of nodes are valid, in seconds.
    autolock: a manager's keys are encrypted on its disk, and it is locked when its engine starts.
    issuer: a short name of the key that signs certificates now.
    rotating: the root CA is being replaced: not every node has a certificate of the new one.
    root_expires: when the trusted root CA does, in seconds since 1970.
    """

    certificate_expiry: int
    autolock: bool
    issuer: str = ""
    rotating: bool = False
    root_expires: float | None = None


@dataclass(frozen=True)
class Overlay(Observation):
    """An overlay network of the swarm, as a manager knows it.

    subnets: empty until the managers have given it one. attachable: single containers may join.
    """

    id: str
    name: str
    ingress: bool
    encrypted: bool
    subnets: tuple[str, ...]
    attachable: bool = False


@dataclass(frozen=True)
class Service(Observation):
    """A service: the ids of its networks, and the ports it publishes through the routing mesh.

    protocols: ``tcp``, ``udp`` or ``sctp``, of each of the ports.
    """

    name: str
    networks: tuple[str, ...]
    mesh_ports: tuple[int, ...]
    protocols: tuple[str, ...] = ()

    @property
    def ports(self) -> tuple[tuple[int, str], ...]:
        """The ports with their protocols: two services may publish one number."""
        return tuple(zip(self.mesh_ports, self.protocols, strict=True))


@dataclass(frozen=True)
class Membership(Observation):
    """What a host says of its own place in a swarm.

    engine: ``absent``, ``stopped``, ``running``, or ``unreachable: why``.
    hostname: the engine's name for its host, empty where it does not run.
    state: ``inactive`` (in no swarm), ``pending``, ``active``, ``error`` or ``locked``.
    manager: it can control a swarm; cluster: the swarm's id, known to managers only.
    remote_managers: node id to address of the managers that this host talks to.
    nodes, overlays: the whole swarm's, from a manager; ``None`` where it could not say (not a
    manager, or a manager without quorum).
    in_ingress: this node is attached to the ingress network; ``None`` where it could not say.
    error: the engine's own words, where there are any.
    certificate_issued, certificate_expires: when the host's certificate as a node begins and ends
    to be valid, in seconds since 1970; its role (``manager`` or ``worker``) is certificate_role.
    spec: what the managers agree on, from a manager; ``None`` where it could not say.
    names: the services with tasks that this engine knows in each overlay network that reaches it,
        the ingress network left out, by the network's name: those whose names it can resolve.
    ours: what the swarm has of ours, declared or not, from a manager; also what it could not tell.
    """

    engine: str
    hostname: str = ""
    state: str = IN_NO_SWARM
    node: str = ""
    address: str = ""
    manager: bool = False
    cluster: str = ""
    remote_managers: Mapping[str, str] | None = None
    nodes: tuple[Node, ...] | None = None
    overlays: tuple[Overlay, ...] | None = None
    in_ingress: bool | None = None
    error: str = ""
    certificate_issued: float | None = None
    certificate_expires: float | None = None
    certificate_role: str = ""
    spec: SwarmSpec | None = None
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ours: tuple[Ours, ...] = ()

    @property
    def in_swarm(self) -> bool:
        """The host belongs to a swarm, in whatever condition."""
        return self.engine == "running" and self.state != IN_NO_SWARM

    @property
    def in_none(self) -> bool:
        """The host has answered that it is in no swarm.

        A stopped engine has not: it may come back as a manager.
        """
        return self.engine == "absent" or (self.engine == "running" and self.state == IN_NO_SWARM)

    @property
    def broken(self) -> bool:
        """The engine reports an error, with words.

        An engine that had to start its part of the swarm twice, as after a promotion while its
        first manager is gone, is in the state ``error`` until it is restarted, without any words,
        and does all that it should (seen with 26.1.5; moby never clears ``cancelReconnect``).
        """
        return self.state == "error" and self.error != ""

    @property
    def controls(self) -> bool:
        """The host is a manager that can answer for its swarm now."""
        return self.manager and self.nodes is not None


Observed = Mapping[str, Membership | None]
"""Each declared host's membership by name; ``None`` for a host that gave no answer."""


def acting_manager(settings: Settings, observed: Observed) -> str | None:
    """The manager that speaks for the swarm: the first of :func:`controlling`."""
    return next(controlling(settings, observed), None)


def controlling(settings: Settings, observed: Observed) -> Iterator[str]:
    """The hosts that can answer for the swarm now: declared managers, then those that were such.

    The host that speaks for the swarm decides which swarm all others join, and a worker is trusted
    with itself only. A declared worker that calls itself a manager is believed where a declared
    manager says the same, as while roles move from one host to another. A declared manager that is
    in no swarm, or silent, says nothing.
    """
    # Most callers want the first one only, so nothing is gathered of all hosts for them.
    for host in settings.hosts:
        if host.is_manager and (own := observed.get(host.name)) is not None and own.controls:
            yield host.name
    attested = set()
    for host in settings.managers:
        own = observed.get(host.name)
        if own is not None and own.in_swarm and own.node:
            said = (own.remote_managers or {}).items()
            attested |= {(node, address.rpartition(":")[0]) for node, address in said}
    for host in settings.workers:
        own = observed.get(host.name)
        if own is not None and own.controls and (own.node, host.address) in attested:
            yield host.name


def view(settings: Settings, observed: Observed) -> Membership | None:
    """The swarm as the acting manager sees it; ``None`` where no manager can answer."""
    name = acting_manager(settings, observed)
    return observed[name] if name else None


def managers_of(cluster: Membership) -> list[Node]:
    """The swarm's managers, reachable or not; also one whose demotion is not finished yet."""
    return [node for node in cluster.nodes or () if node.votes]


def members(nodes: Iterable[Node]) -> tuple[str, ...]:
    """The addresses at which nodes are in the swarm, whatever is declared by now.

    A node that nobody declares any more, or that is declared at another address, is in it until it
    has been removed: shut out before, it could not leave, and as a manager it still has its vote.
    Not one that is down, unless it has a vote, and may come back to use it.
    """
    return tuple(
        sorted(
            node.address
            for node in nodes
            if (node.state != "down" or node.votes) and _is_of_a_host(node.address)
        )
    )


def _is_of_a_host(text: str) -> bool:
    """False for what an engine says that does not know its address: nothing, or ``0.0.0.0``."""
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return not (address.is_unspecified or address.is_loopback)
