"""Published ports: which there are, who reaches them, and which nobody does.

Docker publishes a port by a rule of its own in the ``nat`` table: ``DOCKER-INGRESS`` on every node
for a service's port in the routing mesh, ``DOCKER`` for a container's on its own host. So what the
firewall's fact brings anyway says which ports are published, and on which node the mesh's rule is
missing: services have been seen to answer on one node of four, while Swarm showed all tasks
running (Docker 29.7.2, after ``--publish-rm 8080 --publish-add 8080:80``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from pyinfra_swarm.firewall.reached import NOBODY, who_reaches
from pyinfra_swarm.nodes.membership import Observed, Service
from pyinfra_swarm.run.findings import Finding, Notice
from pyinfra_swarm.run.printable import quoted, setting
from pyinfra_swarm.run.wording import listed, verb

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings
    from pyinfra_swarm.settings.model import Firewall


HAS_ITS_RULES = 120.0
"""Seconds after which an engine that has started has its rules of the mesh: half a minute after a
boot, a ready node was seen without them."""


class Host(Protocol):
    """The ports that Docker's rules on a host hand on: number and protocol.

    mesh_ports: to services; container_ports: to containers on this host. docker_for: seconds that
    the engine has been running; ``None`` where it does not run.
    """

    @property
    def docker_for(self) -> float | None: ...
    @property
    def mesh_ports(self) -> frozenset[tuple[int, str]]: ...
    @property
    def container_ports(self) -> frozenset[tuple[int, str]]: ...


@dataclass(frozen=True)
class Published:
    """A port that containers publish.

    service: who publishes it through the routing mesh; "" where that is not known. hosts: where
    Docker has a rule for it; lacking: the nodes that should have one, and do not.
    mesh: it is one of the routing mesh, else of containers on their own hosts.
    """

    port: int
    protocol: str
    service: str = ""
    hosts: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    mesh: bool = True

    def __str__(self) -> str:
        return f"{self.port}/{self.protocol}"


@dataclass(frozen=True)
class Reach:
    """Who reaches a published port from outside. anybody: at all; who: in words."""

    anybody: bool
    who: str


def in_the_mesh(
    hosts: Mapping[str, Host | None], observed: Observed, services: Iterable[Service] | None
) -> list[Published]:
    """The ports of the routing mesh, by number.

    hosts: each host's firewall, None where it is silent. services: as a manager lists them; None
    where nobody has been asked. A port that no node has a rule for is not in the list: a service
    without a running task has none.
    """
    ports = sorted({port for host in hosts.values() if host for port in host.mesh_ports})
    names = {port: service.name for service in services or () for port in service.ports}
    found = []
    for number, protocol in ports:
        has = [
            name for name, host in hosts.items() if host and (number, protocol) in host.mesh_ports
        ]
        lacking = [
            name
            for name, host in hosts.items()
            if host and name not in has and not _has_just_started(host)
            if _is_in_the_mesh(observed.get(name))
        ]
        who = names.get((number, protocol), "")
        found.append(Published(number, protocol, who, tuple(has), tuple(lacking)))
    return found


def _has_just_started(host: Host) -> bool:
    return host.docker_for is not None and host.docker_for < HAS_ITS_RULES


def _is_in_the_mesh(said: Any) -> bool:
    """Whether a node has its end of the ingress network; one that has none is told already."""
    return said is not None and said.state == "active" and said.in_ingress is True


def of_containers(name: str, host: Host) -> list[Published]:
    """The ports that containers publish on their own host."""
    return [
        Published(number, protocol, hosts=(name,), mesh=False)
        for number, protocol in sorted(host.container_ports)
    ]


def reach(settings: Settings, port: int, protocol: str) -> Reach:
    """Who reaches a published port from outside of the cluster."""
    who = who_reaches(settings, port, protocol)
    return Reach(NOBODY not in who, listed(who))


def _covers(ports: str, number: int) -> bool:
    first, _, last = ports.partition("-")
    return int(first) <= number <= int(last or first)


def meant_closed(firewall: Firewall, port: int, protocol: str) -> bool:
    """Whether it is declared that nobody is to reach a port."""
    if protocol == "tcp" and port in firewall.web_ports and firewall.web == "closed":
        return True
    return any(_covers(ports, port) for ports in firewall.closed)


def plan_published(settings: Settings, published: Sequence[Published]) -> list[Finding]:
    """What is published and answers nobody, or not on every node; once for each service."""
    return [*_unreachable(settings, published), *_not_everywhere(published)]


def _unreachable(settings: Settings, published: Sequence[Published]) -> Iterable[Finding]:
    shut: dict[str, list[Published]] = {}
    for one in published:
        number, protocol = one.port, one.protocol
        if reach(settings, number, protocol).anybody:
            continue
        if not meant_closed(settings.firewall, number, protocol):
            shut.setdefault(_publisher(one), []).append(one)
    for who, ports in shut.items():
        names = [str(port) for port in ports]
        numbers = ", ".join(dict.fromkeys(str(port.port) for port in ports))
        openings = ", ".join(map(_opening, ports))
        yield Notice(
            who,
            f"publishes {listed(names)}, and the firewall lets nobody outside of the cluster reach "
            f"{verb(names, 'it', 'them')}",
            remedy=f"To open {verb(names, 'it', 'them')}, add {openings} to firewall.open, with "
            f"sources if not for anybody. To keep {verb(names, 'it', 'them')} closed: "
            f"firewall.closed = [{numbers}]",
        )


def _opening(port: Published) -> str:
    protocol = "" if port.protocol == "tcp" else f", protocol = {setting(port.protocol)}"
    return f"{{ port = {port.port}{protocol} }}"


def _not_everywhere(published: Sequence[Published]) -> Iterable[Finding]:
    for one in published:
        if one.lacking:
            nodes = listed(list(map(quoted, one.lacking)))
            yield Notice(
                f"{_publisher(one)}, port {one}",
                f"is published, and Docker has no rule for it on {nodes}: it does not answer "
                "there, whoever asks",
                expected="a rule in DOCKER-INGRESS on every node",
                remedy=f"Restart Docker on {nodes}, one node at a time (`pyinfra inventory.py "
                "deploys/restart.py`)",
            )


def _publisher(one: Published) -> str:
    if one.service:
        return f"service {one.service}"
    return "a service" if one.mesh else "a container"


def shown(settings: Settings, published: Iterable[Published]) -> list[dict[str, Any]]:
    """The list for reports: port, who publishes it, who reaches it, where it does not answer."""
    return [
        {
            "port": one.port,
            "protocol": one.protocol,
            "service": one.service,
            "mesh": one.mesh,
            "who": reach(settings, one.port, one.protocol).who,
            "hosts": list(one.hosts),
            "lacking": list(one.lacking),
        }
        for one in published
    ]
