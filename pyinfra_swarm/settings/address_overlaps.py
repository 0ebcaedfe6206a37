"""Whether the ranges of addresses that are declared overlap, and hold the networks they are for."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyinfra_swarm.settings.errors import Problem, field_name
from pyinfra_swarm.settings.fields import Loc
from pyinfra_swarm.settings.values.addresses import VPN_NETWORK, ipv4_network_fault
from pyinfra_swarm.settings.written import items, table, tables

HOST_NETWORK_PREFIX = 24
"""The hosts' own networks are not declared; each is taken to be this wide."""


@dataclass(frozen=True)
class _Range:
    """A range of addresses somebody declared: where, and for what."""

    network: ipaddress.IPv4Network
    what: str
    loc: Loc = ()


def overlaps(data: Mapping[str, Any], hosts: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    taken = list(_host_networks(hosts))
    clashing: list[tuple[_Range, _Range]] = []
    for mine in _declared_ranges(data):
        clash = next((other for other in taken if other.network.overlaps(mine.network)), None)
        if clash:
            clashing.append((mine, clash))
        else:
            taken.append(mine)
    # Free of what stays and of each other's, so that all of the advice can be followed at once.
    used = [one.network for one in taken]
    for mine, clash in clashing:
        free = _free(mine.network.prefixlen, used)
        used += [free] if free else []
        yield Problem(
            field_name(mine.loc, data),
            f'"{mine.network}"',
            f"overlaps {clash.what}",
            f'a network of its own, such as "{free}"'
            if free
            else "a smaller network, which overlaps nothing",
        )


def _host_networks(hosts: Sequence[Mapping[str, Any]]) -> Iterator[_Range]:
    members: dict[ipaddress.IPv4Network, list[str]] = {}
    for host in hosts:
        try:
            address = ipaddress.IPv4Address(host.get("address"))
        except ValueError:
            continue
        network = ipaddress.IPv4Network((address, HOST_NETWORK_PREFIX), strict=False)
        members.setdefault(network, []).append(str(host.get("name", address)))
    for network, names in members.items():
        some = ", ".join(names[:4]) + (", …" if len(names) > 4 else "")
        yield _Range(network, f"the hosts' own network {network} ({some})")


def _declared_ranges(data: Mapping[str, Any]) -> Iterator[_Range]:
    for loc, value in _declared_texts(data):
        if isinstance(value, str) and value and ipv4_network_fault(value) is None:
            yield _Range(ipaddress.IPv4Network(value), f"{field_name(loc, data)} = {value}", loc)


def _declared_texts(data: Mapping[str, Any]) -> Iterator[tuple[Loc, Any]]:
    networks = table(data, "networks")
    for index, pool in enumerate(items(table(data, "swarm").get("address_pool"))):
        yield ("swarm", "address_pool", index), pool
    yield ("networks", "ingress_subnet"), networks.get("ingress_subnet")
    access = table(data, "access")
    if access.get("vpn") == "wireguard":
        network = table(access, "wireguard").get("network", VPN_NETWORK)
        yield ("access", "wireguard", "network"), network
    for index, overlay in enumerate(tables(networks.get("overlays"))):
        yield ("networks", "overlays", index, "subnet"), overlay.get("subnet")


def _free(prefix: int, taken: Sequence[ipaddress.IPv4Network]) -> ipaddress.IPv4Network | None:
    """A private network of this size, or of the next smaller one, that collides with nothing."""
    for length in range(prefix, max(prefix, 16) + 1):
        for space in _TO_PROPOSE:
            size = 2 ** (32 - length)
            first = int(space.network_address)
            while first + size - 1 <= int(space.broadcast_address):
                network = ipaddress.IPv4Network((first, length))
                clash = next((other for other in taken if other.overlaps(network)), None)
                if clash is None:
                    return network
                behind = int(clash.broadcast_address) + 1
                first = -(-behind // size) * size
    return None


_TO_PROPOSE = tuple(
    ipaddress.IPv4Network(text)
    for text in ("10.200.0.0/13", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
)


def room_in_the_pool(data: Mapping[str, Any]) -> Iterator[Problem]:
    """More networks that get a subnet from the pool than it has."""
    written = str(table(data, "swarm").get("subnet_size"))
    size = int(written) if re.fullmatch(r"[0-9]{1,2}", written) else 0
    pools = [one for one in _declared_ranges(data) if one.what.startswith("swarm.address_pool")]
    prefixes = [pool.network.prefixlen for pool in pools]
    if not pools or not max(prefixes) <= size <= 29:  # reported already
        return
    overlays = tables(table(data, "networks").get("overlays"))
    without = [overlay for overlay in overlays if not overlay.get("subnet")]
    subnets = sum(2 ** (size - prefix) for prefix in prefixes)
    if len(without) > subnets:
        yield Problem(
            "networks.overlays",
            None,
            f"{len(without)} networks get their subnet from swarm.address_pool, which has "
            f"{subnets} of the size /{size}",
            "a wider pool or a larger swarm.subnet_size (before the swarm is initialised), or a "
            "subnet of their own for some networks",
        )


def subnet_size(data: Mapping[str, Any]) -> Iterator[Problem]:
    written = str(table(data, "swarm").get("subnet_size"))
    size = int(written) if re.fullmatch(r"[0-9]{1,2}", written) else 0
    if not 1 <= size <= 29:  # reported as out of range already
        return
    pools = [one for one in _declared_ranges(data) if one.what.startswith("swarm.address_pool")]
    narrowest = max(pools, key=lambda pool: pool.network.prefixlen, default=None)
    if narrowest and size < (least := narrowest.network.prefixlen):
        yield Problem(
            "swarm.subnet_size",
            str(size),
            f"a /{size} for each network does not fit into {narrowest.what}",
            f"{least} or more{' (24, say)' if least < 24 else ''}, or a wider pool",
        )
