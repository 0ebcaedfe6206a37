"""Whether the VPN that is declared fits together: its addresses, its peers, who relies on it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pyinfra_swarm.settings.errors import Problem, field_name, shown
from pyinfra_swarm.settings.fields import Loc
from pyinfra_swarm.settings.values.addresses import VPN, VPN_NETWORK, VPN_PORT, ipv4_network_fault
from pyinfra_swarm.settings.written import items, number, table, tables

_KNOWN = ("wireguard", "tailscale", "netbird")


def vpn(data: Mapping[str, Any], hosts: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    access = table(data, "access")
    kind = access.get("vpn", "")
    if kind == "":
        yield from _without_a_vpn(data)
    if kind == "wireguard":
        wireguard = table(access, "wireguard")
        yield from _port(data, wireguard)
        yield from _addresses(data, hosts, wireguard)


def _without_a_vpn(data: Mapping[str, Any]) -> Iterator[Problem]:
    firewall = table(data, "firewall")
    named: list[tuple[Loc, Any]] = [(("firewall", "ssh_sources"), firewall.get("ssh_sources"))]
    named += [
        (("firewall", "open", index, "sources"), opening.get("sources"))
        for index, opening in enumerate(tables(firewall.get("open")))
    ]
    for place, sources in named:
        for index, source in enumerate(items(sources)):
            if source == VPN:
                yield Problem(
                    field_name((*place, index), data),
                    shown(source),
                    "stands for a VPN, and none is declared",
                    f"access.vpn = {', '.join(map(shown, _KNOWN[:-1]))} or {shown(_KNOWN[-1])}",
                )


def _port(data: Mapping[str, Any], wireguard: Mapping[str, Any]) -> Iterator[Problem]:
    port = wireguard.get("port", VPN_PORT)
    vxlan = number(table(data, "swarm").get("data_path_port"))
    if isinstance(port, int) and port in {7946, vxlan}:
        yield Problem(
            "access.wireguard.port",
            shown(port),
            "is the swarm's own",
            f"another port, such as {VPN_PORT}",
        )


def _addresses(
    data: Mapping[str, Any],
    hosts: Sequence[Mapping[str, Any]],
    wireguard: Mapping[str, Any],
) -> Iterator[Problem]:
    """Each host and each peer has an address of its own in the VPN's network, and its own key."""
    written = wireguard.get("network", VPN_NETWORK)
    if not isinstance(written, str) or ipv4_network_fault(written) is not None:
        return  # reported as no network already
    network = ipaddress.IPv4Network(written)
    peers = tables(wireguard.get("peers"))
    entries: list[tuple[Loc, Any]] = [
        (("hosts", index, "vpn_address"), host.get("vpn_address"))
        for index, host in enumerate(hosts)
    ]
    entries += [
        (("access", "wireguard", "peers", index, "address"), peer.get("address"))
        for index, peer in enumerate(peers)
    ]
    taken = {value for _, value in entries if isinstance(value, str)}
    free = (str(address) for address in network.hosts() if str(address) not in taken)
    first: dict[str, Loc] = {}
    for place, value in entries:
        field = field_name(place, data)
        if not value:
            if place[0] == "hosts":
                yield Problem(
                    field,
                    None,
                    'is missing: with access.vpn = "wireguard" each host has an address in the VPN',
                    shown(next(free, "")),
                )
            continue
        address = _address(value)
        if address is None:
            continue  # reported as no address already
        if address not in network or address in (
            network.network_address,
            network.broadcast_address,
        ):
            yield Problem(
                field,
                shown(value),
                f"is not an address of a computer in access.wireguard.network, {network}",
                shown(next(free, "")),
            )
        elif str(address) in first:
            yield Problem(
                field,
                shown(value),
                f"is also {field_name(first[str(address)], data)}",
                shown(next(free, "")),
            )
        first.setdefault(str(address), place)
    yield from _twice(data, peers, "name", "each name once")
    yield from _twice(data, peers, "public_key", "a key pair of its own for each computer")


def _address(value: Any) -> ipaddress.IPv4Address | None:
    try:
        return ipaddress.IPv4Address(value)
    except ValueError:
        return None


def _twice(
    data: Mapping[str, Any], peers: Sequence[Mapping[str, Any]], key: str, instead: str
) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for index, peer in enumerate(peers):
        value = peer.get(key)
        if not isinstance(value, str) or not value:
            continue
        before = first.setdefault(value, index)
        if before != index:
            yield Problem(
                field_name(("access", "wireguard", "peers", index, key), data),
                shown(value),
                f"is also that of {field_name(('access', 'wireguard', 'peers', before), data)}",
                instead,
            )
