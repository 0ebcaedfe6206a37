"""What docs/firewall.md promises, said plainly: is this packet let in?

Written from the document, not from the code.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.models.firewall.packet import Packet, network

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings

ICMP_THAT_NETWORKS_NEED = {
    "icmp": {3, 8, 11, 12},
    "ipv6-icmp": {1, 2, 3, 4, 128, 130, 131, 132, 133, 134, 135, 136, 143},
}


@dataclass(frozen=True)
class Place:
    """One host of a cluster, and what it has found out about itself.

    docker: Docker's bridges, as the host knows them. outside: interfaces that it knows not to be
    Docker's. Of all others, bridges of Docker's and of other people that came since, it knows
    nothing. cloudflare: the host's own list. cut: clear-text VXLAN is dropped.
    members: addresses that are in the swarm, whoever is declared. votes: the host is a manager of
    the swarm, whatever it is declared as.
    """

    settings: Settings
    name: str
    ssh_ports: tuple[int, ...] = (22,)
    docker: tuple[str, ...] = ("docker0", "docker_gwbridge")
    outside: tuple[str, ...] = ()
    cloudflare: tuple[str, ...] = field(default=())
    cut: bool = True
    members: tuple[str, ...] = ()
    votes: bool = False

    @property
    def cluster(self) -> list[str]:
        """The addresses of the cluster's own."""
        return [*(host.address for host in self.settings.hosts), *self.members]


def passes(place: Place, packet: Packet) -> bool:
    """Whether our firewall leaves a packet alone."""
    if packet.hook == "OUTPUT":
        return not _clear_vxlan(place, packet)
    if packet.hook == "FORWARD":
        return _reaches_a_container(place, packet)
    return _reaches_the_host(place, packet)


def _reaches_the_host(place: Place, packet: Packet) -> bool:
    firewall = place.settings.firewall
    cluster = _from(packet, place.cluster)
    if _clear_vxlan(place, packet):
        return False
    if packet.entered == "lo" or packet.state in ("ESTABLISHED", "RELATED"):
        return True
    if packet.protocol == "esp" or _says_who_holds_the_address(place, packet):
        return cluster
    if (packet.protocol, packet.port) == ("tcp", 2377):
        return cluster and (place.settings.host(place.name).is_manager or place.votes)
    if (packet.protocol, packet.port) in _swarm_ports(place):
        return cluster
    if packet.icmp in ICMP_THAT_NETWORKS_NEED.get(packet.protocol, ()) or _dhcp_reply(packet):
        return True
    if packet.protocol == "udp" and packet.port == (place.settings.access.vpn_port or None):
        return True
    if _reaches_everything(place, packet) or _declared_open(place, packet, packet.port):
        return True
    if packet.protocol == "tcp" and packet.port in place.ssh_ports:
        return _may_come_from(packet, firewall.ssh_sources, place)
    if packet.entered in place.docker:
        return True
    if packet.protocol == "tcp" and packet.port in firewall.web_ports:
        return _web(place, packet)
    return firewall.inbound == "accept"


def _reaches_a_container(place: Place, packet: Packet) -> bool:
    if packet.state in ("ESTABLISHED", "RELATED"):
        return True
    if packet.entered in place.docker or packet.leaves in place.outside:
        return True
    if not packet.dnat:
        may_be_dockers = packet.leaves.startswith("br-") and not packet.entered.startswith("br-")
        return packet.leaves not in place.docker and not may_be_dockers
    if _from(packet, place.cluster) or _reaches_everything(place, packet):
        return True
    if _declared_open(place, packet, packet.asked_port):
        return True
    return (
        packet.protocol == "tcp"
        and packet.asked_port in place.settings.firewall.web_ports
        and _web(place, packet)
    )


def _clear_vxlan(place: Place, packet: Packet) -> bool:
    return (
        place.cut
        and packet.protocol == "udp"
        and packet.port == place.settings.swarm.data_path_port
        and not packet.ipsec
    )


def _says_who_holds_the_address(place: Place, packet: Packet) -> bool:
    return packet.protocol == "vrrp" and bool(place.settings.exposure.address)


def _swarm_ports(place: Place) -> set[tuple[str, int]]:
    return {("tcp", 7946), ("udp", 7946), ("udp", place.settings.swarm.data_path_port)}


def _dhcp_reply(packet: Packet) -> bool:
    if packet.protocol != "udp":
        return False
    ports = (packet.source_port, packet.port)
    if packet.family == "ipv4":
        return ports == (67, 68)
    return ports == (547, 546) and packet.address.is_link_local


def _declared_open(place: Place, packet: Packet, port: int) -> bool:
    return any(
        packet.protocol == opening.protocol
        and port in _span(opening.port)
        and _may_come_from(packet, opening.sources, place)
        for opening in place.settings.firewall.open
    )


def _may_come_from(packet: Packet, sources: Sequence[str], place: Place) -> bool:
    if not sources:
        return True
    if "cluster" in sources and _from(packet, place.cluster):
        return True
    if "vpn" in sources and packet.entered == place.settings.access.vpn_interface:
        return True
    return _from(packet, [source for source in sources if source not in ("cluster", "vpn")])


def _reaches_everything(place: Place, packet: Packet) -> bool:
    access = place.settings.access
    return (
        access.vpn != ""
        and access.vpn_reaches == "everything"
        and packet.entered == access.vpn_interface
    )


def _web(place: Place, packet: Packet) -> bool:
    firewall = place.settings.firewall
    if firewall.web == "listed":
        return _from(packet, firewall.web_sources)
    if firewall.web == "cloudflare":
        return _from(packet, place.cloudflare)
    return firewall.web == "open"


def _from(packet: Packet, networks: Iterable[str]) -> bool:
    return any(packet.address in network(text) for text in networks)


def _span(port: str) -> range:
    first, _, last = port.partition("-")
    return range(int(first), int(last or first) + 1)
