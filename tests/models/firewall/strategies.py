"""Random clusters and the packets that are interesting for them: at, in and beside every border."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Network, ip_address, ip_network
from typing import Any

from hypothesis import strategies as st

from pyinfra_swarm.firewall.docker_bridges import Interfaces
from pyinfra_swarm.firewall.policy import Family, of_family, policy
from pyinfra_swarm.firewall.rules import JUMPS, WEB, Chains, chains, interface_rules, web_rules
from pyinfra_swarm.settings import Settings
from tests.models.firewall.packet import Packet
from tests.models.firewall.promise import Place

NETWORKS = (
    "192.168.1.0/24",
    "192.168.1.128/25",
    "192.168.1.12/32",
    "10.0.0.0/8",
    "203.0.113.7/32",
    "198.51.100.0/23",
    "128.0.0.0/1",
    "2001:db8::/32",
    "2001:db8:0:1::/64",
    "2001:db8::7/128",
    "fd00::/8",
    "fe80::/10",
    "2a06:98c0::/29",
)
LISTED_BY_CLOUDFLARE = ("173.245.48.0/20", "104.16.0.0/13", "2606:4700::/32", "2a06:98c0::/29")
ELSEWHERE = ("8.8.8.8", "172.17.0.2", "127.0.0.1", "2620:fe::fe", "::1", "fe80::1")
ADDRESSES = tuple(f"192.168.1.{number}" for number in (11, 12, 13, 127, 128, 200))
PORTS = (1, 22, 80, 443, 2222, 4789, 7946, 2377, 8000, 8443, 51820, 60000, 65535)
SSH = 22
SWARMS_OWN = {2377, 7946, 4789, 4790}

CUSTOM, OF_A_NETWORK = "kuh", "br-0123456789ab"
DOCKERS = ("docker0", "docker_gwbridge")
MADE_LATER = ("br-fedcba987654", "db0")
"""Bridges that Docker has made since the host has looked."""

FOREIGN = ("br-lan", "br-0", "br-ex", "br-0123456789ac", "docker1", "wg0")
"""Other people's, which the host knows, or which came since."""

UPLINKS = ("eth0", "end0.7", "wlan0", "br0", "veth3fa9")
OTHERS = (*UPLINKS, *FOREIGN)


@dataclass(frozen=True)
class Case:
    """A host, and what is generated for it, as ``iptables-save`` would print it."""

    place: Place
    chains: dict[Family, Chains]

    def table(self, family: Family) -> str:
        return printed(self.chains[family])


def printed(rules: Chains) -> str:
    """The filter table with our chains in it, and nobody else's rules."""
    lines = ["*filter", ":INPUT ACCEPT [0:0]", ":FORWARD ACCEPT [0:0]", ":OUTPUT ACCEPT [0:0]"]
    lines += [":DOCKER-USER - [0:0]", *(f":{name} - [0:0]" for name in rules)]
    lines += ["-A FORWARD -j DOCKER-USER", *(f"-A {at} -j {ours}" for at, ours in JUMPS.items())]
    lines += [f"-A {name} {rule}" for name, found in rules.items() for rule in found]
    return "\n".join([*lines, "COMMIT"])


def generated(place: Place) -> Case:
    """What the project's code makes of a host."""
    wanted = policy(
        place.settings,
        place.name,
        ssh_ports=place.ssh_ports,
        drop_cleartext_vxlan=place.cut,
        members=place.members,
        votes=place.votes,
    )
    rules: dict[Family, Chains] = {}
    for family in ("ipv4", "ipv6"):
        known = Interfaces(docker=place.docker, outside=place.outside)
        rules[family] = {**chains(wanted, family), **interface_rules(known)}
        if wanted.web == "cloudflare":
            rules[family][WEB] = web_rules(of_family(family, place.cloudflare))
    return Case(place, rules)


def _sources(least: int = 0, *more: str) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from((*NETWORKS, *more)), min_size=least, max_size=4, unique=True)


@st.composite
def _openings(draw: st.DrawFn, *words: str) -> dict[str, Any]:
    first = draw(st.sampled_from(PORTS))
    last = draw(st.sampled_from([first, min(first + 10, 65535), 65535]))
    if any(first <= port <= last for port in SWARMS_OWN):
        first = last = 51820
    sources = draw(
        st.lists(
            st.sampled_from((*NETWORKS, "cluster", "cluster", *words)), max_size=3, unique=True
        )
    )
    return {
        "port": draw(st.sampled_from([first, str(first)])) if first == last else f"{first}-{last}",
        "protocol": draw(st.sampled_from(["tcp", "udp"])),
        "sources": sources,
    }


def _holds(ports: int | str, port: int) -> bool:
    first, _, last = str(ports).partition("-")
    return int(first) <= port <= int(last or first)


@st.composite
def cases(draw: st.DrawFn, *, closed: bool = False) -> Case:
    """A random cluster, and one of its hosts. closed: it drops all that is not let in."""
    addresses = draw(st.lists(st.sampled_from(ADDRESSES), min_size=2, max_size=5, unique=True))
    roles = ["manager", *(draw(st.sampled_from(["manager", "worker"])) for _ in addresses[1:])]
    web = draw(st.sampled_from(["cloudflare", "open", "closed", "listed"]))
    vpn = draw(st.sampled_from(["", "", "tailscale", "netbird"]))
    words = ("vpn", "vpn") if vpn else ()
    declared: dict[str, Any] = {
        "access": {"vpn": vpn, "vpn_reaches": draw(st.sampled_from(["declared", "everything"]))},
        "hosts": [
            {"name": f"rk{number}", "address": address, "role": role}
            for number, (address, role) in enumerate(zip(addresses, roles, strict=True), 1)
        ],
        "firewall": {
            "inbound": draw(st.sampled_from(["deny"] if closed else ["deny", "deny", "accept"])),
            "ssh_sources": draw(_sources(0, *words)),
            "web": web,
            "web_sources": draw(_sources(1)) if web == "listed" else [],
            "web_ports": draw(
                st.lists(st.sampled_from([80, 443, 22, 8443]), max_size=3, unique=True)
            ),
            "open": draw(st.lists(_openings(*words), max_size=3)),
        },
        "swarm": {"data_path_port": draw(st.sampled_from([4789, 4789, 4790]))},
        "exposure": {"address": draw(st.sampled_from(["", "192.168.1.9"]))},
    }
    if declared["firewall"]["ssh_sources"]:  # such openings would defeat them, and are refused
        declared["firewall"]["open"] = [
            opening
            for opening in declared["firewall"]["open"]
            if opening["protocol"] == "udp" or not _holds(opening["port"], SSH)
        ]
        declared["firewall"]["web_ports"] = [
            port for port in declared["firewall"]["web_ports"] if port != SSH
        ]
    settings = Settings(**declared)
    return generated(
        Place(
            settings=settings,
            name=draw(st.sampled_from([host.name for host in settings.hosts])),
            ssh_ports=draw(st.sampled_from([(22,), (2222,), (22, 2222)])),
            docker=(*DOCKERS, *draw(st.sampled_from([(), (CUSTOM,), (CUSTOM, OF_A_NETWORK)]))),
            outside=draw(st.sampled_from([(), ("eth0",), ("eth0", "br-lan"), OTHERS])),
            cloudflare=tuple(
                draw(st.lists(st.sampled_from(LISTED_BY_CLOUDFLARE), max_size=4, unique=True))
            ),
            cut=closed or draw(st.sampled_from([True, True, True, False])),
            members=tuple(draw(st.lists(st.sampled_from(ADDRESSES), max_size=3, unique=True))),
            votes=draw(st.sampled_from([False, False, True])),
        )
    )


def borders(networks: Sequence[str]) -> list[str]:
    """The first and the last address of each network, and those just outside of it."""
    return [address for text in networks for address in _borders(text)]


@cache
def _borders(text: str) -> tuple[str, ...]:
    network = ip_network(text)
    whole = 2**32 if isinstance(network, IPv4Network) else 2**128
    first = int(network.network_address)
    last = int(network.broadcast_address)
    make = type(network.network_address)
    return tuple(
        str(make(number))
        for number in (first - 1, first, last, last + 1)
        if 0 <= number < whole and ip_address(make(number)) == make(number)
    )


HOOKS = ("INPUT", "INPUT", "FORWARD", "FORWARD", "OUTPUT")


@st.composite
def packets(draw: st.DrawFn, place: Place, hooks: Sequence[str] = HOOKS) -> Packet:
    """A packet that is interesting for a host. hooks: where it may come through."""
    firewall = place.settings.firewall
    sources = [
        *borders(place.cluster),
        *borders([s for s in firewall.ssh_sources if s != "vpn"]),
        *borders([*firewall.web_sources, *place.cloudflare]),
        *borders([s for o in firewall.open for s in o.sources if s not in ("cluster", "vpn")]),
        *ELSEWHERE,
    ]
    named = [
        *(int(word) for opening in firewall.open for word in opening.port.split("-")),
        *firewall.web_ports,
        *place.ssh_ports,
        *SWARMS_OWN,
        place.settings.swarm.data_path_port,
        place.settings.access.vpn_port or 68,
        68,
        546,
        3000,
    ]
    ports = [port + by for port in named for by in (-1, 0, 0, 0, 1) if 1 <= port + by <= 65535]
    access = place.settings.access
    vpns = [access.vpn_interface] * 4 if access.vpn else []
    interfaces = [*place.docker, *MADE_LATER, *OTHERS, *vpns]
    hook = draw(st.sampled_from(hooks))
    source = draw(st.sampled_from(sources))
    icmp = "icmp" if ip_address(source).version == 4 else "ipv6-icmp"
    state = draw(st.sampled_from(["NEW"] * 5 + ["ESTABLISHED", "RELATED", "INVALID"]))
    return Packet(
        hook=hook,
        source=source,
        protocol=draw(
            st.sampled_from(["tcp", "tcp", "tcp", "udp", "udp", icmp, "esp", "gre", "vrrp"])
        ),
        port=draw(st.sampled_from(ports)),
        source_port=draw(st.sampled_from([40000, 67, 547, 4789])),
        icmp=draw(st.integers(0, 20) | st.integers(125, 145)),
        entered="" if hook == "OUTPUT" else draw(st.sampled_from([*interfaces, *OTHERS, "lo"])),
        leaves="" if hook == "INPUT" else draw(st.sampled_from([*interfaces, *place.docker])),
        state=state,
        dnat=state != "INVALID"
        and hook == "FORWARD"
        and draw(st.sampled_from([True, True, False])),
        asked_port=draw(st.sampled_from(ports)),
        ipsec=hook != "FORWARD" and draw(st.booleans()),
    )
