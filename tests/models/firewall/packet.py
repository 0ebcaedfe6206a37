"""A packet as netfilter sees it: no more than what rules can ask for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Address = IPv4Address | IPv6Address


@dataclass(frozen=True)
class Packet:
    """A packet at one of the three hooks of the filter table.

    hook: ``INPUT``, ``FORWARD`` or ``OUTPUT``. entered, leaves: interfaces, empty where there is
    none. protocol: as /etc/protocols calls it. icmp: the type, in either family.
    state: of its connection. dnat: its connection's destination was rewritten; asked_port: the
    destination port before that. ipsec: it came, or will leave, inside ESP.
    """

    hook: str
    source: str
    protocol: str = "tcp"
    port: int = 0
    source_port: int = 40000
    icmp: int = 0
    entered: str = ""
    leaves: str = ""
    state: str = "NEW"
    dnat: bool = False
    asked_port: int = 0
    ipsec: bool = False

    @property
    def address(self) -> Address:
        return _address(self.source)

    @property
    def family(self) -> str:
        return "ipv4" if self.address.version == 4 else "ipv6"


@cache
def _address(text: str) -> Address:
    return ip_address(text)


@cache
def network(text: str) -> IPv4Network | IPv6Network:
    """As the standard library reads it; read once, since the same few are asked for each time."""
    return ip_network(text)
