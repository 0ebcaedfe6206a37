"""What is shown of a host's firewall, and the plan's words and bounds one by one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pyinfra_swarm.firewall.paths import RULES, TIMER, UNIT, WATCH
from pyinfra_swarm.firewall.placement import above
from pyinfra_swarm.firewall.plan import other_firewalls, plan, plan_ranges
from pyinfra_swarm.firewall.state import Host, Tables
from pyinfra_swarm.firewall.wanted import Wanted, declared
from pyinfra_swarm.firewall.web_ranges import WebRanges
from pyinfra_swarm.rollback.plan import RollBackFirst
from pyinfra_swarm.run.findings import Change, Notice, Refusal
from tests.unit.firewall.test_firewall_plan import (
    CONVERGED,
    LISTS,
    POLICY,
    WANTED,
    with_chains,
    with_tables,
)

HOUR, DAY = 3600, 86400


def said(host: Host, wanted: Wanted = WANTED) -> list[str]:
    return [finding.sentence() for finding in plan(wanted, host)]


def test_a_host_as_declared_is_shown_with_its_rules_under_speaking_names() -> None:
    host = replace(CONVERGED, active=(TIMER, WATCH, UNIT), others=("nftables",), unconfirmed=True)
    shown = host.to_json()
    ours = {name for name in CONVERGED.tables["ipv4"].chains if name.startswith("SWARM-")}
    for family in ("ipv4", "ipv6"):
        rules = shown.pop(family)
        assert rules.keys() == ours
        for name, listed in rules.items():
            assert listed == list(CONVERGED.tables[family].chains[name])
    assert shown == {
        "web ranges": LISTS.to_json(),
        "starts at boot": [UNIT, WATCH, TIMER],
        "active": [UNIT, WATCH, TIMER],
        "docker waits for it": True,
        "docker has run for": None,
        "docker's bridges": ("br-0123456789ab", "docker0"),
        "interfaces": CONVERGED.interfaces.to_json(),
        "sshd listens on": [22],
        "this login comes from": "192.168.1.50",
        "this login comes by": "unknown",
        "VPNs that start at boot": [],
        "other firewalls": ["nftables"],
        "waits for a confirmation": True,
        "published by services": [],
        "published by containers": [],
    }


def test_what_a_host_lacks_is_shown_in_words() -> None:
    def tables(**fields: object) -> object:
        return with_tables("ipv6", **fields).to_json()["ipv6"]

    assert tables(spoken=False) == "this host does not speak it"
    assert tables(installed=False) == "iptables is not installed"
    assert tables(chains={"INPUT": ()}) == "none of the managed rules"
    one = {"SWARM-INPUT": ("-j DROP",), "INPUT": ()}
    assert tables(chains=one) == {"SWARM-INPUT": ["-j DROP"]}
    shown = replace(CONVERGED, bridges=None, login_from="", active=(WATCH,)).to_json()
    assert shown["docker's bridges"] == "the engine does not say"
    assert shown["this login comes from"] == "unknown"
    assert shown["active"] == [WATCH]


def test_what_a_host_has_not_said_is_taken_for_a_host_with_nothing() -> None:
    bare = Tables()
    assert (bare.spoken, bare.installed, bare.mixed, bare.backend) == (True, True, False, "")
    assert not bare.managed
    host = Host({"ipv4": bare, "ipv6": bare})
    assert (host.docker, host.docker_waits, host.unconfirmed) == (True, False, False)
    assert (host.login_from, host.bridges, host.web.ranges) == ("", None, {})


def test_on_a_host_with_nothing_one_thing_is_said_of_each() -> None:
    bare = Host({family: Tables() for family in CONVERGED.tables}, bridges=("br-1",))
    assert said(bare) == [
        "firewall (IPv4): it is not loaded: the host answers everybody "
        "(→ what is declared, and nothing else)",
        "firewall (IPv6): it is not loaded: the host answers everybody "
        "(→ what is declared, and nothing else)",
        "firewall: nothing would load it at the next boot",
    ]


def test_with_the_rules_of_one_family_the_list_of_bridges_counts() -> None:
    half = replace(with_tables("ipv6", chains={}), bridges=("br-0123456789ab", "db0"))
    assert [text.partition(":")[0] for text in said(half)] == [
        "firewall (IPv6)",
        "Docker's bridges",
    ]


def test_findings_come_in_the_order_of_what_they_cost() -> None:
    host = replace(
        with_chains("ipv4", SWARM_INPUT=()),
        unconfirmed=True,
        docker_waits=False,
        bridges=("docker0",),
        others=("nftables", "unheard-of"),
    )
    assert [(type(finding), finding.what) for finding in plan(WANTED, host)] == [
        (Change, "SWARM-INPUT (IPv4)"),
        (RollBackFirst, "the host"),
        (Change, "docker.service"),
        (Change, "Docker's bridges"),
        (Notice, "nftables.service"),
    ]


def test_where_it_is_refused_what_does_not_rest_on_it_is_said_beside_it() -> None:
    host = replace(with_tables("ipv4", installed=False), others=("nftables", "ufw"))
    host = replace(host, docker_waits=False)
    kinds = [type(finding) for finding in plan(WANTED, host)]
    assert kinds == [Refusal, Refusal, Change, Notice]
    assert "not installed for IPv4" in said(host)[0]
    both = {family: Tables(installed=False) for family in CONVERGED.tables}
    assert "not installed for IPv4 and IPv6" in said(replace(CONVERGED, tables=both))[0]
    # Only where Docker is still to come will it bring iptables.
    assert "not installed for IPv4" in plan(WANTED, host, planning=True)[0].reason


def test_other_firewalls_are_refused_or_named_and_unknown_ones_are_ignored() -> None:
    names = ("ufw", "firewalld", "netfilter-persistent", "nftables", "unheard-of")
    found = other_firewalls(names)
    assert [(type(one), one.what) for one in found] == [
        (Refusal, "firewall"),
        (Refusal, "firewall"),
        (Notice, "netfilter-persistent.service"),
        (Notice, "nftables.service"),
    ]
    for one, name in zip(found, names, strict=False):
        assert name in one.sentence()
        assert name in one.remedy


def test_what_is_not_needed_any_longer_is_named_with_its_files_and_units() -> None:
    closed = declared(replace(POLICY, web="closed"), "daily")
    assert not closed.refreshed
    assert closed.units == (UNIT, WATCH)
    needless = [text for text in said(CONVERGED, closed) if "no longer needed" in text]
    paths = [path for path in WANTED.files if path not in closed.files]
    assert needless == [f"{what}: is no longer needed" for what in (*paths, TIMER)]
    gone = replace(CONVERGED, links=(UNIT, WATCH), sums={})
    assert "firewall: nothing would load it at the next boot" in said(gone, closed)
    some = {path: total for path, total in CONVERGED.sums.items() if path not in paths}
    left = said(replace(CONVERGED, links=(UNIT, WATCH), sums=some, active=(UNIT, WATCH)), closed)
    assert not [text for text in left if "no longer needed" in text or TIMER in text]


def test_a_door_that_nobody_lists_needs_no_lists() -> None:
    bare = replace(LISTS, ranges={})
    told = [text for text in said(replace(CONVERGED, web=bare)) if text.startswith("web ranges")]
    assert told == [
        "web ranges: there is no sound list for IPv4 and IPv6: the web ports are closed"
    ]
    listed = declared(replace(POLICY, web="listed", web_sources=("10.0.0.0/8",)), "daily")
    host = replace(CONVERGED, web=bare)
    assert not [text for text in said(host, listed) if text.startswith("web ranges")]


def test_the_files_are_those_of_the_policy_and_the_schedule() -> None:
    assert WANTED.refreshed
    assert WANTED.units == (UNIT, WATCH, TIMER)
    assert WANTED.ssh_sources == ()
    sources = ("10.0.0.0/8",)
    assert declared(replace(POLICY, ssh_sources=sources), "daily").ssh_sources == sources
    assert "daily" in "\n".join(WANTED.files.values())
    weekly = declared(POLICY, "weekly")
    differing = {path for path, text in weekly.files.items() if text != WANTED.files[path]}
    assert differing == {f"/etc/systemd/system/{TIMER}"}
    assert "-A SWARM-INPUT -i lo -j ACCEPT" in WANTED.files[RULES["ipv4"]]


def test_both_differences_of_a_chain_are_told_with_the_first_of_each() -> None:
    host = with_chains("ipv4", SWARM_FORWARD=("-j ACCEPT", "-j RETURN"))
    assert said(host) == [
        "SWARM-FORWARD (IPv4): lacks 2 rules and has 2 rules that are not declared "
        "(-j ACCEPT → -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN)"
    ]


def test_each_family_is_asked_for_its_own_ranges() -> None:
    own = replace(LISTS, ranges={**LISTS.ranges, "ipv6": ("2001:db8::/32", "10.0.0.0/8")})
    rules = ("-s 2001:db8::/32 -j RETURN", "-j DROP")
    assert said(replace(with_chains("ipv6", SWARM_WEB=rules), web=own)) == []


@pytest.mark.parametrize("verdict", ["QUEUE", "NFQUEUE", "ACCEPT", "RETURN"])
def test_what_hands_a_packet_on_above_ours_is_told(verdict: str) -> None:
    rule = f"-i eth9 -j {verdict}"
    [text] = said(with_chains("ipv4", INPUT=(rule, "-j SWARM-INPUT")))
    assert f"unfiltered; the managed one goes first ({rule} →" in text


@pytest.mark.parametrize(
    ("verdict", "told"), [("QUEUE", 1), ("NFQUEUE", 1), ("ACCEPT", 1), ("RETURN", 0), ("DROP", 0)]
)
def test_so_is_what_hands_it_to_a_chain_that_does(verdict: str, told: int) -> None:
    rules = ("-j THEIRS", "-j SWARM-INPUT")
    host = with_chains("ipv4", INPUT=rules, THEIRS=("-i lo -j DROP", f"-j {verdict}"))
    assert len(said(host)) == told


def test_a_rule_that_leads_to_ours_earlier_leads_past_nothing() -> None:
    assert said(with_chains("ipv4", INPUT=("-i eth9 -j SWARM-INPUT", "-j SWARM-INPUT"))) == []


def test_a_way_from_which_nothing_comes_back_is_not_our_jump() -> None:
    [text] = said(with_chains("ipv4", INPUT=("-g SWARM-INPUT",)))
    assert text.startswith("INPUT (IPv4): does not lead to SWARM-INPUT")
    assert above({"INPUT": ("-j ACCEPT",)}, "INPUT", "SWARM-INPUT") == []


def test_a_forward_chain_that_is_gone_leads_nowhere() -> None:
    words = "does not lead through DOCKER-USER: published ports are not filtered"
    assert said(with_chains("ipv4", FORWARD=None)) == [f"FORWARD (IPv4): {words}"]
    assert said(with_chains("ipv4", FORWARD=("-o docker0 -j ACCEPT",))) == [
        f"FORWARD (IPv4): {words}"
    ]


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (0, "0 seconds"),
        (2 * HOUR - 1, "120 minutes"),
        (2 * HOUR, "2 hours"),
        (2 * DAY - 1, "48 hours"),
        (2 * DAY, "2 days"),
        (9 * DAY + 7, "9 days"),
    ],
)
def test_ages_are_told_in_words(age: int, words: str) -> None:
    [found] = plan_ranges(WebRanges({}, age=age, last_result="ok"), age - 1)
    assert found.reason == f"were last confirmed {words} ago"
    assert plan_ranges(WebRanges({}, age=age, last_result="ok"), age) == []


@pytest.mark.parametrize("result", ["", "ok"])
def test_a_refresh_that_did_not_fail_is_no_reason(result: str) -> None:
    [found] = plan_ranges(WebRanges({}, age=None, last_result=result), DAY)
    assert found.sentence() == "web ranges: have never been refreshed (→ no older than 24 hours)"
