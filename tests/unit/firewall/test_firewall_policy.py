"""The generated rules do what docs/firewall.md says, for every packet."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyinfra_swarm.firewall.rules import MANAGED
from pyinfra_swarm.settings import Settings
from tests.models.firewall.evaluator import NotUnderstood, Table, Verdict
from tests.models.firewall.packet import Packet
from tests.models.firewall.promise import Place, passes
from tests.models.firewall.strategies import (
    DOCKERS,
    FOREIGN,
    MADE_LATER,
    OF_A_NETWORK,
    Case,
    cases,
    generated,
    packets,
)


def reference(outside: tuple[str, ...] = ("eth0",)) -> Place:
    """The first of three managers in 192.168.1.0/24."""
    declared: dict[str, Any] = {
        "hosts": [
            {"name": f"rk{number}", "address": f"192.168.1.{10 + number}", "role": "manager"}
            for number in (1, 2, 3)
        ]
    }
    return Place(
        Settings(**declared),
        "rk1",
        docker=(*DOCKERS, OF_A_NETWORK),
        outside=outside,
        cloudflare=("173.245.48.0/20",),
    )


def verdict(case: Case, packet: Packet) -> Verdict:
    return Table(case.table("ipv4" if packet.family == "ipv4" else "ipv6")).judge(packet)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_rules_and_promise_agree(data: st.DataObject) -> None:
    case = data.draw(cases())
    tables = {"ipv4": Table(case.table("ipv4")), "ipv6": Table(case.table("ipv6"))}
    for _ in range(10):
        packet = data.draw(packets(case.place))
        let_in = tables[packet.family].judge(packet).what == "ACCEPT"
        assert let_in == passes(case.place, packet), packet


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_docker_and_other_people_have_the_last_word_on_what_is_forwarded(
    data: st.DataObject,
) -> None:
    case = data.draw(cases())
    for _ in range(5):
        found = verdict(case, data.draw(packets(case.place, ["FORWARD"])))
        assert found.what == "DROP" or found.policy


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_what_is_addressed_to_a_closed_host_is_always_decided(data: st.DataObject) -> None:
    # Where clear text is kept, what Docker makes of it is Docker's to say.
    case = data.draw(cases(closed=True))
    for _ in range(5):
        assert not verdict(case, data.draw(packets(case.place, ["INPUT"]))).policy


names = st.sampled_from((*MADE_LATER, *FOREIGN)) | st.from_regex(
    r"[a-z0-9_.-]{1,15}", fullmatch=True
)


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_interfaces_that_come_later_are_let_in_nowhere_and_judged_at_once(
    data: st.DataObject,
) -> None:
    case = data.draw(cases())
    known = {*case.place.docker, *case.place.outside, "lo"}
    name = data.draw(names.filter(lambda name: name not in known))
    tables = {"ipv4": Table(case.table("ipv4")), "ipv6": Table(case.table("ipv6"))}

    def same(packet: Packet, other: Packet) -> bool:
        found = [tables[each.family].judge(each) for each in (packet, other)]
        return found[0] == found[1]

    for _ in range(5):
        packet = data.draw(packets(case.place, ["INPUT", "FORWARD"]))
        if packet.hook == "INPUT":
            assert same(replace(packet, entered=name), replace(packet, entered="eth0"))
        else:
            published = replace(packet, dnat=True, state="NEW")
            for into in (published, replace(packet, dnat=False, leaves="docker0")):
                assert same(replace(into, entered=name), replace(into, entered="eth0"))
            assert same(replace(published, leaves=name), replace(published, leaves="docker0"))
            # What was not translated, and does not go to a container, is none of our business.
            beside = replace(packet, leaves=name.removeprefix("br-") or "x", dnat=False)
            if beside.leaves not in case.place.docker:
                assert tables[beside.family].judge(beside).policy


@settings(max_examples=50, deadline=None)
@given(cases())
def test_every_jump_leads_to_a_chain_that_is_there(case: Case) -> None:
    for rules in case.chains.values():
        assert tuple(rules) == MANAGED
        targets = re.findall(
            r"-[jg] (\S+)", "\n".join(r for found in rules.values() for r in found)
        )
        assert set(targets) <= {*rules, "ACCEPT", "DROP", "RETURN"}


class TestTheEvaluator:
    """It knows the rules of the game; a test that agrees with everything proves nothing."""

    def judge(self, rules: str, **of: object) -> str:
        chains = re.findall(r"^-A (\S+)", rules, re.M)
        heads = "".join(f":{name} {'DROP' if name == 'INPUT' else '-'} [0:0]\n" for name in chains)
        packet = Packet(hook="INPUT", source="10.1.2.3", port=80, entered="eth0", **of)  # type: ignore[arg-type]
        return Table(f"*filter\n{heads}{rules}\nCOMMIT").judge(packet).what

    def test_a_jump_comes_back_and_a_goto_does_not(self) -> None:
        end = "-A INPUT -j ACCEPT\n-A OTHER -i lo -j DROP"
        assert self.judge(f"-A INPUT -j OTHER\n{end}") == "ACCEPT"
        assert self.judge(f"-A INPUT -g OTHER\n{end}") == "DROP"

    def test_return_ends_a_chain(self) -> None:
        rules = "-A INPUT -j OTHER\n-A INPUT -j ACCEPT\n-A OTHER -j RETURN\n-A OTHER -j DROP"
        assert self.judge(rules) == "ACCEPT"

    def test_all_conditions_have_to_hold(self) -> None:
        assert self.judge("-A INPUT -s 10.0.0.0/8 -i eth1 -j ACCEPT") == "DROP"
        assert self.judge("-A INPUT -s 10.0.0.0/8 -i eth+ -j ACCEPT") == "ACCEPT"
        assert self.judge("-A INPUT ! -s 10.0.0.0/8 -j ACCEPT") == "DROP"

    def test_the_order_counts(self) -> None:
        assert self.judge("-A INPUT -p tcp -j DROP\n-A INPUT -j ACCEPT") == "DROP"

    def test_what_it_does_not_know_it_refuses(self) -> None:
        for rule in ("-m owner --uid-owner 0 -j ACCEPT", "-m time -j ACCEPT", "-j REJECT", "-i lo"):
            with pytest.raises((NotUnderstood, IndexError)):
                self.judge(f"-A INPUT {rule}")


class TestCasesWorthAName:
    """One packet each, of the kind that a wrong order or a wrong family lets through."""

    @pytest.mark.parametrize(
        "packet",
        [
            Packet("INPUT", "192.168.1.12", "udp", 4789, entered="eth0"),
            Packet("INPUT", "192.168.1.12", "udp", 4789, entered="eth0", state="ESTABLISHED"),
            Packet("OUTPUT", "192.168.1.11", "udp", 4789, leaves="eth0"),
            Packet("INPUT", "203.0.113.9", "tcp", 2377, entered="eth0"),
            Packet("INPUT", "2001:db8::9", "tcp", 7946, entered="eth0"),
            Packet("INPUT", "203.0.113.9", "esp", entered="eth0"),
            Packet("INPUT", "203.0.113.9", "tcp", 443, entered="eth0"),
            Packet("INPUT", "2001:db8::9", "tcp", 8080, entered="eth0"),  # docker-proxy on [::]
            Packet("FORWARD", "173.245.48.1", "tcp", 80, entered="eth0", leaves="docker0"),
            Packet("FORWARD", "8.8.8.8", "tcp", 80, 0, 0, "eth0", "docker0", "NEW", True, 8080),
            Packet("FORWARD", "8.8.8.8", "udp", 80, 0, 0, "eth0", "docker0", "NEW", True, 443),
            Packet("FORWARD", "8.8.8.8", "tcp", 80, 0, 0, "eth0", MADE_LATER[0], "NEW", True, 9),
        ],
        ids=str,
    )
    def test_dropped(self, packet: Packet) -> None:
        case = generated(reference())
        assert verdict(case, packet).what == "DROP"
        assert not passes(case.place, packet)

    @pytest.mark.parametrize(
        "packet",
        [
            Packet("INPUT", "192.168.1.12", "udp", 4789, entered="eth0", ipsec=True),
            Packet("INPUT", "8.8.8.8", "tcp", 22, entered="eth0"),
            Packet("INPUT", "173.245.63.255", "tcp", 443, entered="wlan0"),
            Packet("INPUT", "172.17.0.2", "tcp", 443, entered="docker0"),
            Packet(
                "FORWARD", "173.245.48.0", "tcp", 8, 0, 0, "eth0", OF_A_NETWORK, "NEW", True, 443
            ),
            Packet(
                "FORWARD", "192.168.1.13", "tcp", 8, 0, 0, "eth0", OF_A_NETWORK, "NEW", True, 9000
            ),
            Packet("FORWARD", "172.17.0.2", "tcp", 443, entered="docker0", leaves="eth0"),
            Packet("FORWARD", "10.9.9.9", "tcp", 443, entered="wg0", leaves="eth0"),
        ],
        ids=str,
    )
    def test_let_in(self, packet: Packet) -> None:
        assert verdict(generated(reference()), packet).what == "ACCEPT"

    @pytest.mark.parametrize("votes", [True, False])
    def test_who_is_in_the_swarm_and_declared_otherwise(self, votes: bool) -> None:
        place = reference()
        declared: dict[str, Any] = {"hosts": [host.model_dump() for host in place.settings.hosts]}
        declared["hosts"][0]["role"] = "worker"
        still = replace(
            place, settings=Settings(**declared), members=("192.168.1.99",), votes=votes
        )
        for source, port, expected in (
            ("192.168.1.99", 7946, True),
            ("192.168.1.99", 2377, votes),
            ("192.168.1.12", 2377, votes),
            ("192.168.1.98", 2377, False),
        ):
            packet = Packet("INPUT", source, "tcp", port, entered="eth0")
            assert passes(still, packet) is expected
            assert (verdict(generated(still), packet).what == "ACCEPT") is expected

    def test_it_is_the_published_port_that_counts_and_not_the_containers(self) -> None:
        case = generated(reference())
        for asked, inside, expected in ((443, 8443, "ACCEPT"), (8443, 443, "DROP")):
            packet = Packet(
                "FORWARD",
                "173.245.48.1",
                "tcp",
                inside,
                0,
                0,
                "eth0",
                "docker0",
                "NEW",
                True,
                asked,
            )
            assert verdict(case, packet).what == expected

    def test_ssh_is_closed_to_containers_and_all_others_that_are_no_source_of_it(self) -> None:
        place = reference()
        data = {"hosts": [host.model_dump() for host in place.settings.hosts]}
        for inbound in ("deny", "accept"):
            firewall = {"ssh_sources": ["10.0.0.0/8"], "inbound": inbound}
            declared: dict[str, Any] = {**data, "firewall": firewall}
            case = generated(replace(place, settings=Settings(**declared)))
            for source, entered, expected in (
                ("10.1.1.1", "eth0", "ACCEPT"),
                ("192.168.1.12", "eth0", "DROP"),
                ("172.17.0.2", "docker0", "DROP"),
                ("2001:db8::1", "eth0", "DROP"),
            ):
                packet = Packet("INPUT", source, "tcp", 22, entered=entered)
                assert verdict(case, packet).what == expected, (inbound, packet)

    @pytest.mark.parametrize("name", FOREIGN)
    @pytest.mark.parametrize("known", [True, False])
    def test_other_peoples_interfaces_are_outside_known_or_not(
        self, name: str, known: bool
    ) -> None:
        case = generated(reference(outside=("eth0", name) if known else ("eth0",)))
        into = Packet("INPUT", "10.0.0.5", "tcp", 443, entered=name)
        through = Packet("FORWARD", "10.0.0.5", "tcp", 8, 0, 0, name, "docker0", "NEW", True, 9)
        straight = Packet("FORWARD", "10.0.0.5", "tcp", 8, 0, 0, name, OF_A_NETWORK)
        beside = Packet("FORWARD", "10.0.0.5", "tcp", 8, entered="eth0", leaves=name)
        assert [verdict(case, packet).what for packet in (into, through, straight, beside)] == [
            "DROP",
            "DROP",
            "DROP",
            # Docker may have made it in this very moment.
            "DROP" if name.startswith("br-") and not known else "ACCEPT",
        ]

    def test_other_peoples_port_forwards_pass_by_once_their_interface_is_known(self) -> None:
        forwarded = Packet("FORWARD", "8.8.8.8", "tcp", 22, 0, 0, "eth0", "wg0", "NEW", True, 2022)
        for outside, expected in ((("eth0", "wg0"), "ACCEPT"), (("eth0",), "DROP")):
            assert verdict(generated(reference(outside)), forwarded).what == expected

    @pytest.mark.parametrize("name", MADE_LATER)
    def test_a_network_that_docker_makes_later_is_judged_at_once(self, name: str) -> None:
        case = generated(reference())
        into = Packet("FORWARD", "8.8.8.8", "tcp", 8, 0, 0, "eth0", name, "NEW", True, 9)
        straight = Packet("FORWARD", "8.8.8.8", "tcp", 80, 0, 0, "eth0", name)
        among = Packet("FORWARD", "172.20.0.2", "tcp", 8, entered=name, leaves=name)
        outward = Packet("FORWARD", "172.20.0.2", "tcp", 443, entered=name, leaves="eth0")
        own_host = Packet("INPUT", "172.20.0.2", "tcp", 9000, entered=name)
        assert [verdict(case, packet).what for packet in (into, among, outward, own_host)] == [
            "DROP",
            "ACCEPT",
            "ACCEPT",
            "DROP",  # until the host has looked
        ]
        # Where the name does not show it, Docker drops it by itself, from 28 on.
        assert verdict(case, straight).what == ("DROP" if name.startswith("br-") else "ACCEPT")
