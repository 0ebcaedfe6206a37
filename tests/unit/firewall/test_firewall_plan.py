"""Every way in which a host's firewall can differ from what is declared, in its own words."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest

from pyinfra_swarm.firewall.docker_bridges import Interfaces
from pyinfra_swarm.firewall.paths import LISTS as FOLDER
from pyinfra_swarm.firewall.paths import RULES, SCRIPT, TIMER, UNIT, WATCH
from pyinfra_swarm.firewall.plan import left_over, plan, plan_ranges, plan_removal
from pyinfra_swarm.firewall.policy import FAMILIES, Family, Policy
from pyinfra_swarm.firewall.rules import (
    BRIDGES,
    CONTAINERS,
    INPUT,
    JUMPS,
    OUTPUT,
    PUBLISHED,
    WEB,
    interface_rules,
    web_rules,
)
from pyinfra_swarm.firewall.state import Host, Tables
from pyinfra_swarm.firewall.wanted import declared
from pyinfra_swarm.firewall.web_ranges import SHIPPED, WebRanges
from pyinfra_swarm.run.findings import Change, Finding, Notice, Refusal

DAY = 86400
POLICY = Policy(peers=("192.168.1.11", "192.168.1.12"), manager=True)
WANTED = declared(POLICY, "daily")
INTERFACES = Interfaces(docker=("br-0123456789ab",), outside=("eth0",))
LISTS = WebRanges({family: SHIPPED[family] for family in FAMILIES}, age=DAY, last_result="ok")

Chains = dict[str, tuple[str, ...]]


def _tables(family: Family) -> Tables:
    chains: Chains = dict(WANTED.chains[family])
    chains |= interface_rules(INTERFACES)
    chains[WEB] = web_rules(SHIPPED[family])
    chains |= {at: (f"-j {ours}",) for at, ours in JUMPS.items()}
    chains["FORWARD"] = ("-j DOCKER-USER", "-o docker0 -j ACCEPT")
    return Tables(backend="nft", chains=chains)


CONVERGED = Host(
    tables={family: _tables(family) for family in FAMILIES},
    sums={path: sha256(text.encode()).hexdigest() for path, text in WANTED.files.items()},
    links=(UNIT, WATCH, TIMER),
    active=(UNIT, WATCH, TIMER),
    docker_waits=True,
    bridges=("br-0123456789ab", "docker0"),
    interfaces=INTERFACES,
    ssh_ports=(22,),
    login_from="192.168.1.50",
    web=LISTS,
)


def with_chains(family: Family, **chains: tuple[str, ...] | None) -> Host:
    """The converged host with other chains; ``None`` for one that is gone."""
    found = {**CONVERGED.tables[family].chains}
    for name, rules in chains.items():
        name = name.replace("_", "-")
        if rules is None:
            del found[name]
        else:
            found[name] = rules
    return with_tables(family, chains=found)


def with_tables(family: Family, **fields: object) -> Host:
    tables = {**CONVERGED.tables, family: replace(CONVERGED.tables[family], **fields)}  # type: ignore[arg-type]
    return replace(CONVERGED, tables=tables)


def rules(name: str, family: Family = "ipv4") -> tuple[str, ...]:
    return tuple(CONVERGED.tables[family].chains[name])


def the_one(host: Host, kind: type[Finding] = Change) -> str:
    """The only finding, as a person reads it."""
    found = plan(WANTED, host)
    assert len(found) == 1, "\n".join(each.sentence() for each in found)
    assert isinstance(found[0], kind)
    return found[0].sentence()


def test_a_host_that_is_as_declared_is_left_alone() -> None:
    assert plan(WANTED, CONVERGED) == []


def test_a_list_of_bridges_that_is_behind_the_engine_is_a_difference() -> None:
    more = replace(CONVERGED, bridges=("br-0123456789ab", "db0", "docker0"))
    assert the_one(more) == "Docker's bridges: the host's list of them lacks db0"
    fewer = replace(CONVERGED, bridges=("docker0",))
    assert (
        the_one(fewer) == "Docker's bridges: the host's list of them still trusts br-0123456789ab"
    )
    assert plan(WANTED, replace(CONVERGED, bridges=None)) == []


class TestOurChains:
    @pytest.mark.parametrize("family", FAMILIES)
    def test_a_bridge_that_is_let_in_and_not_in_the_hosts_list(self, family: Family) -> None:
        more = (*rules(BRIDGES, family), "-i br-lan -j ACCEPT")
        assert "SWARM-BRIDGES" in the_one(with_chains(family, SWARM_BRIDGES=more))
        more = ("-o db0 -j RETURN", *rules(CONTAINERS, family))
        assert "SWARM-CONTAINERS" in the_one(with_chains(family, SWARM_CONTAINERS=more))

    def test_one_is_gone(self) -> None:
        assert the_one(with_chains("ipv4", SWARM_PUBLISHED=None)) == (
            "SWARM-PUBLISHED (IPv4): the chain is gone"
        )

    def test_one_was_flushed(self) -> None:
        said = the_one(with_chains("ipv4", SWARM_INPUT=()))
        assert said == f"SWARM-INPUT (IPv4): its rules are gone (0 → {len(rules(INPUT))} rules)"

    @pytest.mark.parametrize("at", range(len(rules(INPUT))))
    def test_a_rule_was_deleted(self, at: int) -> None:
        there = rules(INPUT)
        said = the_one(with_chains("ipv4", SWARM_INPUT=(*there[:at], *there[at + 1 :])))
        assert said == f"SWARM-INPUT (IPv4): lacks a rule (→ {there[at]})"

    def test_a_rule_was_inserted(self) -> None:
        said = the_one(with_chains("ipv4", SWARM_INPUT=("-j ACCEPT", *rules(INPUT))))
        assert said == "SWARM-INPUT (IPv4): has a rule that is not declared (found -j ACCEPT)"

    def test_two_were_inserted_and_one_is_missing(self) -> None:
        more = ("-s 8.8.8.8/32 -j RETURN", "-j RETURN", *rules(PUBLISHED)[1:])
        assert the_one(with_chains("ipv4", SWARM_PUBLISHED=more)) == (
            "SWARM-PUBLISHED (IPv4): lacks a rule and has 2 rules that are not declared "
            "(-s 8.8.8.8/32 -j RETURN → -s 192.168.1.11/32 -j RETURN)"
        )

    def test_two_changed_places(self) -> None:
        first, second, *rest = rules(INPUT)
        said = the_one(with_chains("ipv4", SWARM_INPUT=(second, first, *rest)))
        assert said == "SWARM-INPUT (IPv4): its rules are in another order, or there twice"

    def test_one_is_there_twice(self) -> None:
        said = the_one(with_chains("ipv4", SWARM_INPUT=(rules(INPUT)[0], *rules(INPUT))))
        assert "in another order, or there twice" in said

    def test_one_is_printed_in_another_way(self) -> None:
        spelled = tuple(rule.replace("-m tcp ", "") for rule in rules(INPUT))
        assert spelled != rules(INPUT)
        assert plan(WANTED, with_chains("ipv4", SWARM_INPUT=spelled)) == []

    def test_ipv6_is_looked_at_as_well(self) -> None:
        said = the_one(with_chains("ipv6", SWARM_INPUT=rules(INPUT, "ipv6")[:-1]))
        assert said == "SWARM-INPUT (IPv6): lacks a rule (→ -j DROP)"

    def test_none_is_there(self) -> None:
        bare = {"INPUT": (), "FORWARD": (), "OUTPUT": ()}
        assert the_one(with_tables("ipv6", chains=bare)) == (
            "firewall (IPv6): it is not loaded: the host answers everybody "
            "(→ what is declared, and nothing else)"
        )

    def test_the_door_is_the_hosts_own_list(self) -> None:
        fewer = web_rules(SHIPPED["ipv4"][1:])
        assert the_one(with_chains("ipv4", SWARM_WEB=fewer)) == (
            "SWARM-WEB (IPv4): lacks a rule (→ -s 173.245.48.0/20 -j RETURN)"
        )
        own = WebRanges({**LISTS.ranges, "ipv4": SHIPPED["ipv4"][1:]}, age=DAY, last_result="ok")
        assert plan(WANTED, replace(with_chains("ipv4", SWARM_WEB=fewer), web=own)) == []

    def test_a_family_that_the_kernel_does_not_speak_needs_none(self) -> None:
        assert plan(WANTED, with_tables("ipv6", spoken=False, installed=False, chains={})) == []


class TestOurJumps:
    @pytest.mark.parametrize(
        ("chain", "purpose"),
        [
            ("INPUT", "nothing addressed to the host is filtered"),
            ("DOCKER-USER", "published ports are open to everybody"),
            ("OUTPUT", "clear-text VXLAN could leave the host"),
        ],
    )
    def test_one_is_gone(self, chain: str, purpose: str) -> None:
        ours = JUMPS[chain]
        said = the_one(with_chains("ipv4", **{chain: ("-i lo -j ACCEPT",)}))
        assert said == f"{chain} (IPv4): does not lead to {ours}: {purpose} (→ -j {ours})"

    def test_one_that_asks_for_something_is_none(self) -> None:
        said = the_one(with_chains("ipv4", INPUT=("-i eth0 -j SWARM-INPUT",)))
        assert "does not lead to SWARM-INPUT" in said

    def test_one_is_there_twice(self) -> None:
        said = the_one(with_chains("ipv4", INPUT=("-j SWARM-INPUT", "-j SWARM-INPUT")))
        assert said == "INPUT (IPv4): leads to SWARM-INPUT more than once"

    @pytest.mark.parametrize("chain", JUMPS)
    @pytest.mark.parametrize(
        "rule",
        [
            "-p tcp -m tcp --dport 80 -j ACCEPT",
            "-j NFQUEUE --queue-num 0",
            "-s 8.8.8.8/32 -j RETURN",
            "-j THEIRS",
            "-g HARMLESS",
        ],
    )
    def test_a_rule_above_it_that_lets_packets_pass(self, chain: str, rule: str) -> None:
        host = with_chains(
            "ipv4",
            **{chain: (rule, f"-j {JUMPS[chain]}")},
            THEIRS=("-j DEEPER",),
            DEEPER=("-j THEIRS", "-p udp -j ACCEPT"),
            HARMLESS=(),
        )
        assert the_one(host) == (
            f"{chain} (IPv4): a rule above the managed one lets packets pass unfiltered; the "
            f"managed one goes first ({rule} → -j {JUMPS[chain]} first)"
        )

    @pytest.mark.parametrize("chain", JUMPS)
    def test_rules_above_it_that_only_drop_or_count_are_in_order(self, chain: str) -> None:
        above = ("-s 10.0.0.0/8 -j DROP", "-j LOG", "-j F2B", "-p tcp")
        host = with_chains(
            "ipv4",
            **{chain: (*above, f"-j {JUMPS[chain]}")},
            F2B=("-s 8.8.8.8/32 -j REJECT --reject-with icmp-port-unreachable", "-j RETURN"),
        )
        assert plan(WANTED, host) == []

    def test_rules_below_it_are_nobodys_business(self) -> None:
        assert plan(WANTED, with_chains("ipv4", INPUT=("-j SWARM-INPUT", "-j ACCEPT"))) == []

    def test_forward_that_does_not_lead_to_docker_user(self) -> None:
        assert the_one(with_chains("ipv6", FORWARD=())) == (
            "FORWARD (IPv6): does not lead through DOCKER-USER: published ports are not filtered"
        )

    def test_a_foreign_rule_above_docker_user_is_the_owners(self) -> None:
        rule = "-i home0 -j ACCEPT"
        said = the_one(with_chains("ipv4", FORWARD=(rule, "-j DOCKER-USER")), Notice)
        assert said == (
            "FORWARD (IPv4): a rule above DOCKER-USER lets packets pass unfiltered "
            f"(found {rule}). Move it below, or restart Docker, which puts its own jump first"
        )


BARE = Host(tables={family: Tables() for family in FAMILIES})


class TestTakenOff:
    def test_all_of_it_is_named(self) -> None:
        named = {one.what for one in plan_removal(CONVERGED)}
        tables = {"firewall (IPv4)", "firewall (IPv6)"}
        assert named == {*tables, *CONVERGED.sums, UNIT, WATCH, TIMER, FOLDER}

    def test_only_the_family_that_has_it(self) -> None:
        [found] = plan_removal(replace(BARE, tables={**BARE.tables, "ipv6": _tables("ipv6")}))
        assert found.what == "firewall (IPv6)"

    def test_where_there_is_none_nothing_is(self) -> None:
        assert plan_removal(BARE) == []
        assert left_over(BARE) == []

    @pytest.mark.parametrize(
        "host",
        [
            replace(BARE, sums={SCRIPT: "0"}),
            replace(BARE, tables={**BARE.tables, "ipv4": _tables("ipv4")}),
        ],
    )
    def test_what_is_left_though_it_is_switched_off_is_told(self, host: Host) -> None:
        [found] = left_over(host)
        assert isinstance(found, Notice)
        assert "deploys/firewall_removed.py" in found.remedy


class TestWhatLasts:
    def test_nothing_would_load_it(self) -> None:
        host = replace(CONVERGED, sums={})
        assert the_one(host) == "firewall: nothing would load it at the next boot"

    @pytest.mark.parametrize("path", WANTED.files)
    def test_a_file_is_gone(self, path: str) -> None:
        sums = {name: total for name, total in CONVERGED.sums.items() if name != path}
        assert the_one(replace(CONVERGED, sums=sums)) == (
            f"{path}: is gone; without it the firewall does not last"
        )

    @pytest.mark.parametrize("path", [SCRIPT, RULES["ipv6"]])
    def test_a_file_was_changed(self, path: str) -> None:
        host = replace(CONVERGED, sums={**CONVERGED.sums, path: "0" * 64})
        assert the_one(host) == f"{path}: is not as declared"

    @pytest.mark.parametrize("unit", [UNIT, WATCH, TIMER])
    def test_a_unit_does_not_start_at_boot(self, unit: str) -> None:
        host = replace(CONVERGED, links=tuple({UNIT, WATCH, TIMER} - {unit}))
        assert the_one(host) == f"{unit}: is not started at boot"

    @pytest.mark.parametrize("unit", [UNIT, WATCH, TIMER])
    def test_a_unit_does_not_run(self, unit: str) -> None:
        host = replace(CONVERGED, active=tuple({UNIT, WATCH, TIMER} - {unit}))
        assert the_one(host) == f"{unit}: is not active"

    def test_docker_would_not_wait(self) -> None:
        said = the_one(replace(CONVERGED, docker_waits=False))
        assert said == "docker.service: would start without the firewall"

    def test_a_change_is_still_unconfirmed(self) -> None:
        said = the_one(replace(CONVERGED, unconfirmed=True))
        assert said.startswith("the host: an earlier change was never confirmed")

    def test_what_only_cloudflares_ranges_need_goes_with_them(self) -> None:
        closed = declared(replace(POLICY, web="closed"), "daily")
        whats = {finding.what for finding in plan(closed, CONVERGED)}
        assert TIMER in whats
        assert f"/etc/systemd/system/{TIMER}" in whats
        assert "SWARM-WEB (IPv4)" in whats

    def test_a_family_without_a_list_is_closed_and_said(self) -> None:
        bare = replace(LISTS, ranges={"ipv4": SHIPPED["ipv4"], "ipv6": ()})
        host = replace(with_chains("ipv6", SWARM_WEB=("-j DROP",)), web=bare)
        assert the_one(host) == (
            "web ranges: there is no sound list for IPv6: the web ports are closed"
        )


class TestOtherFirewalls:
    @pytest.mark.parametrize("rival", ["ufw", "firewalld"])
    def test_one_that_decides_as_well_is_refused(self, rival: str) -> None:
        said = the_one(replace(CONVERGED, others=(rival,)), Refusal)
        assert rival in said
        assert "two firewalls on one host override each other" in said
        assert "firewall.enabled = false" in said

    @pytest.mark.parametrize("flusher", ["netfilter-persistent", "nftables"])
    def test_what_loads_tables_beside_us_is_named(self, flusher: str) -> None:
        said = the_one(replace(CONVERGED, others=(flusher,)), Notice)
        assert said.startswith(f"{flusher}.service: ")
        assert f"systemctl disable {flusher}" in said

    def test_both_back_ends_in_use_are_named(self) -> None:
        said = the_one(with_tables("ipv4", mixed=True), Notice)
        assert said.startswith("iptables (IPv4): both of its back ends, legacy and nft, hold rules")

    def test_a_host_without_iptables_is_refused(self) -> None:
        said = the_one(with_tables("ipv6", installed=False), Refusal)
        assert said.startswith("iptables: is not installed for IPv6")

    def test_where_docker_is_only_planned_iptables_is_still_to_come(self) -> None:
        fresh = replace(with_tables("ipv6", installed=False, chains={}), docker=False)
        findings = plan(WANTED, fresh, planning=True)
        assert [type(finding) for finding in findings] == [Change]
        assert isinstance(plan(WANTED, fresh)[0], Refusal)


class TestTheOwnersWayIn:
    SOURCES = declared(replace(POLICY, ssh_sources=("10.0.0.0/8", "2001:db8::/32")), "daily")

    @pytest.mark.parametrize("address", ["192.168.1.50", "2001:db9::1", "fe80::1"])
    def test_a_run_that_would_shut_itself_out_is_refused(self, address: str) -> None:
        findings = plan(self.SOURCES, replace(CONVERGED, login_from=address))
        (found,) = (one for one in findings if isinstance(one, Refusal))
        assert len(findings) > 1, "what else differs is told beside it"
        assert found.sentence() == (
            f"firewall.ssh_sources: this run comes from {address}, which is not among them, and "
            "would be locked out (found 10.0.0.0/8, 2001:db8::/32). Add its network to "
            "firewall.ssh_sources"
        )

    @pytest.mark.parametrize("address", ["10.0.0.7", "::ffff:10.0.0.7", "2001:db8::1", ""])
    def test_a_run_from_there_goes_on(self, address: str) -> None:
        found = plan(self.SOURCES, replace(CONVERGED, login_from=address))
        assert not any(isinstance(each, Refusal) for each in found)


class TestTheAgeOfTheRanges:
    def test_young_ones_are_left_alone(self) -> None:
        assert plan_ranges(WebRanges({}, age=7 * DAY, last_result="ok"), 7 * DAY) == []

    @pytest.mark.parametrize(
        ("age", "words"),
        [
            (9 * DAY, "were last confirmed 9 days ago"),
            (3 * 3600, "were last confirmed 3 hours ago"),
            (None, "have never been refreshed"),
        ],
    )
    def test_old_ones_are_a_difference(self, age: int | None, words: str) -> None:
        (found,) = plan_ranges(WebRanges({}, age=age, last_result="ok"), 3600)
        assert found.sentence() == f"web ranges: {words} (→ no older than 60 minutes)"

    def test_the_reason_of_the_last_failure_is_told(self) -> None:
        web = WebRanges({}, age=8 * DAY, last_result="ipv4: it is empty")
        (found,) = plan_ranges(web, 7 * DAY)
        assert "; the last refresh failed: ipv4: it is empty" in found.sentence()

    def test_a_list_that_was_refused_is_told_whatever_the_age(self) -> None:
        said = "ipv4: refused: it covers 221 times as many addresses as the list in this version"
        for age in (60, 7 * DAY):
            (found,) = plan_ranges(WebRanges({}, age, said, refused=True), 7 * DAY)
            assert isinstance(found, Notice)
            assert said in found.sentence()
        (old,) = plan_ranges(WebRanges({}, 8 * DAY, said, refused=True), 7 * DAY)
        assert isinstance(old, Change)

    def test_an_answer_that_did_not_come_is_not_told_before_the_list_is_old(self) -> None:
        said = "ipv4: failed: it could not be fetched: curl: (6)"
        assert plan_ranges(WebRanges({}, 60, said), 7 * DAY) == []


def test_clear_text_in_use_leaves_both_drops_out_and_docker_has_the_last_word() -> None:
    kept = declared(replace(POLICY, drop_cleartext_vxlan=False), "daily")
    whats = {each.what: each.reason for each in plan(kept, CONVERGED) if isinstance(each, Change)}
    for name in (INPUT, OUTPUT):
        assert "has a rule that is not declared" in whats[f"{name} (IPv4)"]
        assert whats[f"{name} (IPv6)"] == "has a rule that is not declared"
    rules = [rule for rule in kept.chains["ipv4"][INPUT] if "--pol none" in rule]
    assert len(rules) == len(POLICY.peers)
    assert all(rule.endswith("-j RETURN") for rule in rules)


def test_where_sshd_does_not_say_where_it_listens_nothing_is_closed() -> None:
    seen = replace(CONVERGED, ssh_ports=(22,), ssh_problem="line 3: Bad configuration option")
    [refused] = plan(WANTED, seen)
    assert isinstance(refused, Refusal)
    said = refused.sentence()
    assert "sshd does not say where it listens: line 3: Bad configuration option" in said
    assert "`sudo sshd -T` on the host" in said
