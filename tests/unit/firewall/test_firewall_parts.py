"""The parts that the firewall's plan is made of: rules as printed, Docker's bridges, clear text."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pyinfra_swarm.firewall.iptables_rule import Rule, parse
from pyinfra_swarm.firewall.policy import FAMILIES, Policy, covers
from pyinfra_swarm.firewall.rules import chains
from pyinfra_swarm.firewall.unencrypted_overlays import in_use, notices
from pyinfra_swarm.nodes.membership import Membership, Overlay, Service
from pyinfra_swarm.run.findings import Notice
from pyinfra_swarm.settings import Settings
from tests.unit.settings.settings_examples import four_boards, put, the_problem

EVERYWHERE = ("0.0.0.0/0", "::/0")
WITHOUT_VALUE = ("--syn", "--strict", "--fragment", "-f", "--random", "--random-fully")


class TestARuleAsItIsPrinted:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("-p tcp -m tcp --dport 22 -j ACCEPT", "-p tcp --dport 22 -j ACCEPT"),
            ("-p tcp -m tcp --dport 22 -j ACCEPT", "-m tcp -p 6 --destination-port 22 -j ACCEPT"),
            ("-s 10.0.0.1 -j DROP", "--source 10.0.0.1/32 --jump DROP"),
            ("-s 10.0.0.1/255.255.255.0 -j DROP", "-s 10.0.0.0/24 -j DROP"),
            ("-s 0.0.0.0/0 -j DROP", "-j DROP"),
            ("-s 2001:DB8:0::1 -j DROP", "-s 2001:db8::1/128 -j DROP"),
            (
                "-m conntrack --ctstate ESTABLISHED,RELATED -j RETURN",
                "-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN",
            ),
            ("-p icmpv6 -j ACCEPT", "-p ipv6-icmp -j ACCEPT"),
            ("-i eth0 -s 10.0.0.1 -j DROP", "-s 10.0.0.1/32 -i eth0 -j DROP"),
            ('-m comment --comment "a b" -j DROP', "-m comment --comment 'a b' -j DROP"),
        ],
    )
    def test_means_the_same_in_other_words(self, one: str, other: str) -> None:
        assert parse(one) == parse(other)

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("-p tcp --dport 22 -j ACCEPT", "-p udp --dport 22 -j ACCEPT"),
            ("-p tcp --dport 22 -j ACCEPT", "-p tcp --sport 22 -j ACCEPT"),
            ("-s 10.0.0.0/8 -j DROP", "! -s 10.0.0.0/8 -j DROP"),
            ("-s 10.0.0.0/8 -j DROP", "-d 10.0.0.0/8 -j DROP"),
            ("-i eth0 -j DROP", "-o eth0 -j DROP"),
            ("-j SWARM-PEERS", "-g SWARM-PEERS"),
            ("-j REJECT --reject-with tcp-reset", "-j REJECT"),
            ("-i lo -j ACCEPT", "-j ACCEPT"),
            (
                "-m conntrack ! --ctstate DNAT -j DROP",
                "-m conntrack --ctstate DNAT -j DROP",
            ),
            ("-p tcp -m tcp --syn -j DROP", "-p tcp -m tcp -j DROP"),
        ],
    )
    def test_does_not_mean_the_same(self, one: str, other: str) -> None:
        assert parse(one) != parse(other)

    @pytest.mark.parametrize(
        ("text", "conditions"),
        [
            *(
                (f"{option} {value}", {(short, value)})
                for long, short, value in (
                    ("--source", "-s", "10.0.0.1/32"),
                    ("--destination", "-d", "2001:db8::/32"),
                    ("--in-interface", "-i", "eth0"),
                    ("--out-interface", "-o", "br-+"),
                    ("--protocol", "-p", "sctp"),
                    ("--match", "-m", "conntrack"),
                    ("--destination-port", "--dport", "80:90"),
                    ("--source-port", "--sport", "67"),
                )
                for option in (long, short)
            ),
            ("-d 10.0.0.7/255.0.0.0", {("-d", "10.0.0.0/8")}),
            ("-s nowhere", {("-s", "nowhere")}),
            *(
                (f"-p {number}", {("-p", name)})
                for number, name in (
                    *(("1", "icmp"), ("6", "tcp"), ("17", "udp"), ("50", "esp")),
                    ("112", "vrrp"),
                    *(("58", "ipv6-icmp"), ("ICMPv6", "ipv6-icmp"), ("UDP", "udp")),
                )
            ),
            *((f"-m {name}", set()) for name in ("tcp", "udp", "icmp", "icmp6", "esp")),
            *((f"{option} {all_}", set()) for option in ("-s", "-d") for all_ in EVERYWHERE),
            *((f"--to {all_}", {("--to", all_)}) for all_ in EVERYWHERE),
            *(
                (f"{option} words -i eth0", {(option, ""), ("words", ""), ("-i", "eth0")})
                for option in WITHOUT_VALUE
            ),
            ("! -i eth0 -o eth1", {("! -i", "eth0"), ("-o", "eth1")}),
            ("-i ! eth0", {("-i", ""), ("! eth0", "")}),
            ("--ctstate RELATED,DNAT,ESTABLISHED", {("--ctstate", "DNAT,ESTABLISHED,RELATED")}),
            ("--name b,a", {("--name", "b,a")}),
            ("--set-priority -1 --to -", {("--set-priority", "-1"), ("--to", "-")}),
            ("--rsource --name x", {("--rsource", ""), ("--name", "x")}),
            ("--name", {("--name", "")}),
            ("", set()),
        ],
    )
    def test_asks_for(self, text: str, conditions: set[tuple[str, str]]) -> None:
        assert parse(text) == Rule(frozenset(conditions), target="", goto=False, options=())
        assert parse(f"{text} -j DROP") == Rule(frozenset(conditions), "DROP")

    @pytest.mark.parametrize(
        ("text", "target", "goto", "options"),
        [
            *((f"{option} X", "X", False, ()) for option in ("-j", "--jump")),
            *((f"{option} X", "X", True, ()) for option in ("-g", "--goto")),
            ("-j LOG --log-prefix '! -i' -j", "LOG", False, ("--log-prefix", "! -i", "-j")),
            ("-j", "", False, ()),
            ("-g", "", True, ()),
        ],
    )
    def test_leads_to(self, text: str, target: str, goto: bool, options: tuple[str, ...]) -> None:
        assert parse(text) == Rule(frozenset(), target, goto, options)
        assert parse(f"-i lo {text}").conditions == {("-i", "lo")}

    def test_is_asked_for_one_condition(self) -> None:
        rule = parse("-i lo ! -s 10.0.0.0/8 -j DROP")
        assert (rule.condition("-i"), rule.condition("! -s")) == ("lo", "10.0.0.0/8")
        assert (rule.condition("-s"), rule.condition("-o")) == (None, None)

    def test_each_of_ours_is_told_from_the_others(self) -> None:
        policy = Policy(peers=("192.168.1.11",), manager=True, ssh_sources=("10.0.0.0/8",))
        for family in FAMILIES:
            for rules in chains(policy, family).values():
                assert len({parse(rule) for rule in rules}) == len(rules)

    def test_one_that_is_cut_off_is_an_error(self) -> None:
        with pytest.raises(ValueError, match="quotation"):
            parse('-m comment --comment "a -j DROP')


class TestWhoIsCovered:
    @pytest.mark.parametrize(
        ("sources", "address", "expected"),
        [
            ((), "8.8.8.8", True),
            (("10.0.0.0/8",), "10.255.255.255", True),
            (("10.0.0.0/8",), "11.0.0.0", False),
            (("10.0.0.0/8",), "2001:db8::1", False),
            (("2001:db8::/32",), "10.0.0.1", False),
            (("10.0.0.0/8", "2001:db8::/32"), "::ffff:10.0.0.1", True),
        ],
    )
    def test_by_the_sources_of_ssh(
        self, sources: tuple[str, ...], address: str, expected: bool
    ) -> None:
        assert covers(sources, address) is expected


class TestTheSettings:
    def problem(self, name: str, value: Any) -> str:
        return str(the_problem(put(f"firewall.{name}", value)))

    @pytest.mark.parametrize(
        ("name", "value", "words"),
        [
            ("ssh_sources", ["192.168.1.7/24"], "has host bits set"),
            ("ssh_sources", ["0.0.0.0/0"], "is everywhere"),
            ("ssh_sources", ["home"], "is neither a network nor an address"),
            ("ssh_sources", ["cluster"], "is neither a network nor an address"),
            ("ssh_sources", ["fe80::1%eth0"], "names an interface"),
            ("web_sources", ["10.0.0.0/8"], 'has no meaning with firewall.web = "cloudflare"'),
            ("web", "listed", "is empty"),
            ("web", "everyone", "cloudflare"),
            ("inbound", "drop", "deny"),
            ("web_ports", [0], "1"),
            ("open", [{"port": "70000"}], "is not within 1 and 65535"),
            ("open", [{"port": "²"}], "is not a port"),
            ("open", [{"port": "9" * 5000}], "is not a port"),
            ("open", [{"port": True}], "is not a port"),
            ("open", [{"port": "90-80"}], "is not within 1 and 65535"),
            ("open", [{"port": "http"}], "is not a port"),
            ("open", [{"port": 53, "protocol": "sctp"}], "tcp"),
            ("open", [{"port": 53, "sources": ["::/0"]}], "is everywhere"),
            ("open", [{"port": 2377}], "holds 2377, the swarm's own"),
            ("open", [{"port": "4000-8000", "protocol": "udp"}], "holds 4789, 7946"),
            ("web_ports", [80, 7946], "holds 7946, the swarm's own"),
            ("refresh", "daily; reboot", "is not a time"),
            ("max_age", "soon", "firewall.max_age"),
        ],
    )
    def test_what_cannot_be_meant_is_refused(self, name: str, value: Any, words: str) -> None:
        assert words in self.problem(name, value)

    def test_the_data_paths_port_is_the_swarms_own_wherever_it_is(self) -> None:
        data = put("swarm.data_path_port", 5789)
        problem = the_problem(put("firewall.open", [{"port": 5789}], into=data))
        assert "holds 5789" in str(problem)

    def test_an_opening_that_would_defeat_the_sources_of_ssh_is_refused(self) -> None:
        data = put("firewall.ssh_sources", ["192.168.1.0/24"])
        problem = the_problem(put("firewall.open", [{"port": "1-1000"}], into=data))
        assert "holds 22, SSH's" in str(problem)
        Settings(**put("firewall.open", [{"port": "1-1000", "protocol": "udp"}], into=data))

    def test_a_web_port_that_the_sources_of_ssh_close_is_refused(self) -> None:
        data = put("firewall.ssh_sources", ["192.168.1.0/24"])
        problem = the_problem(put("firewall.web_ports", [443, 22], into=data))
        assert problem.field == "firewall.web_ports[1]"
        assert "SSH's port" in problem.reason
        Settings(**put("firewall.web_ports", [443, 22]))
        Settings(**put("ssh.port", 2222, put("firewall.web_ports", [22], into=data)))

    def test_networks_and_ports_are_written_in_one_way(self) -> None:
        opening = {"port": "00080-80", "sources": ["10.0.0.0/255.0.0.0", "2001:DB8::1", "cluster"]}
        (found,) = Settings(**put("firewall.open", [opening])).firewall.open
        assert (found.port, found.sources) == ("80", ("10.0.0.0/8", "2001:db8::1/128", "cluster"))


def service(name: str, *networks: str, mesh: bool = False) -> Service:
    return Service(name, networks=networks, mesh_ports=(443,) if mesh else ())


class TestClearText:
    SWARM = Membership(
        engine="running",
        overlays=(
            Overlay("i", "ingress", ingress=True, encrypted=False, subnets=()),
            Overlay("p", "plain", ingress=False, encrypted=False, subnets=()),
            Overlay("s", "sealed", ingress=False, encrypted=True, subnets=()),
        ),
    )

    def test_in_use_by_services_and_by_single_containers(self) -> None:
        services = [service("web", mesh=True), service("db", "p"), service("safe", "s")]
        assert in_use(self.SWARM, services, {"p": ["shell"]}) == {
            "ingress": ("web",),
            "plain": ("db", "container shell"),
        }

    def test_that_nobody_uses_is_nothing_to_spare(self) -> None:
        assert in_use(self.SWARM, [service("safe", "s")], {"s": ["shell"]}) == {}

    def test_without_a_swarm_there_is_none(self) -> None:
        assert in_use(None, [], {}) == {}

    def test_each_network_is_looked_at_and_all_are_told_in_one_order(self) -> None:
        swarm = replace(self.SWARM, overlays=tuple(reversed(self.SWARM.overlays or ())))
        used = in_use(swarm, [service("web", mesh=True), service("db", "p")], {})
        assert used == {"plain": ("db",), "ingress": ("web",)}
        told = notices(used, Settings(**four_boards()))
        assert [notice.what for notice in told] == ["overlay ingress", "overlay plain"]

    def test_in_use_is_named_unless_it_is_cut(self) -> None:
        used = {"plain": ("db", "container shell")}
        (notice,) = notices(used, Settings(**four_boards()))
        assert isinstance(notice, Notice)
        assert notice.sentence() == (
            "overlay plain: is not encrypted, and in use by db, container shell; so no host "
            "drops clear-text VXLAN (clear text → encrypted). Move them to an encrypted "
            "network; or cut them off with firewall.drop_cleartext_vxlan = true"
        )
        cut = Settings(**put("firewall.drop_cleartext_vxlan", True))
        assert notices(used, cut) == []
