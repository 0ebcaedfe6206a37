"""A packet as netfilter sees it: no more than what rules can ask for."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

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
        return ip_address(self.source)

    @property
    def family(self) -> str:
        return "ipv4" if self.address.version == 4 else "ipv6"
