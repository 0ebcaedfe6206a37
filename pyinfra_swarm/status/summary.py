"""The cluster as it is: its nodes, its services and who reaches their ports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pyinfra_swarm.firewall.published import in_the_mesh, of_containers
from pyinfra_swarm.firewall.reached import NOBODY, who_reaches
from pyinfra_swarm.nodes import measures
from pyinfra_swarm.nodes.membership import Service as Published
from pyinfra_swarm.nodes.membership import acting_manager
from pyinfra_swarm.status.seen import Seen

if TYPE_CHECKING:
    from pyinfra_swarm.host.resources import FileSystem, Resources
    from pyinfra_swarm.nodes.membership import Observed
    from pyinfra_swarm.settings import Settings

VERSION = 1
"""Of the JSON's shape; grows when a reader would have to change."""

NO_ANSWER, NO_ENGINE, IN_NO_SWARM, UNKNOWN = (
    "no answer",
    "no engine",
    "not in the swarm",
    "unknown",
)
"""States of a host of which the managers say nothing."""


@dataclass(frozen=True)
class Node:
    """A declared host, or a node that is not declared.

    state: as the managers list it (``ready``, ``down``, …), else one of this module's.
    disk: used, in percent, of the file system that Docker is on; disk_total, memory, memory_used:
    bytes; certificate_days: until its certificate as a node ends; ranges_age: seconds since the
    web's ranges were confirmed; celsius: its hottest sensor. ``None`` where it is not known.
    silent: why it did not answer; "" where it did.
    """

    name: str
    declared: bool
    role: str
    leader: bool
    state: str
    availability: str
    engine: str
    disk: int | None = None
    disk_total: int | None = None
    memory: int | None = None
    memory_used: int | None = None
    celsius: float | None = None
    certificate_days: int | None = None
    ranges_age: int | None = None
    silent: str = ""

    @property
    def well(self) -> bool:
        """It is a ready node, and the host has answered itself."""
        return self.state == "ready" and self.declared


@dataclass(frozen=True)
class Port:
    """A published port.

    reached_by: who gets an answer there, as the firewall is declared. lacking: the hosts that do
    not answer at it, since Docker has no rule for it there.
    """

    number: int
    protocol: str
    reached_by: tuple[str, ...]
    lacking: tuple[str, ...] = ()

    @property
    def closed(self) -> bool:
        """Nobody outside reaches it."""
        return NOBODY in self.reached_by


@dataclass(frozen=True)
class Service:
    """A service. stuck: how many of its tasks no node may run."""

    name: str
    running: int | None
    wanted: int | None
    stuck: int
    ports: tuple[Port, ...]

    @property
    def everywhere(self) -> bool:
        """Every node answers at each of its ports, as far as it is known."""
        return not any(port.lacking for port in self.ports)

    @property
    def complete(self) -> bool:
        """All of its tasks run, as far as it is known."""
        return self.running is None or self.wanted is None or self.running >= self.wanted


@dataclass(frozen=True)
class OnHosts:
    """A port that containers publish on their own hosts, past the routing mesh."""

    port: Port
    hosts: tuple[str, ...]


@dataclass(frozen=True)
class Backup:
    """The last backup that this computer has written of this cluster.

    taken: seconds since 1970; host: whose state it holds; file: its name then. compared: it is of
    this very swarm, as a manager says; else it may be of another one with this cluster's name.
    """

    taken: int
    host: str
    file: str
    compared: bool = True


@dataclass(frozen=True)
class Status:
    """The cluster as it is.

    quorum: ``{"managers", "reachable", "needed", "margin"}``; empty where no manager answers.
    services: ``None`` where no manager could say. on_hosts: what containers publish past the
    routing mesh. backup: ``None`` where there is none; backup_unknown: why that is not known,
    else "".
    """

    cluster: str
    source: str
    at: float
    nodes: tuple[Node, ...]
    quorum: Mapping[str, int]
    services: tuple[Service, ...] | None
    on_hosts: tuple[OnHosts, ...] = ()
    backup: Backup | None = None
    backup_unknown: str = ""

    @property
    def heard(self) -> bool:
        """Any host has answered."""
        return any(not node.silent for node in self.nodes)

    @property
    def complete(self) -> bool:
        """Every host has answered, and a manager has spoken for the swarm."""
        silent = any(node.silent for node in self.nodes)
        return not silent and bool(self.quorum) and self.services is not None

    @property
    def unwell(self) -> bool:
        """Something is not as one wants it: a node, a service, the quorum."""
        nodes = any(not node.well for node in self.nodes if not node.silent)
        lost = self.quorum.get("margin", 0) < 0
        services = any(not (one.complete and one.everywhere) for one in self.services or ())
        return nodes or lost or services

    def to_json(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "version": VERSION,
            **asdict(self),
            "unwell": self.unwell,
            "complete": self.complete,
        }


def summary(
    settings: Settings,
    seen: Mapping[str, Seen],
    *,
    at: float,
    source: str = "",
    backup: Backup | None = None,
    backup_unknown: str = "",
) -> Status:
    """Put together what the hosts have said. at: now, in seconds since 1970."""
    observed = {name: one.membership for name, one in seen.items()}
    listed = measures.nodes(settings, observed)
    declared = [host.name for host in settings.hosts if host.name in seen]
    nodes = [_node(settings, name, seen[name], listed.get(name), at) for name in declared]
    nodes += [
        _node(settings, name, None, entry, at)
        for name, entry in listed.items()
        if not entry["declared"]
    ]
    return Status(
        cluster=settings.cluster.name,
        source=source,
        at=at,
        nodes=tuple(nodes),
        quorum=measures.managers(settings, observed),
        services=_services(settings, seen, observed),
        on_hosts=tuple(_on_hosts(settings, seen)),
        backup=backup,
        backup_unknown=backup_unknown,
    )


def _node(
    settings: Settings, name: str, seen: Seen | None, listed: Mapping[str, Any] | None, at: float
) -> Node:
    host = next((one for one in settings.hosts if one.name == name), None)
    own = seen.membership if seen else None
    resources = seen.resources if seen else None
    expires = own.certificate_expires if own else None
    disk = _fullest(resources)
    return Node(
        name=name,
        declared=host is not None and (listed is None or bool(listed["declared"])),
        role=str(listed["role"]) if listed else host.role if host else "",
        leader=bool(listed and listed["leader"]),
        state=str(listed["state"]) if listed else _state(seen),
        availability=str(listed["availability"]) if listed else "",
        engine=str(listed["engine"]) if listed else "",
        disk=disk.share if disk else None,
        disk_total=disk.total if disk else None,
        memory=resources.memory if resources else None,
        memory_used=resources.memory - resources.available if resources else None,
        celsius=resources.celsius if resources else None,
        certificate_days=int((expires - at) // 86_400) if expires is not None else None,
        ranges_age=seen.firewall.ranges.age if seen and seen.firewall else None,
        silent=(seen.silent or ("" if seen.whole else "it did not answer every question"))
        if seen
        else "",
    )


def _state(seen: Seen | None) -> str:
    """What is known of a host that the managers do not list."""
    own = seen.membership if seen else None
    if own is None:
        return NO_ANSWER
    if own.engine != "running":
        return NO_ENGINE if own.engine in ("absent", "stopped") else UNKNOWN
    return UNKNOWN if own.in_swarm else IN_NO_SWARM


def _fullest(resources: Resources | None) -> FileSystem | None:
    return max(resources.disks, key=lambda one: one.share, default=None) if resources else None


def _services(
    settings: Settings, seen: Mapping[str, Seen], observed: Observed
) -> tuple[Service, ...] | None:
    """The services, as the manager says that speaks for the swarm."""
    name = acting_manager(settings, observed)
    said = seen[name] if name else Seen()
    if said.services is None or said.replicas is None:
        return None
    tasks = {one.name: one for one in said.replicas}
    firewalls = {host: one.firewall for host, one in seen.items()}
    mesh = in_the_mesh(firewalls, observed, said.services)
    lacking = {(one.port, one.protocol): one.lacking for one in mesh}
    found = []
    for one in said.services:
        own = tasks.get(one.name)  # a job has none
        found.append(
            Service(
                one.name,
                own.running if own else None,
                own.wanted if own else None,
                own.stuck if own else 0,
                tuple(_ports(settings, one, lacking)),
            )
        )
    return tuple(sorted(found, key=lambda service: service.name))


def _ports(
    settings: Settings, service: Published, lacking: Mapping[tuple[int, str], tuple[str, ...]]
) -> Iterator[Port]:
    for key in service.ports:
        yield Port(*key, who_reaches(settings, *key), lacking.get(key, ()))


def _on_hosts(settings: Settings, seen: Mapping[str, Seen]) -> Iterator[OnHosts]:
    found: dict[tuple[int, str], list[str]] = {}
    for name, one in seen.items():
        for port in of_containers(name, one.firewall) if one.firewall else ():
            found.setdefault((port.port, port.protocol), []).append(name)
    for key, hosts in sorted(found.items()):
        yield OnHosts(Port(*key, who_reaches(settings, *key)), tuple(hosts))


def newest(taken: Sequence[Backup]) -> Backup | None:
    """The last of some backups; ``None`` where there is none."""
    return max(taken, key=lambda one: one.taken, default=None)
