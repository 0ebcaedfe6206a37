"""A port that is opened is many rules on many hosts, and told as one thing."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest

from pyinfra_swarm.firewall.openings import sources
from pyinfra_swarm.firewall.plan import plan
from pyinfra_swarm.firewall.policy import FAMILIES, Opening, Policy
from pyinfra_swarm.firewall.rules import PUBLISHED, WEB, interface_rules, web_rules
from pyinfra_swarm.firewall.state import Host, Tables
from pyinfra_swarm.firewall.wanted import declared
from pyinfra_swarm.firewall.web_ranges import SHIPPED
from pyinfra_swarm.run.plan_shown import Plan, shown
from pyinfra_swarm.run.telling import Told, lines
from tests.unit.firewall.test_firewall_plan import CONVERGED, POLICY


def host_with(policy: Policy) -> Host:
    """A host on which the firewall is as this policy wants it."""
    wanted = declared(policy, "daily")
    tables = {}
    for family in FAMILIES:
        chains = dict(CONVERGED.tables[family].chains) | dict(wanted.chains[family])
        chains |= interface_rules(CONVERGED.interfaces)
        if wanted.refreshed:
            chains[WEB] = web_rules(SHIPPED[family])
        tables[family] = Tables(backend="nft", chains=chains)
    sums = {path: sha256(text.encode()).hexdigest() for path, text in wanted.files.items()}
    return replace(CONVERGED, tables=tables, sums=sums)


def told(before: Policy, after: Policy) -> list[str]:
    """What a run tells on four hosts that were as one policy wants it, and are to be as another."""
    wanted = declared(after, "daily")
    findings = plan(wanted, host_with(before))
    return [
        line.text
        for line in lines(
            Told(f"node{number}", "firewall", finding)
            for number in range(1, 5)
            for finding in findings
        )
    ]


def opening(port: str, *sources: str, protocol: str = "tcp") -> Policy:
    return replace(POLICY, openings=(Opening(port, protocol, sources),))


def test_a_host_as_declared_has_nothing_to_tell() -> None:
    assert told(opening("8080"), opening("8080")) == []


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (opening("8080"), "8080/tcp from anywhere: is to be opened"),
        (opening("8080", "203.0.113.10"), "8080/tcp from 203.0.113.10: is to be opened"),
        (
            opening("8080", "203.0.113.10", "2001:db8::/32"),
            "8080/tcp from 2001:db8::/32 and 203.0.113.10: is to be opened",
        ),
        (opening("60000-61000", protocol="udp"), "60000-61000/udp from anywhere: is to be opened"),
        (
            opening("8080", *(f"10.{number}.0.0/16" for number in range(9))),
            "8080/tcp from 9 networks: is to be opened",
        ),
    ],
)
def test_a_declared_port_on_four_hosts_is_one_sentence(wanted: Policy, words: str) -> None:
    assert told(POLICY, wanted) == [words]


def test_a_declared_port_on_four_hosts_takes_at_most_six_lines_of_a_plan() -> None:
    wanted = declared(opening("8080", "203.0.113.10"), "daily")
    findings = plan(wanted, host_with(POLICY))
    hosts = [f"node{number}" for number in range(1, 5)]
    assert len(findings) > 2  # rules in two chains, and the file: on each host
    made = Plan(hosts, [Told(host, "firewall", finding) for host in hosts for finding in findings])
    assert shown(made) == [
        "The plan, after 0:00: 1 to change",
        "~ firewall  node1–node4: 8080/tcp from 203.0.113.10: is to be opened",
    ]
    assert len(shown(made, pieces=True)) == 2 + len(findings)


def test_a_port_that_is_not_declared_any_more_is_told_to_be_closed() -> None:
    assert told(opening("8080", "203.0.113.10"), POLICY) == [
        "8080/tcp from 203.0.113.10: is to be closed: it is not declared"
    ]


def test_other_sources_are_two_things() -> None:
    assert sorted(told(opening("8080", "10.0.0.0/8"), opening("8080", "172.16.0.0/12"))) == [
        "8080/tcp from 10.0.0.0/8: is to be closed: it is not declared",
        "8080/tcp from 172.16.0.0/12: is to be opened",
    ]


def test_two_ports_are_two_things_and_differences_that_can_be_told_apart() -> None:
    two = replace(POLICY, openings=(Opening("8080", "tcp"), Opening("9000", "udp")))
    assert told(POLICY, two) == [
        "8080/tcp from anywhere: is to be opened",
        "9000/udp from anywhere: is to be opened",
    ]
    whats = [finding.what for finding in plan(declared(two, "daily"), host_with(POLICY))]
    assert len(set(whats)) == len(whats)


def test_networks_for_ssh_are_told_with_its_port() -> None:
    assert sorted(told(POLICY, replace(POLICY, ssh_sources=("192.168.0.0/16",)))) == [
        "22/tcp from 192.168.0.0/16: is to be opened",
        "22/tcp from anywhere: is to be closed: it is not declared",
    ]


def test_a_web_port_is_not_said_to_be_open_to_everybody() -> None:
    [said] = told(POLICY, replace(POLICY, web_ports=(80, 443, 8443)))
    assert said == "8443/tcp, a web port: is to be opened"


def with_peers(*addresses: str, drop: bool = True) -> Policy:
    """A cluster of these addresses, and a port that is open to all of them."""
    database = Opening("5432", "tcp", ("cluster",))
    return replace(POLICY, peers=addresses, openings=(database,), drop_cleartext_vxlan=drop)


ONE, TWO, THREE, FOUR = (f"192.168.1.{number}" for number in range(11, 15))
NO_LONGER = "is to be let in no longer: no host of the cluster has this address"


@pytest.mark.parametrize("drop", [True, False])
def test_a_host_that_left_or_joined_is_one_sentence_on_all_others(drop: bool) -> None:
    two, three = with_peers(ONE, TWO, drop=drop), with_peers(ONE, TWO, THREE, drop=drop)
    assert told(three, two) == [f"{THREE}: {NO_LONGER}"]
    assert told(two, three) == [f"{THREE}: is to be let in as a host of the cluster"]


def test_each_host_that_left_or_joined_is_told_and_a_port_that_was_closed_for_itself() -> None:
    before, after = with_peers(ONE, TWO, THREE), with_peers(ONE, FOUR)
    assert sorted(told(before, replace(after, openings=()))) == [
        f"{TWO}: {NO_LONGER}",
        f"{THREE}: {NO_LONGER}",
        f"{FOUR}: is to be let in as a host of the cluster",
        "5432/tcp from 192.168.1.11, 192.168.1.12 and 192.168.1.13: is to be closed: "
        "it is not declared",
    ]


def test_a_rule_for_a_stranger_among_published_ports_is_no_host_of_the_cluster() -> None:
    host = host_with(POLICY)
    tables = host.tables["ipv4"]
    chains = {
        **tables.chains,
        PUBLISHED: ("-s 203.0.113.9/32 -j RETURN", *tables.chains[PUBLISHED]),
    }
    other = replace(host, tables={**host.tables, "ipv4": replace(tables, chains=chains)})
    [finding] = plan(declared(POLICY, "daily"), other)
    assert finding.told == (
        "SWARM-PUBLISHED (IPv4): has a rule that is not declared "
        "(found -s 203.0.113.9/32 -j RETURN)"
    )


def test_what_is_of_no_port_and_no_peer_is_told_rule_by_rule_and_the_file_with_it() -> None:
    said = told(POLICY, replace(POLICY, vrrp=True))
    assert "SWARM-INPUT (IPv4): lacks a rule (→ -p 112 -g SWARM-PEERS)" in said
    assert "/etc/pyinfra-swarm/firewall.ipv4: is not as declared" in said


def test_sources_in_words() -> None:
    assert sources([]) == sources(["", "10.0.0.0/8"]) == "anywhere"
    assert sources(["10.0.0.1/32", "2001:db8::1/128"]) == "10.0.0.1 and 2001:db8::1"
