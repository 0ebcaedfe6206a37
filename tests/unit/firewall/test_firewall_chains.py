"""The rules themselves, word by word, as a host's tables have them for a policy.

What they do to packets is tested elsewhere; here it is seen when a rule is another than it was.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from pyinfra_swarm.firewall.docker_bridges import Interfaces
from pyinfra_swarm.firewall.policy import Family, Opening, Policy
from pyinfra_swarm.firewall.rules import JUMPS, MANAGED, Chains, chains, interface_rules, web_rules

PEERS = ("192.168.1.11", "192.168.1.12")
BARE = Policy(PEERS, manager=True)
EVERYTHING = Policy(
    PEERS,
    manager=False,
    vxlan_port=4790,
    ssh_ports=(22, 2222),
    ssh_sources=("10.0.0.0/8", "2001:db8::/32"),
    web="listed",
    web_sources=("203.0.113.0/24", "2001:db8:1::/48"),
    web_ports=(443,),
    openings=(
        Opening("5432-5440", "tcp", ("cluster", "10.1.0.0/16")),
        Opening("53", "udp"),
        Opening("8080", "tcp", ("2001:db8:2::/48",)),
    ),
    inbound="accept",
    drop_cleartext_vxlan=False,
)


def ipv4(policy: Policy) -> Chains:
    return chains(policy, "ipv4")


def ipv6(policy: Policy) -> Chains:
    return chains(policy, "ipv6")


def test_the_chains_are_ours_in_the_order_in_which_a_packet_meets_them() -> None:
    assert list(ipv4(BARE)) == [
        *("SWARM-INPUT", "SWARM-BRIDGES", "SWARM-FORWARD", "SWARM-CONTAINERS"),
        *("SWARM-OUTPUT", "SWARM-PEERS", "SWARM-PUBLISHED", "SWARM-WEB"),
    ]
    assert tuple(ipv4(BARE)) == MANAGED
    assert JUMPS == {
        "INPUT": "SWARM-INPUT",
        "DOCKER-USER": "SWARM-FORWARD",
        "OUTPUT": "SWARM-OUTPUT",
    }


WHAT_IPV4_NEEDS = (
    *(f"-p icmp -m icmp --icmp-type {number} -j ACCEPT" for number in (3, 8, 11, 12)),
    "-p udp -m udp --sport 67 --dport 68 -j ACCEPT",
)
WHAT_IPV6_NEEDS = (
    *(
        f"-p ipv6-icmp -m icmp6 --icmpv6-type {number} -j ACCEPT"
        for number in (1, 2, 3, 4, 128, 130, 131, 132, 133, 134, 135, 136, 143)
    ),
    "-s fe80::/10 -p udp -m udp --sport 547 --dport 546 -j ACCEPT",
)


@pytest.mark.parametrize(
    ("family", "needed"), [("ipv4", WHAT_IPV4_NEEDS), ("ipv6", WHAT_IPV6_NEEDS)]
)
def test_what_a_manager_answers_where_nothing_is_declared(
    family: Family, needed: tuple[str, ...]
) -> None:
    assert chains(BARE, family)["SWARM-INPUT"] == (
        "-p udp -m policy --dir in --pol none -m udp --dport 4789 -j DROP",
        "-i lo -j ACCEPT",
        "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "-p tcp -m tcp --dport 2377 -g SWARM-PEERS",
        "-p tcp -m tcp --dport 7946 -g SWARM-PEERS",
        "-p udp -m udp --dport 7946 -g SWARM-PEERS",
        "-p udp -m udp --dport 4789 -g SWARM-PEERS",
        "-p esp -g SWARM-PEERS",
        *needed,
        "-p tcp -m tcp --dport 22 -j ACCEPT",
        "-j SWARM-BRIDGES",
        "-p tcp -m tcp --dport 80 -j SWARM-WEB",
        "-p tcp -m tcp --dport 80 -j ACCEPT",
        "-p tcp -m tcp --dport 443 -j SWARM-WEB",
        "-p tcp -m tcp --dport 443 -j ACCEPT",
        "-j DROP",
    )


def test_what_a_worker_answers_where_all_is_declared() -> None:
    assert ipv4(EVERYTHING)["SWARM-INPUT"] == (
        "-i lo -j ACCEPT",
        "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "-p tcp -m tcp --dport 2377 -j DROP",
        "-p tcp -m tcp --dport 7946 -g SWARM-PEERS",
        "-p udp -m udp --dport 7946 -g SWARM-PEERS",
        *(
            f"-s {peer}/32 -p udp -m policy --dir in --pol none -m udp --dport 4790 -j RETURN"
            for peer in PEERS
        ),
        "-p udp -m udp --dport 4790 -g SWARM-PEERS",
        "-p esp -g SWARM-PEERS",
        *WHAT_IPV4_NEEDS,
        "-s 10.0.0.0/8 -p tcp -m tcp --dport 22 -j ACCEPT",
        "-s 10.0.0.0/8 -p tcp -m tcp --dport 2222 -j ACCEPT",
        "-s 10.1.0.0/16 -p tcp -m tcp --dport 5432:5440 -j ACCEPT",
        "-s 192.168.1.11/32 -p tcp -m tcp --dport 5432:5440 -j ACCEPT",
        "-s 192.168.1.12/32 -p tcp -m tcp --dport 5432:5440 -j ACCEPT",
        "-p udp -m udp --dport 53 -j ACCEPT",
        "-p tcp -m tcp --dport 22 -j DROP",
        "-p tcp -m tcp --dport 2222 -j DROP",
        "-j SWARM-BRIDGES",
        "-p tcp -m tcp --dport 443 -j SWARM-WEB",
        "-p tcp -m tcp --dport 443 -j ACCEPT",
    )


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_who_holds_the_floating_address_the_hosts_tell_each_other_and_nobody_else(
    family: Family,
) -> None:
    without = chains(BARE, family)["SWARM-INPUT"]
    found = chains(replace(BARE, vrrp=True), family)["SWARM-INPUT"]
    at = found.index("-p esp -g SWARM-PEERS") + 1
    assert found == (*without[:at], "-p 112 -g SWARM-PEERS", *without[at:])


def test_of_what_is_declared_each_family_gets_its_own_sources() -> None:
    found = ipv6(EVERYTHING)
    assert found["SWARM-INPUT"][5:] == (
        "-p udp -m udp --dport 4790 -g SWARM-PEERS",
        "-p esp -g SWARM-PEERS",
        *WHAT_IPV6_NEEDS,
        "-s 2001:db8::/32 -p tcp -m tcp --dport 22 -j ACCEPT",
        "-s 2001:db8::/32 -p tcp -m tcp --dport 2222 -j ACCEPT",
        "-p udp -m udp --dport 53 -j ACCEPT",
        "-s 2001:db8:2::/48 -p tcp -m tcp --dport 8080 -j ACCEPT",
        "-p tcp -m tcp --dport 22 -j DROP",
        "-p tcp -m tcp --dport 2222 -j DROP",
        "-j SWARM-BRIDGES",
        "-p tcp -m tcp --dport 443 -j SWARM-WEB",
        "-p tcp -m tcp --dport 443 -j ACCEPT",
    )
    assert found["SWARM-PEERS"] == ("-j DROP",)
    assert found["SWARM-WEB"] == ("-s 2001:db8:1::/48 -j RETURN", "-j DROP")


def test_who_may_reach_published_ports() -> None:
    def asked(port: str, protocol: str = "tcp") -> str:
        return f"-p {protocol} -m conntrack --ctorigdstport {port} --ctdir ORIGINAL"

    assert ipv4(EVERYTHING)["SWARM-PUBLISHED"] == (
        *(f"-s {peer}/32 -j RETURN" for peer in PEERS),
        f"-s 10.1.0.0/16 {asked('5432:5440')} -j RETURN",
        *(f"-s {peer}/32 {asked('5432:5440')} -j RETURN" for peer in PEERS),
        f"{asked('53', 'udp')} -j RETURN",
        f"{asked('443')} -j SWARM-WEB",
        f"{asked('443')} -j RETURN",
        "-j DROP",
    )
    assert ipv6(BARE)["SWARM-PUBLISHED"] == (
        f"{asked('80')} -j SWARM-WEB",
        f"{asked('80')} -j RETURN",
        f"{asked('443')} -j SWARM-WEB",
        f"{asked('443')} -j RETURN",
        "-j DROP",
    )


def test_what_is_forwarded_and_what_leaves() -> None:
    for found in (ipv4(BARE), ipv6(BARE)):
        assert found["SWARM-FORWARD"] == (
            "-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN",
            "-g SWARM-CONTAINERS",
        )
        assert found["SWARM-OUTPUT"] == (
            "-p udp -m policy --dir out --pol none -m udp --dport 4789 -j DROP",
        )
        assert (found["SWARM-BRIDGES"], found["SWARM-CONTAINERS"]) == ((), ())
    assert ipv4(EVERYTHING)["SWARM-OUTPUT"] == ()
    assert ipv4(BARE)["SWARM-PEERS"] == (*(f"-s {peer}/32 -j ACCEPT" for peer in PEERS), "-j DROP")


@pytest.mark.parametrize(
    ("web", "rules"),
    [
        ("cloudflare", ()),  # the host fills it in, from a list of its own
        ("open", ()),
        ("closed", ("-j DROP",)),
        ("listed", ("-s 203.0.113.0/24 -j RETURN", "-j DROP")),
    ],
)
def test_who_may_reach_the_web_ports(web: str, rules: tuple[str, ...]) -> None:
    assert ipv4(replace(EVERYTHING, web=web))["SWARM-WEB"] == rules


def test_a_door_without_a_list_is_closed() -> None:
    assert web_rules([]) == ("-j DROP",)
    assert web_rules(["10.0.0.0/8"]) == ("-s 10.0.0.0/8 -j RETURN", "-j DROP")


def test_dockers_bridges_are_inside_and_all_else_is_not() -> None:
    found = interface_rules(
        Interfaces(docker=("docker0", "br-1"), outside=("eth0",), shared=("docker_gwbridge",))
    )
    assert found == {
        "SWARM-BRIDGES": ("-i docker0 -j ACCEPT", "-i br-1 -j ACCEPT"),
        "SWARM-CONTAINERS": (
            "-i docker0 -j RETURN",
            "-i br-1 -j RETURN",
            "-o eth0 -j RETURN",
            "-m conntrack --ctstate DNAT -g SWARM-PUBLISHED",
            "-o docker0 -j DROP",
            "-o br-1 -j DROP",
            "-i br-+ -o br-+ -j RETURN",
            "-o br-+ -j DROP",
        ),
    }
    bare = interface_rules(Interfaces())
    assert bare["SWARM-BRIDGES"] == ("-i docker0 -j ACCEPT", "-i docker_gwbridge -j ACCEPT")


def test_where_no_peer_is_known_nobody_is_let_in_as_one() -> None:
    """No source of a rule means everybody: none is written where there are none to name."""
    alone = ipv4(replace(BARE, peers=(), drop_cleartext_vxlan=False))
    assert alone["SWARM-PEERS"] == ("-j DROP",)
    assert alone["SWARM-PUBLISHED"] == ipv6(BARE)["SWARM-PUBLISHED"]
    assert not [rule for rule in alone["SWARM-INPUT"] if "--pol none" in rule]
