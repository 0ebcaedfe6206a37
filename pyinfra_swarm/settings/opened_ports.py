"""Whether what the firewall opens collides with the swarm's own ports, or with SSH's."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pyinfra_swarm.settings.errors import Problem, shown
from pyinfra_swarm.settings.written import items, number, table, tables


def opened_ports(data: Mapping[str, Any]) -> Iterator[Problem]:
    firewall = table(data, "firewall")
    web, sources = firewall.get("web"), items(firewall.get("web_sources"))
    if web == "listed" and not sources:
        yield Problem(
            "firewall.web_sources",
            None,
            'is empty, while firewall.web = "listed" means the networks in it',
            'at least one network, or firewall.web = "closed"',
        )
    if sources and isinstance(web, str) and web != "listed":
        yield Problem(
            "firewall.web_sources",
            shown(list(sources)),
            f'has no meaning with firewall.web = "{web}"',
            'firewall.web = "listed", or leave the sources out',
        )
    yield from _swarm_ports_opened(data, firewall)
    yield from _closed_and_opened(firewall)


def _swarm_ports_opened(data: Mapping[str, Any], firewall: Mapping[str, Any]) -> Iterator[Problem]:
    vxlan = number(table(data, "swarm").get("data_path_port"))
    owned = {2377, 7946} if vxlan is None else {2377, 7946, vxlan}
    logins = _login_ports(data)
    for index, port in enumerate(items(firewall.get("web_ports"))):
        field = f"firewall.web_ports[{index}]"
        if isinstance(port, int) and port in owned:
            yield _swarms_own(field, port, [port])
        if isinstance(port, int) and port in logins and firewall.get("ssh_sources"):
            yield Problem(
                field,
                shown(port),
                "is SSH's port, which firewall.ssh_sources closes to the web's visitors",
                "another port, or leave it out; or firewall.ssh_sources = [], open everywhere",
            )
    for index, opening in enumerate(tables(firewall.get("open"))):
        covered = ports_of(opening)
        field = f"firewall.open[{index}].port"
        if taken := sorted(port for port in owned if port in covered):
            yield _swarms_own(field, opening["port"], taken)
        login = next((port for port in sorted(logins) if port in covered), None)
        if login and firewall.get("ssh_sources") and opening.get("protocol") != "udp":
            yield Problem(
                field,
                shown(opening["port"]),
                f"holds {login}, SSH's: firewall.ssh_sources would not be what it is open to",
                "another port; or more networks in firewall.ssh_sources",
            )


def _closed_and_opened(firewall: Mapping[str, Any]) -> Iterator[Problem]:
    """What is declared closed, and opened as well. UDP is left alone: DNS may be open in one."""
    web = set() if firewall.get("web") == "closed" else {*_web_ports(firewall)}
    opened = [one for one in tables(firewall.get("open")) if one.get("protocol") != "udp"]
    for index, closed in enumerate(items(firewall.get("closed"))):
        ports = ports_of({"port": closed})
        field = f"firewall.closed[{index}]"
        if both := sorted(web.intersection(ports)):
            yield Problem(
                field,
                shown(closed),
                f"holds {both[0]}, which firewall.web lets visitors reach",
                'leave it out, here or in firewall.web_ports; or firewall.web = "closed"',
            )
        for opening in opened:
            if set(ports).intersection(ports_of(opening)):
                yield Problem(
                    field,
                    shown(closed),
                    f"is declared closed, and firewall.open opens {opening['port']}",
                    "leave it out of one of the two",
                )


def _web_ports(firewall: Mapping[str, Any]) -> Iterator[int]:
    for port in items(firewall.get("web_ports")):
        if (known := number(port)) is not None:
            yield known


def _login_ports(data: Mapping[str, Any]) -> set[int]:
    """Where the hosts' SSH servers listen, as far as the settings say.

    A port at another address than the host's own is one of the router's, which leads to another.
    """
    common = number(table(data, "ssh").get("port"))
    found: set[int | None] = set()
    for host in tables(data.get("hosts")):
        own = number(host.get("ssh_port"))
        elsewhere = host.get("ssh_host") not in (None, "", host.get("address"))
        if not (own and elsewhere):
            found |= {own or common}
    return {port for port in found or {common} if port}


def ports_of(opening: Mapping[str, Any]) -> range:
    """The ports of an opening; none where they cannot be read."""
    first, _, last = str(opening.get("port", "")).partition("-")
    if not re.fullmatch(r"[0-9]{1,5}", first) or not re.fullmatch(r"[0-9]{1,5}", last or first):
        return range(0)
    return range(int(first), int(last or first) + 1)


def _swarms_own(field: str, value: Any, taken: Sequence[int]) -> Problem:
    return Problem(
        field,
        shown(value),
        f"holds {', '.join(map(str, taken))}, the swarm's own: open to the cluster's addresses, "
        "and to nobody else",
        "another port, or leave it out",
    )
