"""The chains that carry a policy out, for either address family.

Rules are written as ``iptables-save`` prints them, without their chain. What a chain is for:

``SWARM-INPUT``
    everything that is addressed to the host itself; reached from ``INPUT``.
``SWARM-BRIDGES``
    containers on Docker's bridges reach their own host.
``SWARM-FORWARD``
    what passes through the host; reached from ``DOCKER-USER``.
``SWARM-CONTAINERS``
    what of that comes from outside and goes to a container. What is translated goes on to
    ``SWARM-PUBLISHED``, unless it goes to an interface that is known not to be Docker's; what is
    sent straight at a container is dropped. All else returns.
``SWARM-PUBLISHED``
    who may reach a published port. What is allowed returns: Docker's own rules, and other
    people's, have the last word.
``SWARM-PEERS``
    the swarm's own ports: open to the cluster's addresses, closed to everybody else.
``SWARM-WEB``
    who may reach the web ports: sources that may return, all others are dropped.
``SWARM-OUTPUT``
    what leaves the host; reached from ``OUTPUT``.
"""

from __future__ import annotations

from collections.abc import Iterable

from pyinfra_swarm.firewall.docker_bridges import CALLED, Interfaces
from pyinfra_swarm.firewall.policy import CLUSTER, VPN, Family, Opening, Policy, of_family

Chains = dict[str, tuple[str, ...]]

INPUT, FORWARD, OUTPUT = "SWARM-INPUT", "SWARM-FORWARD", "SWARM-OUTPUT"
BRIDGES, CONTAINERS = "SWARM-BRIDGES", "SWARM-CONTAINERS"
PEERS, PUBLISHED, WEB = "SWARM-PEERS", "SWARM-PUBLISHED", "SWARM-WEB"
MANAGED = (INPUT, BRIDGES, FORWARD, CONTAINERS, OUTPUT, PEERS, PUBLISHED, WEB)

BY_INTERFACE = (
    ("docker", BRIDGES, "-i % -j ACCEPT"),
    ("docker", CONTAINERS, "-i % -j RETURN"),
    ("outside", CONTAINERS, "-o % -j RETURN"),
    # To a container, though its bridge may not be known yet.
    ("any", CONTAINERS, f"-m conntrack --ctstate DNAT -g {PUBLISHED}"),
    ("docker", CONTAINERS, "-o % -j DROP"),
    # Nor to one that Docker has just made and called as it does.
    ("any", CONTAINERS, f"-i {CALLED} -o {CALLED} -j RETURN"),
    ("any", CONTAINERS, f"-o {CALLED} -j DROP"),
)
"""The rules that depend on a host's interfaces, in their order: one for each of Docker's bridges,
one for each interface outside (``%`` is its name), or a single one whatever there is."""

JUMPS = {"INPUT": INPUT, "DOCKER-USER": FORWARD, "OUTPUT": OUTPUT}
"""The chain from which each managed one is reached: by one jump, which stands first."""

MANAGEMENT_PORT = 2377
GOSSIP_PORT = 7946

VRRP = 112
"""By its number: a host may lack the file that has the names of protocols."""

ICMP = (3, 8, 11, 12)
"""Unreachable (path MTU discovery needs it), echo request, time exceeded, parameter problem."""

ICMPV6 = (1, 2, 3, 4, 128, 130, 131, 132, 133, 134, 135, 136, 143)
"""Errors, echo request, multicast listeners, neighbour and router discovery (RFC 4890, 4.4.1)."""


def chains(policy: Policy, family: Family) -> Chains:
    """Our chains for one family, in the order in which a packet meets them.

    Empty is what the host fills in by itself: ``SWARM-BRIDGES`` and ``SWARM-CONTAINERS``
    (:func:`interface_rules`), and ``SWARM-WEB`` with ``web = "cloudflare"`` (:func:`web_rules`).
    """
    return {
        INPUT: tuple(_input(policy, family)),
        BRIDGES: (),
        FORWARD: ("-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN", f"-g {CONTAINERS}"),
        CONTAINERS: (),
        OUTPUT: tuple(_output(policy)),
        PEERS: tuple(_peers(policy, family)),
        PUBLISHED: tuple(_published(policy, family)),
        WEB: tuple(_web(policy, family)),
    }


def web_rules(ranges: Iterable[str]) -> tuple[str, ...]:
    """``SWARM-WEB`` for these ranges."""
    return (*(f"-s {network} -j RETURN" for network in ranges), "-j DROP")


def interface_rules(interfaces: Interfaces) -> Chains:
    """``SWARM-BRIDGES`` and ``SWARM-CONTAINERS`` for these interfaces, in either family."""
    named = {"docker": interfaces.inside, "outside": interfaces.outside, "any": ("",)}
    found: dict[str, list[str]] = {BRIDGES: [], CONTAINERS: []}
    for which, chain, rule in BY_INTERFACE:
        found[chain] += [rule.replace("%", name) for name in named[which]]
    return {chain: tuple(rules) for chain, rules in found.items()}


def _input(policy: Policy, family: Family) -> Iterable[str]:
    vxlan = policy.vxlan_port
    if policy.drop_cleartext_vxlan:
        yield f"-p udp -m policy --dir in --pol none -m udp --dport {vxlan} -j DROP"
    yield "-i lo -j ACCEPT"
    yield "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
    # Nobody needs a worker's management port.
    yield f"-p tcp -m tcp --dport {MANAGEMENT_PORT} " + (
        f"-g {PEERS}" if policy.manager else "-j DROP"
    )
    yield f"-p tcp -m tcp --dport {GOSSIP_PORT} -g {PEERS}"
    yield f"-p udp -m udp --dport {GOSSIP_PORT} -g {PEERS}"
    if not policy.drop_cleartext_vxlan:
        # Clear text for a network that is not encrypted is not accepted here but returned. Docker
        # drops what is meant for an encrypted one, by a rule below the managed jump.
        for source in _sources(policy.peers, family, everywhere=False):
            yield f"{source}-p udp -m policy --dir in --pol none -m udp --dport {vxlan} -j RETURN"
    yield f"-p udp -m udp --dport {vxlan} -g {PEERS}"
    yield f"-p esp -g {PEERS}"
    if policy.vrrp:
        yield f"-p {VRRP} -g {PEERS}"
    yield from _what_networks_need(family)
    if policy.vpn:
        yield f"-p udp -m udp --dport {policy.vpn.port} -j ACCEPT"
        if policy.vpn.reaches_all:
            yield f"-i {policy.vpn.interface} -j ACCEPT"
    for port in policy.ssh_ports:
        for source in _sources(policy.ssh_sources, family, policy):
            yield f"{source}-p tcp -m tcp --dport {port} -j ACCEPT"
    for opening in policy.openings:
        for source in _sources(_meant(opening, policy), family, policy):
            yield (
                f"{source}-p {opening.protocol} -m {opening.protocol} "
                f"--dport {_port(opening)} -j ACCEPT"
            )
    if policy.ssh_sources:
        for port in policy.ssh_ports:
            yield f"-p tcp -m tcp --dport {port} -j DROP"
    # Containers reach each other's published ports this way, too: through Docker's proxy.
    yield f"-j {BRIDGES}"
    for port in policy.web_ports:
        yield f"-p tcp -m tcp --dport {port} -j {WEB}"
        yield f"-p tcp -m tcp --dport {port} -j ACCEPT"
    if policy.inbound == "deny":
        yield "-j DROP"


def _what_networks_need(family: Family) -> Iterable[str]:
    if family == "ipv4":
        for number in ICMP:
            yield f"-p icmp -m icmp --icmp-type {number} -j ACCEPT"
        yield "-p udp -m udp --sport 67 --dport 68 -j ACCEPT"
    else:
        for number in ICMPV6:
            yield f"-p ipv6-icmp -m icmp6 --icmpv6-type {number} -j ACCEPT"
        yield "-s fe80::/10 -p udp -m udp --sport 547 --dport 546 -j ACCEPT"


def _published(policy: Policy, family: Family) -> Iterable[str]:
    for source in _sources(policy.peers, family, everywhere=False):
        yield f"{source}-j RETURN"
    if policy.vpn and policy.vpn.reaches_all:
        yield f"-i {policy.vpn.interface} -j RETURN"
    for opening in policy.openings:
        for source in _sources(_meant(opening, policy), family, policy):
            yield f"{source}{_original(opening.protocol, _port(opening))} -j RETURN"
    for port in policy.web_ports:
        yield f"{_original('tcp', port)} -j {WEB}"
        yield f"{_original('tcp', port)} -j RETURN"
    yield "-j DROP"


def _original(protocol: str, port: int | str) -> str:
    """The published port: by now the packet carries the container's."""
    return f"-p {protocol} -m conntrack --ctorigdstport {port} --ctdir ORIGINAL"


def _output(policy: Policy) -> Iterable[str]:
    if policy.drop_cleartext_vxlan:
        yield f"-p udp -m policy --dir out --pol none -m udp --dport {policy.vxlan_port} -j DROP"


def _peers(policy: Policy, family: Family) -> Iterable[str]:
    for source in _sources(policy.peers, family, everywhere=False):
        yield f"{source}-j ACCEPT"
    yield "-j DROP"


def _web(policy: Policy, family: Family) -> Iterable[str]:
    if policy.web == "closed":
        yield "-j DROP"
    elif policy.web == "listed":
        yield from web_rules(of_family(family, policy.web_sources))


def _meant(opening: Opening, policy: Policy) -> tuple[str, ...]:
    """An opening's sources, with the cluster's own addresses for the word."""
    named = tuple(source for source in opening.sources if source != CLUSTER)
    return (*named, *policy.peers) if CLUSTER in opening.sources else named


def _sources(
    networks: tuple[str, ...],
    family: Family,
    policy: Policy | None = None,
    *,
    everywhere: bool = True,
) -> list[str]:
    """The beginning of a rule for each source; none where all are of the other family.

    policy: whose VPN is meant by the word ``vpn``. It is told by its interface and not by its
    addresses: those can be sent from anywhere, and with Tailscale they are the whole tailnet's.
    """
    if not networks:
        return [""] if everywhere else []
    through = policy.vpn if policy and VPN in networks else None
    vpn = [f"-i {through.interface} "] if through else []
    return [*vpn, *(f"-s {network} " for network in of_family(family, networks))]


def _port(opening: Opening) -> str:
    first, last = opening.ports
    return str(first) if first == last else f"{first}:{last}"
