"""What a manager says of ways in, and what a host sees of its own way out."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping
from typing import Any

from pyinfra_swarm.engine.api import ENGINE_STATE
from pyinfra_swarm.exposure import seen
from pyinfra_swarm.exposure.own_stack import CONNECTOR
from pyinfra_swarm.run.answer import Sections
from pyinfra_swarm.run.fact import SubjectFact
from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.services.service import Service, parse_services, parse_tasks
from pyinfra_swarm.settings.exposure_modes import OWN_STACK

SEEN_AT = "https://www.cloudflare.com/cdn-cgi/trace"
"""A page of Cloudflare's that tells whoever asks the address that it sees."""

OUTSIDE = "1.1.1.1"


class Doors(SubjectFact[seen.Doors]):
    """The ports that services publish, and the nodes on which a tunnel's connectors are up.

    Gives a :class:`exposure.seen.Doors`; empty, with the reason, on a host that is no manager.
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
    """Read what :class:`Doors` prints.

    Raises ``ValueError`` where a manager gives no list, as one without a quorum.
    """
    state = said["state"][0]
    if state != "running":
        words = f"the engine is {state}" if state != "absent" else "no Docker here"
        return seen.Doors(problem=words)
    text = "\n".join(said["services"])
    if "not a swarm manager" in text[:300]:
        return seen.Doors(problem="this host is no manager")
    services = parse_services(text)
    nodes = _nodes(json.loads("\n".join(said["nodes"])))
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


def _nodes(listed: Any) -> Mapping[str, seen.NodeKind]:
    """Those that take tasks, by id."""
    if not isinstance(listed, list):
        raise ValueError("the engine gave no list of nodes")
    return {
        str(node["ID"]): seen.NodeKind(
            str(node["Description"].get("Hostname", "")),
            _ARCHITECTURES.get(
                arch := str((node["Description"].get("Platform") or {}).get("Architecture", "")),
                arch,
            ),
        )
        for node in listed
        if node["Spec"].get("Availability") == "active" and node["Status"].get("State") == "ready"
    }
