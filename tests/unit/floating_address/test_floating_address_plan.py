"""What a host lacks to hold the floating address, and who holds it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pyinfra_swarm.floating_address.keepalived import configuration
from pyinfra_swarm.floating_address.paths import CONFIGURATION, DROP_IN, MANAGED, PROGRAM, UNIT
from pyinfra_swarm.floating_address.plan import (
    Install,
    Reload,
    Remove,
    Start,
    TakeBack,
    WriteFile,
    could_take,
    holders,
    measured,
    plan_files,
    plan_holding,
    plan_removal,
    told,
    wanted,
)
from pyinfra_swarm.run.findings import Change, Finding, Notice, Refusal
from tests.builders import declared, the
from tests.unit.floating_address.holding import (
    ADDRESS,
    FIRST,
    SECOND,
    SETTINGS,
    converged,
    fresh,
    set_up,
)


def kinds(findings: list[Finding]) -> list[type[Finding]]:
    return [type(finding) for finding in findings]


# How a host is set up
# --------------------


def test_where_all_is_as_declared_there_is_nothing_to_do() -> None:
    for host in SETTINGS.hosts:
        assert plan_files(SETTINGS, host, converged()) == []
        assert plan_holding(SETTINGS, host, converged()) == []


def test_a_fresh_host_gets_all_of_it_and_is_started_by_the_next_step() -> None:
    seen = converged(rk1=fresh(FIRST), holder="rk2")
    found = plan_files(SETTINGS, FIRST, seen)
    assert kinds(found) == [Install, WriteFile, WriteFile, WriteFile]
    assert [one.path for one in found if isinstance(one, WriteFile)] == [
        PROGRAM,
        DROP_IN,
        CONFIGURATION,
    ]
    assert {one.reason for one in found if isinstance(one, WriteFile)} == {"is not there"}


@pytest.mark.parametrize("path", MANAGED)
def test_a_changed_file_is_written_again_and_read(path: str) -> None:
    own = set_up(SETTINGS, FIRST)
    changed = replace(own, sums={**own.sums, path: "another"})
    write, reload = plan_files(SETTINGS, FIRST, converged(rk1=changed))
    assert isinstance(write, WriteFile)
    assert (write.path, write.reason) == (path, "is not as declared")
    assert write.content == wanted(SETTINGS, FIRST, "eth0")[path]
    assert isinstance(reload, Reload)


@pytest.mark.parametrize("more", [{"reload": True}, {"loaded": "an older one"}, {"loaded": ""}])
def test_keepalived_reads_what_it_has_not_read(more: dict[str, Any]) -> None:
    own = replace(set_up(SETTINGS, FIRST), **more)
    assert kinds(plan_files(SETTINGS, FIRST, converged(rk1=own))) == [Reload]
    stopped = replace(own, active=False)
    assert plan_files(SETTINGS, FIRST, converged(rk1=stopped)) == [], "it will when it starts"


def test_a_hand_made_keepalived_is_named_and_left_alone() -> None:
    own = replace(fresh(FIRST), package="1", configuration="somebody else's\n", active=True)
    said = the(Refusal, plan_files(SETTINGS, FIRST, converged(rk1=own)))
    assert said.startswith(f"{CONFIGURATION}: was not written by this project")
    assert "systemctl disable --now keepalived" in said


def test_an_address_that_the_host_has_from_elsewhere_is_refused() -> None:
    own = replace(fresh(FIRST), addresses={"eth0": (f"{FIRST.address}/24", f"{ADDRESS}/24")})
    said = the(Refusal, plan_files(SETTINGS, FIRST, converged(rk1=own)))
    assert "an address of this host already" in said


def test_the_interface_is_that_of_the_hosts_own_address_unless_declared() -> None:
    own = replace(
        fresh(FIRST),
        addresses={"eth0": ("10.0.0.1/24",), "lan": (f"{FIRST.address}/24",), "eth1": ()},
    )
    seen = converged(rk1=own)

    def interface(findings: list[Finding]) -> str:
        [file] = [one for one in findings if isinstance(one, WriteFile) and "etc/k" in one.path]
        return file.content.split("    interface ")[1].split()[0]

    assert interface(plan_files(SETTINGS, FIRST, seen)) == "lan"
    other = declared(exposure={"address": "10.0.0.9", "interface": "eth0"})
    assert interface(plan_files(other, FIRST, seen)) == "eth0"


@pytest.mark.parametrize(
    ("exposure", "addresses", "what", "words"),
    [
        ({"interface": "lan"}, {}, "exposure.interface", "has none of that name"),
        ({}, {"eth0": ("10.0.0.1/24",)}, "exposure.interface", "no interface of this host has"),
        ({"address": "10.0.0.9"}, {}, "exposure.address", "in no network of eth0"),
        ({}, {"eth0": (f"{FIRST.address}/32",)}, "exposure.address", "in no network of eth0"),
    ],
)
def test_where_it_could_not_be_reached_it_is_refused(
    exposure: dict[str, str], addresses: dict[str, tuple[str, ...]], what: str, words: str
) -> None:
    settings = declared(exposure={"address": ADDRESS, **exposure})
    own = replace(fresh(FIRST), addresses={**fresh(FIRST).addresses, **addresses})
    [found] = plan_files(settings, FIRST, converged(settings, rk1=own))
    assert isinstance(found, Refusal)
    assert found.what == what
    assert words in found.reason


def test_of_the_interfaces_networks_those_of_ipv4_are_named() -> None:
    settings = declared(exposure={"address": "10.0.0.9"})
    own = replace(
        fresh(FIRST), addresses={"eth0": (f"{FIRST.address}/24", "2001:db8::11/64", "fe80::1/64")}
    )
    [found] = plan_files(settings, FIRST, {"rk1": own})
    assert isinstance(found, Refusal)
    assert found.expected == "192.168.1.0/24"


def test_an_ipv6_address_out_of_the_interfaces_network_is_told() -> None:
    settings = declared(exposure={"address": ADDRESS, "address6": "2001:db8::9"})
    seen = converged(settings)
    [found] = plan_files(settings, FIRST, seen)
    assert isinstance(found, Notice)
    assert found.what == "exposure.address6"
    own = seen["rk1"]
    assert own is not None
    addresses = {"eth0": (*own.addresses["eth0"], "2001:db8::11/64")}
    assert plan_files(settings, FIRST, {**seen, "rk1": replace(own, addresses=addresses)}) == []
    lonely = {"eth0": (*own.addresses["eth0"], "2001:db8::9/128")}
    assert kinds(plan_files(settings, FIRST, {"rk1": replace(own, addresses=lonely)})) == [Notice]


def test_a_node_that_is_in_the_swarm_and_not_declared_any_more_is_told_of_the_holder() -> None:
    text = wanted(SETTINGS, FIRST, "eth0", ["192.168.1.11", "192.168.1.15"])[CONFIGURATION]
    assert text == configuration(
        name="rk1",
        own="192.168.1.11",
        peers=["192.168.1.12", "192.168.1.13", "192.168.1.14", "192.168.1.15"],
        place=0,
        interface="eth0",
        address=ADDRESS,
    )


def test_the_order_of_the_hosts_is_their_priority() -> None:
    texts = [wanted(SETTINGS, host, "eth0")[CONFIGURATION] for host in SETTINGS.hosts]
    found = [int(text.split("    priority ")[1].split()[0]) for text in texts]
    assert found == [250, 249, 248, 247]
    last = configuration(
        name="x", own="a", peers=["b"], place=500, interface="eth0", address=ADDRESS
    )
    assert "    priority 1\n" in last


def test_both_addresses_move_together() -> None:
    settings = declared(exposure={"address": ADDRESS, "address6": "2001:db8::9"})
    text = wanted(settings, FIRST, "eth0")[CONFIGURATION]
    assert f"virtual_ipaddress {{\n        {ADDRESS}/32 dev eth0\n" in text
    assert "virtual_ipaddress_excluded {\n        2001:db8::9/128 dev eth0\n" in text
    assert "address6=2001:db8::9" in wanted(settings, FIRST, "eth0")[PROGRAM]
    assert "excluded" not in wanted(SETTINGS, FIRST, "eth0")[CONFIGURATION]


@pytest.mark.parametrize("holds", [True, False])
def test_what_is_not_declared_any_more_goes(holds: bool) -> None:
    own = set_up(SETTINGS, FIRST, holds=holds)
    [found] = plan_files(declared(), FIRST, {"rk1": own})
    assert isinstance(found, Remove)
    assert found.found == ("this host holds it" if holds else "set up")


def test_what_was_held_before_keepalived_stopped_is_not_told_as_held() -> None:
    own = set_up(SETTINGS, FIRST, role="MASTER", active=False)
    [found] = plan_removal(own, "")
    assert found.found == "set up"


def test_of_a_hand_made_keepalived_nothing_goes() -> None:
    own = replace(fresh(FIRST), configuration="somebody else's\n", sums={CONFIGURATION: "x"})
    assert plan_removal(own, "") == []
    assert plan_removal(fresh(FIRST), "") == []
    left = replace(fresh(FIRST), sums={PROGRAM: "x"})
    assert kinds(plan_removal(left, "is on the host")) == [Remove]


# Who holds it
# ------------


@pytest.mark.parametrize(
    ("active", "enabled", "reason", "found"),
    [
        (False, False, "does not run", "not active, not enabled"),
        (False, True, "does not run", "not active"),
        (True, False, "would not start at boot", "active, not enabled"),
    ],
)
def test_keepalived_runs_now_and_after_a_boot(
    active: bool, enabled: bool, reason: str, found: str
) -> None:
    own = set_up(SETTINGS, SECOND, active=active, enabled=enabled)
    [start] = plan_holding(SETTINGS, SECOND, converged(rk2=own))
    assert isinstance(start, Start)
    assert (start.what, start.found) == (UNIT, found)
    assert start.reason.startswith(reason)


def test_a_host_that_the_holder_does_not_know_is_not_started() -> None:
    before = declared(workers=0, exposure={"address": ADDRESS})
    settings = declared(exposure={"address": ADDRESS})
    added = settings.hosts[3]
    seen = {**converged(before), "rk4": set_up(settings, added, active=False)}
    said = the(Refusal, plan_holding(settings, added, seen))
    assert "rk1 holds the address and does not know this host yet" in said
    assert "without --limit" in said
    knows = {**seen, "rk1": set_up(settings, FIRST, holds=True)}
    assert kinds(plan_holding(settings, added, knows)) == [Start]
    runs = {**seen, "rk4": set_up(settings, added)}
    assert plan_holding(settings, added, runs) == [], "it is too late to refuse that"
    itself = {
        **converged(before, holder=""),
        "rk4": set_up(settings, added, active=False, holds=True),
    }
    assert kinds(plan_holding(settings, added, itself)) == [Start]
    by_hand = replace(fresh(FIRST), addresses={"eth0": (f"{ADDRESS}/32",)})
    elsewhere = {"rk1": by_hand, "rk4": set_up(settings, added, active=False)}
    assert kinds(plan_holding(settings, added, elsewhere)) == [Start]


def test_a_silent_host_has_no_part_in_it() -> None:
    assert plan_holding(SETTINGS, FIRST, converged(holder="rk2", rk1=None)) == []


def test_what_was_given_up_is_taken_back_unless_a_rolling_job_has_still_to_finish() -> None:
    seen = converged(rk2=set_up(SETTINGS, SECOND, given_up=True))
    assert kinds(plan_holding(SETTINGS, SECOND, seen)) == [TakeBack]
    [told_so] = plan_holding(SETTINGS, SECOND, seen, unfinished=True)
    assert isinstance(told_so, Notice)
    assert "a rolling job has not finished with it" in told_so.reason
    assert plan_holding(SETTINGS, SECOND, converged(), unfinished=True) == []


def test_a_host_that_cannot_hold_it_says_why() -> None:
    seen = converged(rk2=set_up(SETTINGS, SECOND, problem="its engine does not answer"))
    said = the(Notice, plan_holding(SETTINGS, SECOND, seen))
    assert "this host cannot hold it: its engine does not answer" in said


def test_a_drained_manager_does_not_hold_it_and_that_is_no_news() -> None:
    own = set_up(SETTINGS, SECOND, problem="it is drained", drained=True)
    assert plan_holding(SETTINGS, SECOND, converged(rk2=own), drained=True) == []
    nobody = converged(
        holder="",
        rk1=set_up(SETTINGS, FIRST, problem="it is drained", drained=True),
        rk2=own,
    )
    [found] = plan_holding(SETTINGS, FIRST, nobody, drained=True)
    assert "no host holds" in found.reason
    assert "rk1: it is drained; rk2: it is drained; rk3: keepalived has not" in found.reason


def test_what_a_drained_node_has_given_up_is_not_taken_back_before_it_is_active() -> None:
    seen = converged(rk2=set_up(SETTINGS, SECOND, given_up=True))
    assert plan_holding(SETTINGS, SECOND, seen, drained=True) == []


def test_a_drained_worker_that_holds_it_is_told_how_to_hand_it_on() -> None:
    worker = SETTINGS.hosts[3]
    assert worker.role == "worker"
    seen = converged(holder=worker.name)
    assert plan_holding(SETTINGS, worker, seen) == []
    [found] = plan_holding(SETTINGS, worker, seen, drained=True)
    assert isinstance(found, Notice)
    assert "a worker does not know" in found.reason
    assert f"{PROGRAM} give-up" in found.remedy
    assert plan_holding(SETTINGS, worker, converged(), drained=True) == [], "another has it"
    # A manager lets go within some seconds.
    assert plan_holding(SETTINGS, FIRST, converged(), drained=True) == []


def test_two_holders_are_told_on_both_with_the_reason() -> None:
    seen = converged(rk2=set_up(SETTINGS, SECOND, holds=True))
    for host in (FIRST, SECOND):
        said = the(Notice, plan_holding(SETTINGS, host, seen))
        assert "more than one host holds 192.168.1.9" in said
        assert "they do not hear each other (VRRP, protocol 112)" in said
        assert "rk1 and rk2" in said
    assert plan_holding(SETTINGS, SETTINGS.hosts[2], seen) == []


def test_one_that_has_it_from_elsewhere_is_named() -> None:
    by_hand = replace(set_up(SETTINGS, SECOND, holds=True), role="BACKUP")
    said = the(Notice, plan_holding(SETTINGS, SECOND, converged(rk2=by_hand)))
    assert "rk2 has it from elsewhere than keepalived" in said


def test_without_a_holder_the_first_host_that_answers_says_what_each_lacks() -> None:
    seen = converged(
        holder="",
        rk1=None,
        rk2=set_up(SETTINGS, SECOND, given_up=True),
        rk3=set_up(SETTINGS, SETTINGS.hosts[2], active=False),
        rk4=set_up(SETTINGS, SETTINGS.hosts[3], problem="its engine is stopped"),
    )
    assert kinds(plan_holding(SETTINGS, SECOND, seen)) == [TakeBack, Notice]
    reason = plan_holding(SETTINGS, SECOND, seen)[1].reason
    assert "no host holds 192.168.1.9" in reason
    assert (
        "rk2: has given it up; rk3: keepalived does not run; rk4: its engine is stopped" in reason
    )
    assert kinds(plan_holding(SETTINGS, SETTINGS.hosts[3], seen)) == [Notice], "only its own"
    waiting = converged(holder="")
    assert "keepalived has not taken it yet" in plan_holding(SETTINGS, FIRST, waiting)[0].reason


def test_where_nothing_runs_yet_nobody_misses_a_holder() -> None:
    seen = {host.name: fresh(host) for host in SETTINGS.hosts}
    for host in SETTINGS.hosts:
        assert kinds(plan_holding(SETTINGS, host, seen)) == [Start]
    foreign = replace(fresh(FIRST), configuration="somebody else's", active=True, enabled=True)
    stopped = set_up(SETTINGS, SECOND, active=False)
    seen = {"rk1": foreign, "rk2": stopped, "rk3": fresh(SETTINGS.hosts[2])}
    assert plan_holding(SETTINGS, FIRST, seen) == []


def test_without_a_declared_address_nobody_holds_anything() -> None:
    assert plan_holding(declared(), FIRST, {"rk1": fresh(FIRST)}) == []


def test_who_could_take_it() -> None:
    seen = converged(
        rk2=set_up(SETTINGS, SECOND, given_up=True),
        rk3=set_up(SETTINGS, SETTINGS.hosts[2], problem="its engine is stopped"),
    )
    assert could_take(SETTINGS, seen, "rk1") == ["rk4"]
    assert could_take(SETTINGS, {**seen, "rk4": None}, "rk1") == []
    stopped = set_up(SETTINGS, SETTINGS.hosts[3], active=False)
    assert could_take(SETTINGS, {**seen, "rk4": stopped}, "rk1") == []


def test_it_is_told_who_holds_it_since_when_and_how_often_it_has_moved() -> None:
    assert told(SETTINGS, converged()) == "rk1 holds 192.168.1.9 for 2 hours; it has not moved yet"
    moved = converged(holder="rk2", rk1=set_up(SETTINGS, FIRST, taken=2))
    assert told(SETTINGS, moved) == "rk2 holds 192.168.1.9 for 2 hours; it has moved 2 times"
    assert measured(SETTINGS, moved) == {
        "address": ADDRESS,
        "holder": "rk2",
        "since": 7200,
        "moved": 2,
    }
    nobody = converged(holder="")
    assert holders(SETTINGS, nobody) == []
    assert told(SETTINGS, nobody) == "no host holds 192.168.1.9"
    assert measured(SETTINGS, nobody)["moved"] == 0
    assert measured(SETTINGS, nobody)["holder"] == ""
    silent = converged(rk2=None)
    assert measured(SETTINGS, silent)["moved"] == 0
    unknown = converged(rk1=set_up(SETTINGS, FIRST, holds=True, since=None, taken=2))
    assert told(SETTINGS, unknown) == "rk1 holds 192.168.1.9; it has moved 1 time"


def test_every_change_is_carried_out_and_none_is_plain() -> None:
    for kind in (Install, WriteFile, Reload, Start, TakeBack, Remove):
        assert issubclass(kind, Change)
