"""Who may reach what on one host: the settings, the inventory and what the host itself says."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

from pyinfra_swarm.nodes.identity import node_at, node_of
from pyinfra_swarm.nodes.membership import Membership, Observed
from pyinfra_swarm.settings.values.addresses import CLUSTER, VPN

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings

Family = Literal["ipv4", "ipv6"]
FAMILIES: tuple[Family, ...] = ("ipv4", "ipv6")

__all__ = ["CLUSTER", "VPN"]  # words among sources, which the settings define


@dataclass(frozen=True)
class Opening:
    """A port that is open to some sources, on the host itself and published by containers.

    port: a number, or a range as ``first-last``; sources: networks, empty for everywhere.
    """

    port: str
    protocol: str
    sources: tuple[str, ...] = ()

    @property
    def ports(self) -> tuple[int, int]:
        """The first and the last port."""
        first, _, last = self.port.partition("-")
        return int(first), int(last or first)


@dataclass(frozen=True)
class Vpn:
    """The VPN that admins come through.

    kind: ``wireguard``, ``tailscale`` or ``netbird``; interface: by which its packets come in.
    port: where it listens itself, UDP; reaches_all: nothing is closed to whoever comes through it.
    """

    kind: str
    interface: str
    port: int
    reaches_all: bool = False


@dataclass(frozen=True)
class Policy:
    """Who may reach what on one host.

    peers: the cluster's own addresses (IPv4); manager: this host is declared as one, or votes.
    vxlan_port: of the swarm's data path, UDP.
    ssh_ports: where sshd listens; ssh_sources: networks it is open to, empty for everywhere.
    web: who may reach the web ports: ``cloudflare`` (the ranges in the host's own list), ``open``,
        ``closed``, or ``listed`` (web_sources).
    inbound: what happens to all else that is addressed to the host: ``deny`` or ``accept``.
    drop_cleartext_vxlan: clear-text VXLAN is dropped, in and out.
    vpn: the one that is declared; the word ``vpn`` among sources stands for its interface.
    vrrp: the hosts tell each other who holds the floating address.
    """

    peers: tuple[str, ...]
    manager: bool
    vxlan_port: int = 4789
    ssh_ports: tuple[int, ...] = (22,)
    ssh_sources: tuple[str, ...] = ()
    web: str = "cloudflare"
    web_sources: tuple[str, ...] = ()
    web_ports: tuple[int, ...] = (80, 443)
    openings: tuple[Opening, ...] = ()
    inbound: str = "deny"
    drop_cleartext_vxlan: bool = True
    vpn: Vpn | None = None
    vrrp: bool = False


def policy(
    settings: Settings,
    name: str,
    *,
    ssh_ports: Iterable[int],
    drop_cleartext_vxlan: bool,
    members: Sequence[str] = (),
    votes: bool = False,
) -> Policy:
    """What is wanted on the host of this name.

    members: addresses of nodes that are still in the swarm, declared or not; votes: this host is
    among its managers, declared as one or not.
    ssh_ports: where its sshd listens.
    """
    wanted = settings.firewall
    return Policy(
        peers=tuple(dict.fromkeys((*(host.address for host in settings.hosts), *members))),
        manager=votes or settings.host(name).is_manager,
        vxlan_port=settings.swarm.data_path_port,
        ssh_ports=tuple(sorted(set(ssh_ports))),
        ssh_sources=wanted.ssh_sources,
        web=wanted.web,
        web_sources=wanted.web_sources,
        web_ports=wanted.web_ports,
        openings=tuple(
            Opening(opening.port, opening.protocol, opening.sources) for opening in wanted.open
        ),
        inbound=wanted.inbound,
        drop_cleartext_vxlan=drop_cleartext_vxlan,
        vpn=_vpn(settings),
        vrrp=bool(settings.exposure.address),
    )


def _vpn(settings: Settings) -> Vpn | None:
    access = settings.access
    if not access.vpn:
        return None
    reaches_all = access.vpn_reaches == "everything"
    return Vpn(access.vpn, access.vpn_interface, access.vpn_port, reaches_all)


def votes(settings: Settings, observed: Observed, swarm: Membership, name: str) -> bool:
    """Whether a host is among the swarm's managers, whatever is declared by now.

    Shut out before it has been demoted, it would keep its vote. One that was only asked to become
    a manager has none yet.
    """
    node = node_of(settings, observed, swarm, name) or node_at(settings, swarm, name)
    return node is not None and node.reachability != ""


def of_family(family: Family, networks: Iterable[str]) -> tuple[str, ...]:
    """Those of the networks that are of this family, as iptables prints them."""
    version = 4 if family == "ipv4" else 6
    parsed = (_network(text) for text in networks if text != VPN)
    return tuple(str(network) for network in parsed if network.version == version)


@cache
def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    # Every host's rules name every other host: parsing each time costs the square of the hosts.
    return ipaddress.ip_network(text)


def covers(sources: Sequence[str], address: str) -> bool:
    """Whether an address is among the sources; no sources mean everywhere.

    The word ``vpn`` is no address: see :func:`firewall.plan.plan`.
    """
    if not sources:
        return True
    looked_for = ipaddress.ip_address(address)
    if isinstance(looked_for, ipaddress.IPv6Address) and looked_for.ipv4_mapped:
        looked_for = looked_for.ipv4_mapped
    return any(looked_for in ipaddress.ip_network(source) for source in sources if source != VPN)
