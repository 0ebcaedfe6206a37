"""What is told of how the world reaches the services.

All of it is the owner's to decide, so nothing here is a change: the tunnel's own stack is deployed
by the room of stacks.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pyinfra_swarm.exposure.own_stack import CONNECTOR, connectors
from pyinfra_swarm.exposure.seen import Doors, Published, Uplinks
from pyinfra_swarm.run.findings import Finding, Notice
from pyinfra_swarm.run.printable import quoted
from pyinfra_swarm.run.wording import listed, verb
from pyinfra_swarm.settings.exposure_modes import OWN_STACK, mode_closes_the_web

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings

REMOVE = f"`pyinfra inventory.py deploys/stacks.py --data remove={OWN_STACK}`"

CARRIER_GRADE = ipaddress.IPv4Network("100.64.0.0/10")
"""What providers use between their customers and an address that these share (RFC 6598)."""


def plan_doors(settings: Settings, doors: Doors) -> list[Finding]:
    """What is told of ports that are published, and of the tunnel's connectors."""
    mode = settings.exposure.mode
    found: list[Finding] = []
    if mode == "tunnel" and doors.connectors is not None:
        found += _connectors(settings, doors, doors.connectors)
        found += _platforms(doors)
    if mode_closes_the_web(mode):
        found += _published(settings, doors)
    return found


def _connectors(settings: Settings, doors: Doors, up: Sequence[str]) -> list[Finding]:
    wanted, places = connectors(settings), [*dict.fromkeys(up)]
    if len(places) >= min(2, wanted):
        return []
    if not places:
        return [
            Notice(
                "tunnel",
                "no connector is up: nobody gets in",
                expected=f"{wanted} of them",
                found="none",
                remedy=f"`docker service ps --no-trunc {CONNECTOR}` says why",
            )
        ]
    return [
        Notice(
            "tunnel",
            f"connectors are up on {listed(places)} only: while that node restarts, nobody gets in",
            expected="on two nodes at least",
            found=listed(places),
            remedy=f"`docker service ps --no-trunc {CONNECTOR}` says why the others are not up",
        )
    ]


def _platforms(doors: Doors) -> list[Finding]:
    """Nodes that never run a connector, since the image is not made for them."""
    lacking = sorted(
        node.hostname
        for node in doors.nodes
        if doors.platforms and node.architecture and node.architecture not in doors.platforms
    )
    if not lacking:
        return []
    return [
        Notice(
            "image of the tunnel",
            f"is not made for {listed(lacking)}, which never {verb(lacking, 'runs', 'run')} a "
            "connector",
            found=listed(doors.platforms),
            remedy="Set exposure.tunnel.image to one that is made for all nodes: "
            "`docker buildx imagetools inspect IMAGE` lists what it is made for",
        )
    ]


def _published(settings: Settings, doors: Doors) -> list[Finding]:
    """Web ports that a service publishes still, though nobody is to come in by them."""
    firewall, mode = settings.firewall, settings.exposure.mode
    opened = {port for one in firewall.open if one.protocol == "tcp" for port in _span(one.port)}
    found: list[Finding] = []
    for service in sorted({one.service for one in doors.published}):
        ports = _of(doors.published, service, set(firewall.web_ports) - opened)
        if not ports:
            continue
        shut = (
            "the firewall keeps it shut, so nobody needs it"
            if firewall.enabled
            else "no firewall of ours keeps it shut: whoever reaches a node reaches it, past the "
            "tunnel"
        )
        words = [word for port in ports for word in ("--publish-rm", str(port))] + [service]
        found.append(
            Notice(
                f"service {service}",
                f"publishes {listed([f'{port}/tcp' for port in ports])}, and with exposure.mode = "
                f'"{mode}" no web port is to be open: {shut}',
                remedy="Take the port out of its stack file, or "
                f"`docker service update {' '.join(map(quoted, words))}`",
            )
        )
    return found


def _of(published: Sequence[Published], service: str, ports: set[int]) -> list[int]:
    return sorted(
        one.port
        for one in published
        if one.service == service and one.protocol == "tcp" and one.port in ports
    )


def _span(port: str) -> range:
    first, _, last = str(port).partition("-")
    return range(int(first), int(last or first) + 1)


def left_behind(services: Sequence[str]) -> list[Finding]:
    """The stack of ours where none is declared any more. services: of it that run still."""
    if not services:
        return []
    return [
        Notice(
            f"stack {OWN_STACK}",
            "is not declared any more, and runs still: "
            + ("the tunnel is open" if CONNECTOR in services else listed(sorted(services))),
            remedy=f"Remove it: {REMOVE}",
        )
    ]


# The way out
# -----------


def asked_hosts(settings: Settings) -> tuple[str, ...]:
    """The hosts that are asked how they reach the internet: two, as one could be an exception."""
    return tuple(host.name for host in settings.hosts[:2])


def plan_uplinks(uplinks: Uplinks) -> list[Finding]:
    """A hint that nobody from outside may get in. Only a try from outside can prove it."""
    found: list[Finding] = []
    known = {name: one for name, one in uplinks.items() if one is not None}
    behind = {
        name: one.next_hop
        for name, one in known.items()
        if one.next_hop and ipaddress.IPv4Address(one.next_hop) in CARRIER_GRADE
    }
    if behind:
        names = sorted(behind)
        found.append(
            Notice(
                "way to the internet",
                f"behind the router of {listed(names)} answers an address of {CARRIER_GRADE}, "
                "which providers use where customers share one address (CGNAT): very likely no "
                "port that your router forwards can be reached. It is a hint, no proof",
                found=listed(sorted({*behind.values()})),
                remedy="Try it from outside (a phone without Wi-Fi). If nobody gets in: ask your "
                'provider for an address of your own, or set exposure.mode = "tunnel". If it '
                "works, exposure.cgnat_hint = false ends this",
            )
        )
    addresses = {name: one.address for name, one in known.items() if one.address}
    if len({*addresses.values()}) > 1:
        found.append(
            Notice(
                "way to the internet",
                "the world sees different addresses of the hosts: a name leads to one of them only",
                found=listed([f"{address} ({name})" for name, address in addresses.items()]),
                remedy="Look which router each host uses (`ip route`), and forward the ports on "
                "the one whose address the name has",
            )
        )
    return found
