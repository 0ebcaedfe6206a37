"""What a manager says of ways in, and what a host sees of its own way out."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pyinfra_swarm.engine.api import ENGINE_STATE
from pyinfra_swarm.exposure import seen
from pyinfra_swarm.exposure.own_stack import CONNECTOR
from pyinfra_swarm.run.answer import Sections
from pyinfra_swarm.run.fact import SubjectFact
from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.services.listing import cannot_list, listed
from pyinfra_swarm.services.service import Service, parse_services, parse_tasks
from pyinfra_swarm.settings.exposure_modes import OWN_STACK

SEEN_AT = "https://www.cloudflare.com/cdn-cgi/trace"
"""A page of Cloudflare's that tells whoever asks the address that it sees."""

OUTSIDE = "1.1.1.1"


class Doors(SubjectFact[seen.Doors]):
    """The ports that services publish, and the nodes on which a tunnel's connectors are up.

    Gives a :class:`exposure.seen.Doors`; empty, with the reason, where this host lists none.
    """

    unprinted = True

    def script(self) -> str:
        return program(__file__, "doors.sh", using=[ENGINE_STATE], stack=OWN_STACK)

    def parse(self, said: Sections) -> seen.Doors:
        return parse_doors(said)


class Uplink(SubjectFact[seen.Uplink]):
    """The address that the world sees of this host, and who answers behind its router.

    Gives a :class:`exposure.seen.Uplink`. It asks Cloudflare once, and sends one packet outside.
    """

    def script(self, url: str = SEEN_AT, target: str = OUTSIDE) -> str:
        return program(__file__, "uplink.sh", url=url, target=target)

    def parse(self, said: Sections) -> seen.Uplink:
        return parse_uplink(said)


def parse_doors(said: Sections) -> seen.Doors:
    """Read what :class:`Doors` prints. Raises ``ValueError`` where that is none of an engine's."""
    if problem := cannot_list(said, "services", "tasks", "nodes"):
        return seen.Doors(problem=problem)
    services = parse_services("\n".join(said["services"]))
    nodes = _nodes(listed("\n".join(said["nodes"])))
    connector = next((one for one in services if one.name == CONNECTOR), None)
    tasks = parse_tasks("\n".join(said["tasks"]))
    up = [
        task.node
        for task in tasks
        if connector and task.service == connector.id and task.wanted and task.state == "running"
    ]
    return seen.Doors(
        published=tuple(one for service in services for one in _published(service)),
        connectors=tuple(sorted(nodes[node].hostname if node in nodes else node for node in up))
        if connector
        else None,
        platforms=_platforms(connector) if connector else (),
        nodes=tuple(nodes.values()),
    )


def parse_uplink(said: Sections) -> seen.Uplink:
    """Read what :class:`Uplink` prints."""
    seen_lines = [line for line in said["seen"] if line.startswith("ip=")]
    address = _ipv4(seen_lines[0].removeprefix("ip=")) if seen_lines else ""
    hop = re.search(r"(?m)^From ([0-9.]+)\b.*[Tt]ime to live exceeded", "\n".join(said["hop"]))
    return seen.Uplink(address, _ipv4(hop[1]) if hop else "")


def _ipv4(text: str) -> str:
    try:
        return str(ipaddress.IPv4Address(text.strip()))
    except ValueError:
        return ""


def _published(service: Service) -> list[seen.Published]:
    ports = (service.spec.get("EndpointSpec") or {}).get("Ports") or ()
    return [
        seen.Published(
            service.name,
            int(port["PublishedPort"]),
            str(port.get("Protocol", "tcp")),
            str(port.get("PublishMode", "ingress")),
        )
        for port in ports
        if port.get("PublishedPort")
    ]


_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def _platforms(service: Service) -> tuple[str, ...]:
    """What the registry has told the engine when the service was deployed."""
    placement = (service.spec.get("TaskTemplate") or {}).get("Placement") or {}
    named = [one.get("Architecture", "") for one in placement.get("Platforms") or ()]
    known = {_ARCHITECTURES.get(one, one) for one in named} - {"", "unknown"}
    return tuple(sorted(known))


def _nodes(entries: Sequence[Mapping[str, Any]]) -> Mapping[str, seen.NodeKind]:
    """Those that take tasks, by id."""
    return {
        str(node["ID"]): seen.NodeKind(
            str(node["Description"].get("Hostname", "")),
            _ARCHITECTURES.get(
                arch := str((node["Description"].get("Platform") or {}).get("Architecture", "")),
                arch,
            ),
        )
        for node in entries
        if node["Spec"].get("Availability") == "active" and node["Status"].get("State") == "ready"
    }
