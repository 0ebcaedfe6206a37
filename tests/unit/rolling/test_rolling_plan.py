"""Rolling work: whose turn it is, what is done in it, and every refusal in its words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from pyinfra_swarm.docker.installation import PACKAGES, Engine, Package
from pyinfra_swarm.engine.versions import encrypt_alike
from pyinfra_swarm.nodes.membership import Membership, Node, Observed
from pyinfra_swarm.rolling.jobs import (
    ABANDONED_AFTER,
    Options,
    Roll,
    Running,
    Work,
    needs_reboot,
    options,
    reboot,
    restart,
)
from pyinfra_swarm.rolling.nodes import drained, restored
from pyinfra_swarm.rolling.plan import ordinal, plan, still_due, unready
from pyinfra_swarm.rolling.turns import bearers, marks, steps, turns
from pyinfra_swarm.rolling.upgrade import upgrade
from pyinfra_swarm.rolling.waiting import Replicas, absent, company, interrupted, missing, provable
from pyinfra_swarm.run.findings import Change, Finding, Notice, Refusal
from pyinfra_swarm.settings import Settings
from pyinfra_swarm.settings.labels import AVAILABILITY_BEFORE
from pyinfra_swarm.swarm.labels import plan_labels
from tests.builders import declared, node

NOW = 1_800_000_000.0
MARK = "pyinfra-swarm.restart-since"
ALL = Options()


def swarm(*nodes: Node, silent: Sequence[str] = ()) -> dict[str, Membership | None]:
    """What hosts say that are these nodes, as far as they are up."""
    said: dict[str, Membership | None] = {}
    for entry in nodes:
        name = entry.hostname
        if name in silent:
            said[name] = None
        elif entry.state == "down":
            said[name] = Membership("stopped")
        else:
            said[name] = Membership(
                "running",
                hostname=name,
                state="active",
                node=entry.id,
                manager=entry.role == "manager",
                cluster="swarm1",
                nodes=nodes if entry.role == "manager" else None,
            )
    return said


SETTINGS = declared()
NAMES = [host.name for host in SETTINGS.hosts]
NODES = (node(1), node(2), node(3), node(4, "worker"))
WHOLE = swarm(*NODES)


def changed(*which: Node) -> tuple[Node, ...]:
    """The nodes, some of them otherwise."""
    return tuple(next((n for n in which if n.id == entry.id), entry) for entry in NODES)


def runs(**differing: Any) -> Running:
    kernel = "6.8.0-45-generic"
    return replace(
        Running("boot", NOW - 5000, NOW - 4000, kernel, (kernel,), False, ()), **differing
    )


RUNNING: Mapping[str, Running | None] = dict.fromkeys(NAMES, runs())
RESTART = restart(SETTINGS, WHOLE, RUNNING, ALL, NOW)


def engine(version: str | None = "28.5.2", **differing: Any) -> Engine:
    packages = {
        name: Package(f"5:{version}-1~debian.13~trixie", True) for name in PACKAGES if version
    }
    made = Engine(
        distribution="debian",
        codename="trixie",
        architecture="arm64",
        curl=True,
        packages=packages,
        sources="",
        keyring="",
        stale=(),
        daemon_json="{}",
        loaded_json="{}",
        drop_in="",
        running=True,
        enabled=True,
        reload_needed=False,
        changed_since_start=False,
        group=(),
    )
    return replace(made, **differing)


def found(
    roll: Roll,
    observed: Observed = WHOLE,
    settings: Settings = SETTINGS,
    among: Sequence[str] = (),
    *,
    planning: bool = True,
) -> dict[str, list[Finding]]:
    """What the plan holds for each host."""
    names = among or [host.name for host in settings.hosts]
    order = turns(settings, observed, roll, names)
    return {
        host.name: plan(settings, observed, roll, host, order, names, planning=planning)
        for host in settings.hosts
        if host.name in names
    }


def sentences(findings: Mapping[str, list[Finding]]) -> dict[str, list[str]]:
    return {name: [finding.sentence() for finding in told] for name, told in findings.items()}


def the_refusal(findings: Mapping[str, list[Finding]]) -> str:
    """The one refusal that every host with something to do has."""
    told = [finding for own in findings.values() for finding in own]
    assert told
    assert all(isinstance(finding, Refusal) and finding.remedy for finding in told)
    [sentence] = {finding.sentence() for finding in told}
    return sentence


# The turns
# ---------


def test_managers_come_before_workers_and_the_leader_last_of_them() -> None:
    assert turns(SETTINGS, WHOLE, RESTART, NAMES) == ("rk2", "rk3", "rk1", "rk4")
    assert sentences(found(RESTART)) == {
        "rk1": ["the Docker daemon: is restarted, 3rd of 4"],
        "rk2": ["the Docker daemon: is restarted, 1st of 4"],
        "rk3": ["the Docker daemon: is restarted, 2nd of 4"],
        "rk4": ["the Docker daemon: is restarted, 4th of 4"],
    }


def test_a_node_that_was_left_half_way_comes_first() -> None:
    left = swarm(
        *changed(node(4, "worker", availability="drain", labels={AVAILABILITY_BEFORE: "active"}))
    )
    assert turns(SETTINGS, left, RESTART, NAMES) == ("rk4", "rk2", "rk3", "rk1")


def test_a_limited_run_has_only_its_own_turns() -> None:
    assert turns(SETTINGS, WHOLE, RESTART, ["rk3"]) == ("rk3",)
    assert sentences(found(RESTART, among=["rk3"])) == {
        "rk3": ["the Docker daemon: is restarted, 1st of 1"]
    }


def test_where_nothing_is_to_be_done_nothing_is_said() -> None:
    assert turns(SETTINGS, WHOLE, Roll("reboot", {}), NAMES) == ()
    assert set(map(len, found(Roll("reboot", {})).values())) == {0}


def test_a_node_is_drained_and_remembered_in_one_update_and_put_back_in_another() -> None:
    assert drained(node(2), {MARK: "1800000000"}) == [
        *("--availability", "drain"),
        *("--label-add", f"{AVAILABILITY_BEFORE}=active"),
        *("--label-add", f"{MARK}=1800000000"),
    ]
    half = node(2, availability="drain", labels={AVAILABILITY_BEFORE: "active", MARK: "1800000000"})
    assert drained(half, {}) == ["--availability", "drain"]
    assert restored(half) == ["--availability", "active", "--label-rm", AVAILABILITY_BEFORE]
    assert restored(half, [MARK])[-2:] == ["--label-rm", MARK]


@pytest.mark.parametrize("availability", ["active", "pause", "drain"])
def test_it_gets_back_the_availability_that_it_had(availability: str) -> None:
    [_, before] = drained(node(2, availability=availability), {})[2:]
    key, _, value = before.partition("=")
    assert restored(node(2, availability="drain", labels={key: value}))[:2] == [
        "--availability",
        availability,
    ]


def test_a_node_that_is_changed_already_is_only_looked_at_and_put_back() -> None:
    half = node(2, availability="drain", labels={AVAILABILITY_BEFORE: "active"})
    assert steps(Roll("reboot", {}), "rk2", half) == ("return", "prove", "restore")
    told = found(Roll("reboot", {}), swarm(*changed(half)))
    assert sentences({"rk2": told["rk2"]})["rk2"] == [
        "availability: was taken by a rolling job that did not come through, 1st of 1 "
        "(drain → active)"
    ]


def test_a_host_that_is_in_no_swarm_is_left_alone() -> None:
    observed = {**WHOLE, "rk4": Membership("running", hostname="rk4")}
    told = found(restart(SETTINGS, observed, RUNNING, ALL, NOW), observed)
    assert [type(finding) for finding in told["rk4"]] == [Notice]
    assert "this host is not in it" in told["rk4"][0].sentence()
    assert isinstance(told["rk2"][0], Change)


@pytest.mark.parametrize(
    ("number", "word"),
    [
        *((1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (12, "12th")),
        *((13, "13th"), (14, "14th"), (22, "22nd"), (101, "101st"), (111, "111th"), (113, "113th")),
    ],
)
def test_places_are_called_as_people_call_them(number: int, word: str) -> None:
    assert ordinal(number) == word


# What there is to do: restart and reboot
# ---------------------------------------


def test_engines_that_were_started_since_the_beginning_are_done() -> None:
    running = {**RUNNING, "rk2": runs(engine_started=NOW + 30)}
    assert set(restart(SETTINGS, WHOLE, running, ALL, NOW).work) == {"rk1", "rk3", "rk4"}


def test_the_beginning_is_kept_in_a_label_and_an_interrupted_roll_goes_on_from_it() -> None:
    assert marks(RESTART, NAMES) == {MARK: "1800000000"}
    begun = swarm(*changed(node(2, labels={MARK: "1799999000"})))
    running = {**RUNNING, "rk2": runs(engine_started=NOW - 900)}
    later = restart(SETTINGS, begun, running, ALL, NOW)
    assert later.continued
    assert set(later.work) == {"rk1", "rk3", "rk4"}
    assert marks(later, NAMES) == {}


def test_a_run_of_some_hosts_keeps_no_beginning() -> None:
    assert marks(RESTART, ["rk3"]) == {}


def test_what_was_begun_long_ago_is_begun_anew() -> None:
    long_ago = swarm(*changed(node(2, labels={MARK: str(int(NOW - ABANDONED_AFTER - 1))})))
    anew = restart(SETTINGS, long_ago, RUNNING, ALL, NOW)
    assert not anew.continued
    assert set(anew.work) == set(NAMES)


def test_the_label_is_taken_off_in_the_last_turn() -> None:
    nodes = changed(node(2, labels={MARK: "1800000000"}))
    [cluster] = [m for name, m in swarm(*nodes).items() if name == "rk1"]
    assert cluster is not None
    work = Work("the Docker daemon", "is restarted")
    last = Roll("restart", {"rk4": work}, mark=MARK)
    assert bearers(last, cluster, "rk4") == [nodes[1]]
    assert bearers(replace(last, work={"rk4": work, "rk3": work}), cluster, "rk4") == []


def test_a_label_that_is_left_of_a_roll_that_has_come_through_is_taken_off() -> None:
    left = swarm(*changed(node(2, labels={MARK: "1799999000"})))
    running = dict.fromkeys(NAMES, runs(engine_started=NOW - 10))
    told = found(restart(SETTINGS, left, running, ALL, NOW), left)
    assert sentences(told) == {
        "rk1": [],
        "rk2": [f"label {MARK}: is left of a restart of all that has come through"],
        "rk3": [],
        "rk4": [],
    }


def test_a_roll_is_of_nothing_until_it_is_told() -> None:
    bare = Roll("reboot", {})
    assert (bare.refusals, bare.mark, bare.begun) == ((), "", 0.0)
    assert not bare.continued
    assert not bare.accepted


def test_a_job_goes_by_its_name_and_takes_the_owners_word() -> None:
    running = {**RUNNING, "rk3": runs(reboot_required=True)}
    for given in (ALL, Options(everything=True)):
        accepted = replace(given, interruption=True)
        for roll in (
            reboot(SETTINGS, WHOLE, running, given, NOW),
            reboot(SETTINGS, WHOLE, running, accepted, NOW),
        ):
            assert roll.job == "reboot"
        assert roll.accepted
        assert not reboot(SETTINGS, WHOLE, running, given, NOW).accepted
    assert RESTART.job == "restart"
    assert restart(SETTINGS, WHOLE, RUNNING, Options(interruption=True), NOW).accepted


def test_an_engine_that_never_started_is_to_be_restarted() -> None:
    running = {**RUNNING, "rk2": runs(engine_started=None)}
    assert "rk2" in restart(SETTINGS, WHOLE, running, ALL, NOW).work


def test_an_engine_that_started_when_the_roll_began_is_done() -> None:
    running = {**RUNNING, "rk2": runs(engine_started=NOW)}
    assert "rk2" not in restart(SETTINGS, WHOLE, running, ALL, NOW).work


def test_of_several_beginnings_the_latest_counts_and_odd_ones_do_not() -> None:
    labels = ["1799999000", "1799998000", "yesterday", ""]
    nodes = changed(*(node(n, labels={MARK: text}) for n, text in enumerate(labels[:3], 1)))
    assert restart(SETTINGS, swarm(*nodes), RUNNING, ALL, NOW).begun == 1799999000
    odd = changed(node(1, labels={MARK: labels[2]}), node(2, labels={MARK: labels[3]}))
    assert restart(SETTINGS, swarm(*odd), RUNNING, ALL, NOW).begun == NOW


def test_a_roll_is_abandoned_after_a_day() -> None:
    assert ABANDONED_AFTER == 24 * 3600
    long_ago = swarm(*changed(node(2, labels={MARK: str(int(NOW - ABANDONED_AFTER))})))
    assert not restart(SETTINGS, long_ago, RUNNING, ALL, NOW).continued
    lately = swarm(*changed(node(2, labels={MARK: str(int(NOW - ABANDONED_AFTER + 1))})))
    assert restart(SETTINGS, lately, RUNNING, ALL, NOW).continued


def test_only_hosts_that_answer_and_are_nodes_have_a_turn() -> None:
    assert set(restart(SETTINGS, WHOLE, {**RUNNING, "rk4": None}, ALL, NOW).work) == {
        *("rk1", "rk2", "rk3")
    }
    fresh: Observed = dict.fromkeys(NAMES, Membership("running"))
    assert restart(SETTINGS, fresh, RUNNING, ALL, NOW).work == {}
    outside = {**WHOLE, "rk4": Membership("running", hostname="rk4")}
    assert "rk4" not in restart(SETTINGS, outside, RUNNING, ALL, NOW).work


def test_a_turn_has_its_steps() -> None:
    assert steps(RESTART, "rk2", node(2)) == (
        *("drain", "leave", "change", "return", "prove", "restore"),
    )
    marked = node(2, labels={MARK: "1"})
    assert steps(replace(RESTART, work={}), "rk2", marked) == ("forget",)
    other = replace(RESTART, work={"rk3": RESTART.work["rk3"]})
    assert steps(other, "rk2", marked) == ()
    assert steps(Roll("reboot", {}), "rk2", marked) == ()


def test_a_job_whose_work_can_be_seen_keeps_no_beginning() -> None:
    unmarked = replace(RESTART, mark="", work={})
    cluster = WHOLE["rk1"]
    assert cluster is not None
    assert marks(unmarked, NAMES) == {}
    assert bearers(unmarked, replace(cluster, nodes=changed(node(2, labels={"": "x"}))), "") == []


def test_labels_are_set_in_one_order_and_only_those_that_are_there_are_taken_off() -> None:
    words = drained(node(2), {"z": "1", "a": "2"})
    assert words[2:] == [
        *("--label-add", "a=2"),
        *("--label-add", f"{AVAILABILITY_BEFORE}=active"),
        *("--label-add", "z=1"),
    ]
    assert AVAILABILITY_BEFORE == "pyinfra-swarm.availability-before"
    assert restored(node(2, labels={AVAILABILITY_BEFORE: "pause"}), [MARK]) == [
        *("--availability", "pause", "--label-rm", AVAILABILITY_BEFORE)
    ]


@pytest.mark.parametrize(
    ("host", "why"),
    [
        (
            runs(kernel="6.1.0", kernels=("6.1.1", "6.2.0-generic")),
            "kernel 6.1.1 is installed, 6.1.0 runs",
        ),
        (runs(), ""),
        (runs(reboot_required=True), "the system asks"),
        (
            runs(reboot_required=True, reboot_packages=("libc6", "linux-base", "libc6")),
            "the system asks for it (libc6 and linux-base)",
        ),
        (
            runs(kernels=("6.8.0-45-generic", "6.8.0-101-generic", "6.8.0-9-generic")),
            "kernel 6.8.0-101-generic is installed, 6.8.0-45-generic runs",
        ),
        (runs(kernels=("6.8.0-45-generic", "6.11.0-1-lowlatency")), ""),
        (
            runs(kernel="6.12.48+deb13-arm64", kernels=("6.12.57+deb13-arm64",)),
            "kernel 6.12.57+deb13-arm64 is installed, 6.12.48+deb13-arm64 runs",
        ),
        (runs(kernel="6.1.0-rockchip-rk3588", kernels=()), ""),
        (runs(kernels=()), ""),
    ],
)
def test_a_host_waits_for_a_reboot_where_the_system_or_a_newer_kernel_says_so(
    host: Running, why: str
) -> None:
    assert needs_reboot(host) == why


def test_only_hosts_that_wait_for_it_are_rebooted_unless_all_are_asked_for() -> None:
    running = {**RUNNING, "rk3": runs(reboot_required=True)}
    assert set(reboot(SETTINGS, WHOLE, running, ALL, NOW).work) == {"rk3"}
    everything = reboot(SETTINGS, WHOLE, running, Options(everything=True), NOW)
    assert set(everything.work) == set(NAMES)
    assert everything.mark == "pyinfra-swarm.reboot-since"
    told = found(reboot(SETTINGS, WHOLE, running, ALL, NOW))
    assert sentences(told)["rk3"] == ["this host: is rebooted, 1st of 1: the system asks"]


# What there is to do: upgrade
# ----------------------------

OLD = tuple(replace(entry, engine_version="26.1.5") for entry in NODES)
NEW = declared(docker={"version": "28.5.2"})
OFFERED = ("5:28.5.2-1~debian.13~trixie", "5:26.1.5-1~debian.13~trixie")


def upgraded(
    settings: Settings = NEW,
    nodes: tuple[Node, ...] = OLD,
    engines: Mapping[str, Engine | None] | None = None,
    given: Options = ALL,
    offers: Mapping[str, Sequence[str] | None] | None = None,
    fetched: Sequence[str] = NAMES,
) -> Roll:
    installed = engines or {n.hostname: engine(n.engine_version) for n in nodes}
    offered = dict.fromkeys(NAMES, OFFERED) if offers is None else offers
    return upgrade(settings, swarm(*nodes), installed, offered, given, fetched=fetched)


def test_nodes_of_another_version_are_upgraded() -> None:
    told = sentences(found(upgraded(), swarm(*OLD), NEW))
    assert told["rk2"] == ["Docker: is upgraded, 1st of 4 (26.1.5 → 28.5.2)"]
    assert told["rk1"] == ["Docker: is upgraded, 3rd of 4 (26.1.5 → 28.5.2)"]


def test_a_roll_that_was_interrupted_goes_on_with_the_rest() -> None:
    nodes = (OLD[0], NODES[1], OLD[2], OLD[3])
    assert set(upgraded(nodes=nodes).work) == {"rk1", "rk3", "rk4"}


@pytest.mark.parametrize(
    ("installed", "runs_still"),
    [
        pytest.param(engine("28.5.2"), "26.1.5", id="installed, but not started anew"),
        pytest.param(engine("28.5.2", running=False), "28.5.2", id="installed and stopped"),
        pytest.param(engine(None, running=False), "26.1.5", id="taken apart"),
    ],
)
def test_a_node_whose_upgrade_was_interrupted_is_not_done(
    installed: Engine, runs_still: str
) -> None:
    nodes = changed(node(2, engine_version=runs_still, labels={AVAILABILITY_BEFORE: "active"}))
    engines = {**{name: engine() for name in NAMES}, "rk2": installed}
    assert set(upgraded(nodes=nodes, engines=engines).work) == {"rk2"}


HALF_INSTALLED = engine(packages={"docker-ce": Package("5:28.5.2-1~debian.13~trixie", True)})


@pytest.mark.parametrize(
    "installed", [engine("26.1.5"), HALF_INSTALLED, engine(running=False)], ids=str
)
def test_one_thing_that_is_not_as_declared_is_enough_for_a_turn(installed: Engine) -> None:
    engines = {**{name: engine() for name in NAMES}, "rk2": installed}
    roll = upgraded(nodes=NODES, engines=engines)
    assert (roll.job, set(roll.work), roll.refusals) == ("upgrade", {"rk2"}, ())
    assert roll.work["rk2"].found == "28.5.2"


def test_only_nodes_that_can_be_looked_at_are_upgraded() -> None:
    engines: dict[str, Engine | None] = {name: engine("26.1.5") for name in NAMES}
    assert set(upgraded(engines={**engines, "rk4": None}).work) == {"rk1", "rk2", "rk3"}
    outside = {**swarm(*OLD), "rk4": Membership("running", hostname="rk4")}
    roll = upgrade(NEW, outside, engines, {}, ALL, fetched=())
    assert set(roll.work) == {"rk1", "rk2", "rk3"}


def test_engines_without_a_swarm_are_judged_by_what_is_installed() -> None:
    fresh: Observed = dict.fromkeys(NAMES, Membership("running"))
    engines = {"rk1": engine(), "rk2": engine("26.1.5"), "rk3": None, "rk4": engine(None)}
    roll = upgrade(NEW, fresh, engines, {}, ALL, fetched=())
    assert {name: work.found for name, work in roll.work.items()} == {"rk2": "26.1.5", "rk4": ""}


@pytest.mark.parametrize(
    ("entry", "installed", "version"),
    [
        (node(2, engine_version="26.1.5"), engine(), "26.1.5"),
        (node(2, engine_version="26.1.5", state="down"), engine("27.0.1"), "27.0.1"),
        (node(2, engine_version="26.1.5", state="unknown"), engine("27.0.1"), "27.0.1"),
        (node(2, engine_version="", labels={}), engine("27.0.1"), "27.0.1"),
        (node(2, engine_version="26.1.5", state="down"), engine(None), ""),
    ],
)
def test_the_version_is_that_which_runs_where_the_swarm_says_so(
    entry: Node, installed: Engine, version: str
) -> None:
    engines = {**{name: engine() for name in NAMES}, "rk2": installed}
    assert upgraded(nodes=changed(entry), engines=engines).work["rk2"].found == version


def test_what_the_owner_accepts_goes_with_the_roll() -> None:
    assert upgraded(given=Options(interruption=True)).accepted
    assert not upgraded().accepted


def test_the_same_version_again_is_no_downgrade() -> None:
    engines = {name: engine(running=False) for name in NAMES}
    assert upgraded(nodes=NODES, engines=engines).refusals == ()


def test_hosts_and_versions_are_told_in_their_order() -> None:
    backwards = {name: engine("9.0.1") for name in reversed(NAMES)}
    older = declared(docker={"version": "8.0.0"})
    nodes = tuple(replace(entry, engine_version="9.0.1") for entry in NODES)
    offers = dict.fromkeys(NAMES, ("5:10.0.0-1~debian", "5:9.0.1-1~debian", "5:11.0.0-rc.1"))
    downgrade, lacking = upgraded(older, nodes, backwards, offers=offers).refusals
    assert "what rk1, rk2, rk3 and rk4 run" in downgrade.reason
    assert "rk1, rk2, rk3 and rk4 cannot have it" in lacking.reason
    assert lacking.found == "offered to all hosts: 10.0.0, 9.0.1"
    mixed = {"rk1": engine("10.0.0"), "rk2": engine("9.0.1"), "rk3": engine(None)}
    [refusal] = upgraded(SETTINGS, nodes, mixed, offers={**offers, "rk4": None, "rk3": ()}).refusals
    assert refusal.found == "running: none, 9.0.1, 10.0.0"
    assert 'docker.version = "10.0.0"' in refusal.remedy


def test_an_offer_that_is_not_known_is_no_reason_to_refuse() -> None:
    assert upgraded(offers={**dict.fromkeys(NAMES, OFFERED), "rk4": None}).refusals == ()


def test_engines_that_do_not_understand_each_other_are_known_from_both_sides() -> None:
    """From what the swarm says of its nodes, and from what is installed on hosts without it."""
    settings = declared(docker={"version": "29.4.0"})
    nodes = (replace(NODES[0], engine_version="29.1.3"), *of("29.4.0")[1:3], of("29.0.1")[3])
    roll = upgraded(settings, nodes, offers=offer("29.4.0"))
    assert [refusal.reason.partition(" understand")[0] for refusal in roll.refusals] == [
        "29.0.1 and 29.1.3 (on rk1 and rk4)"
    ]
    fresh: Observed = dict.fromkeys(NAMES, Membership("running"))
    engines = {"rk1": engine("29.1.3"), "rk2": engine(None), "rk3": engine("29.4.0")}
    [refusal] = upgrade(settings, fresh, engines, {}, ALL, fetched=()).refusals
    assert refusal.reason.startswith("29.1.3 (on rk1) understands no other release")
    done = {"rk1": engine("29.4.0")}
    assert upgrade(settings, swarm(*nodes[:1]), done, {}, ALL, fetched=()).work
    assert upgraded(settings, of("29.4.0"), offers=offer("29.4.0")).refusals == ()


def test_nodes_that_nobody_can_look_at_are_asked_of_too_while_there_is_work() -> None:
    settings = declared(docker={"version": "29.4.0"})
    nodes = (*of("29.4.0")[:3], of("29.1.3")[3])
    engines: dict[str, Engine | None] = {name: engine("29.4.0") for name in NAMES}
    engines["rk4"] = None
    done = upgraded(settings, nodes, engines, offers=offer("29.4.0"))
    assert (done.work, done.refusals) == ({}, ())
    engines["rk3"] = engine("29.4.0", running=False)
    [refusal] = upgraded(settings, nodes, engines, offers=offer("29.4.0")).refusals
    assert refusal.reason.startswith("29.1.3 (on rk4) understands no other release")


def test_a_host_without_an_engine_does_not_misunderstand_anybody() -> None:
    settings = declared(docker={"version": "29.1.3"})
    fresh: Observed = dict.fromkeys(NAMES, Membership("running"))
    assert upgrade(settings, fresh, {"rk1": engine(None)}, {}, ALL, fetched=()).refusals == ()


def test_of_two_kinds_that_do_not_understand_it_the_usual_one_decides() -> None:
    settings = declared(docker={"version": "29.1.3"})
    nodes = (*of("28.5.2")[:2], *of("9.0.1")[2:])
    [refusal, *_] = upgraded(settings, nodes, offers=offer("29.1.3")).refusals
    assert refusal.what == "docker.version"
    assert refusal.reason.startswith("29.1.3 and 9.0.1 and 28.5.2 do not")


def test_as_declared_nothing_is_to_be_done() -> None:
    roll = upgraded(nodes=NODES)
    assert (roll.work, roll.refusals) == ({}, ())


def test_without_a_declared_version_there_is_nothing_to_upgrade_to() -> None:
    words = the_refusal(found(upgraded(SETTINGS), swarm(*OLD)))
    assert words == (
        "docker.version: is not declared, so there is nothing to upgrade to (found running: "
        '26.1.5). Declare docker.version = "28.5.2", the newest that all hosts can have by their '
        "package lists"
    )
    unknown = the_refusal(found(upgraded(SETTINGS, offers={}), swarm(*OLD)))
    assert "apt-cache madison docker-ce" in unknown


def test_a_host_that_cannot_have_it_stops_all_before_the_first() -> None:
    offers = {**dict.fromkeys(NAMES, OFFERED), "rk4": OFFERED[1:]}
    words = the_refusal(found(upgraded(offers=offers), swarm(*OLD), NEW))
    assert words == (
        "docker.version: rk4 cannot have it: the repository does not offer it there, so no host is "
        "touched (offered to all hosts: 26.1.5 → 28.5.2). Declare one of these, or make the "
        "repository reachable (apt-get update)"
    )


def test_a_host_on_which_the_preparations_have_failed_stops_all_before_the_first() -> None:
    assert unready(upgraded(), NAMES, NAMES) == []
    assert unready(upgraded(), ["rk1"], ["rk1"]) == []
    [refusal] = unready(upgraded(), NAMES, ["rk1", "rk2", "rk3"])
    assert refusal.sentence() == (
        "Docker's packages: could not be made ready on rk4, so no node is touched. Mend what the "
        "message of that host says, then run the same command again"
    )


def test_an_old_package_list_is_no_reason_to_refuse() -> None:
    offers = {**dict.fromkeys(NAMES, OFFERED), "rk4": OFFERED[1:]}
    assert upgraded(offers=offers, fetched=["rk1"]).refusals == ()


def test_a_downgrade_has_to_be_asked_for() -> None:
    older = declared(docker={"version": "26.1.5"})
    words = the_refusal(found(upgraded(older, NODES), WHOLE, older))
    assert words == (
        "docker.version: is older than what rk1, rk2, rk3 and rk4 run, and an engine does not "
        "promise to read what a newer one has written (26.1.5 → 28.5.2). Declare the newer one, "
        "or, if you have backups: --data downgrade=accepted"
    )
    assert upgraded(older, NODES, given=Options(downgrade=True)).refusals == ()


def of(version: str) -> tuple[Node, ...]:
    return tuple(replace(entry, engine_version=version) for entry in NODES)


def offer(version: str) -> dict[str, Sequence[str] | None]:
    return dict.fromkeys(NAMES, (f"5:{version}-1~debian.13~trixie",))


def test_a_version_that_the_others_would_not_understand_is_refused_with_the_way_around() -> None:
    settings = declared(docker={"version": "29.1.3"})
    roll = upgraded(settings, of("28.5.2"), offers=offer("29.1.3"))
    words = the_refusal(found(roll, swarm(*of("28.5.2")), settings))
    assert words == (
        "docker.version: 29.1.3 and 28.5.2 do not understand each other over encrypted networks "
        "(moby #51798): during the upgrade, old and new nodes would exchange nothing (found "
        "29.1.3). Declare 29.2.1 or newer, which gets on with them"
    )
    accepted = upgraded(
        settings, of("28.5.2"), given=Options(interruption=True), offers=offer("29.1.3")
    )
    assert accepted.refusals  # there is a way around, so nobody needs to accept it


def test_away_from_such_a_version_there_is_no_way_but_an_interruption() -> None:
    settings = declared(docker={"version": "29.4.0"})
    roll = upgraded(settings, of("29.1.3"), offers=offer("29.4.0"))
    words = the_refusal(found(roll, swarm(*of("29.1.3")), settings))
    assert words == (
        "Docker Engine: 29.1.3 understands no other release over encrypted networks (moby #51798): "
        "until the last node has 29.4.0, old and new nodes exchange nothing. There is no way "
        "around this version but through an interruption of that traffic; at an hour of your "
        "choice: --data interruption=accepted"
    )
    given = Options(interruption=True)
    assert upgraded(settings, of("29.1.3"), given=given, offers=offer("29.4.0")).refusals == ()


def test_where_only_some_run_what_it_does_not_understand_they_are_named() -> None:
    settings = declared(docker={"version": "29.1.3"})
    nodes = (*of("29.1.3")[:1], *of("28.5.2")[1:2], *of("29.1.3")[2:])
    roll = upgraded(settings, nodes, offers=offer("29.1.3"))
    words = the_refusal(found(roll, swarm(*nodes), settings))
    assert "29.1.3 and 28.5.2 (on rk2) do not understand each other" in words


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("26.1.5", "28.5.2", True),
        ("28.5.2", "29.1.3", False),
        ("28.5.2", "29.0.0", False),
        ("28.5.2", "29.2.0", False),
        ("28.5.2", "29.2.1", True),
        ("29.1.3", "29.2.1", False),
        ("29.0.1", "29.1.5", True),
        ("28.2.2", "28.5.2", False),
        ("28.2.2", "29.1.0", True),
        ("25.0.13", "25.0.12", False),
        ("25.0.14", "25.0.15", False),
    ],
)
def test_which_engines_understand_each_other(one: str, other: str, alike: bool) -> None:
    assert encrypt_alike(one, other) is alike


def test_traffic_is_proven_only_where_all_can_understand_each_other() -> None:
    cluster = WHOLE["rk1"]
    assert cluster is not None
    assert provable(cluster)
    mixed = replace(cluster, nodes=changed(node(2, engine_version="29.1.3")))
    assert not provable(mixed)
    away = changed(node(2, engine_version="29.1.3", state="down"))
    assert provable(replace(cluster, nodes=away))


# Before a node is taken away
# ---------------------------


@pytest.mark.parametrize(
    ("ill", "named"),
    [
        (node(3, state="down", reachability="unreachable"), "rk3 is down"),
        (node(3, reachability="unreachable"), "rk3 is a manager that is not reachable"),
        (node(4, "worker", state="unknown"), "rk4 is unknown"),
    ],
)
@pytest.mark.parametrize("planning", [True, False])
def test_a_swarm_that_is_not_whole_is_left_as_it_is(ill: Node, named: str, planning: bool) -> None:
    words = the_refusal(found(RESTART, swarm(*changed(ill)), planning=planning))
    assert words == (
        f"the swarm: is not whole: {named}; a rolling job takes one node away at a time, and only "
        "while all others are there. Bring back what is missing, or take it out of the swarm, then "
        "run again"
    )


def test_a_host_that_does_not_answer_stops_the_roll() -> None:
    words = the_refusal(found(RESTART, swarm(*NODES, silent=["rk4"])))
    assert words == (
        "the hosts: rk4 did not answer, and a rolling job begins only when every host can be "
        "looked at. Bring it back, or leave it out: --exclude NAME"
    )
    left_out = found(RESTART, swarm(*NODES, silent=["rk4"]), among=["rk1", "rk2", "rk3"])
    assert all(isinstance(told[0], Change) for told in left_out.values())


HALF = node(2, availability="drain", labels={AVAILABILITY_BEFORE: "active"})


def test_no_other_node_is_taken_while_one_has_not_come_through() -> None:
    told = found(RESTART, swarm(*changed(HALF)), planning=False)
    assert isinstance(told["rk2"][0], Change)
    assert [finding.sentence() for finding in told["rk3"]] == [
        "the swarm: rk2 has not come through a rolling job yet, so no other node is taken away. "
        "Look at it, then run the same command again, without --limit"
    ]
    assert told["rk3"] == told["rk1"] == told["rk4"]


def test_one_that_has_not_come_through_does_not_stand_in_the_way_of_a_plan() -> None:
    cut = replace(HALF, state="down", reachability="unreachable")
    told = found(RESTART, swarm(*changed(cut)))
    assert all(isinstance(own[0], Change) for own in told.values())
    assert "1st of 4" in told["rk2"][0].sentence()
    waits = found(RESTART, swarm(*changed(cut)), planning=False)
    assert all(isinstance(waits[name][0], Refusal) for name in ("rk1", "rk3", "rk4"))


def test_a_manager_that_its_restart_has_locked_is_finished() -> None:
    """Its engine cannot say which node it is: the address tells."""
    observed = swarm(*changed(replace(HALF, state="down")))
    locked = {**observed, "rk2": Membership("running", state="locked")}
    [told] = found(Roll("restart", {}), locked, planning=False)["rk2"]
    assert told.sentence().startswith("availability: was taken by a rolling job")


def test_one_that_has_not_come_through_is_finished_also_while_others_are_missing() -> None:
    """Of five managers one more may be missing; were it two, the quorum would be lost."""
    settings = declared(5, 0)
    nodes = [node(number) for number in range(1, 6)]
    nodes[1] = HALF
    nodes[4] = node(5, state="down", reachability="unreachable")
    work = dict.fromkeys((n.hostname for n in nodes), Work("the Docker daemon", "is restarted"))
    roll = Roll("restart", work)
    told = found(roll, swarm(*nodes), settings, planning=False)
    assert isinstance(told["rk2"][0], Change)
    nodes[3] = node(4, state="down", reachability="unreachable")
    told = found(roll, swarm(*nodes), settings, planning=False)
    assert told["rk2"][0].sentence() == (
        "the quorum: of 5 managers 3 must stay reachable, and without this one only 2 would be. "
        "Bring the other managers back first, then run again"
    )


@pytest.mark.parametrize(
    ("managers", "words"),
    [
        (1, "the managers: there is only one: while it is worked on, nothing in the swarm"),
        (2, "the managers: there are two, and both must be reachable: while one is worked on"),
    ],
)
def test_one_or_two_managers_cannot_be_spared_so_it_has_to_be_asked_for(
    managers: int, words: str
) -> None:
    settings = declared(managers, 1)
    nodes = [*map(node, range(1, managers + 1)), node(managers + 1, "worker")]
    names = [n.hostname for n in nodes]
    running: dict[str, Running | None] = dict.fromkeys(names, runs())
    roll = restart(settings, swarm(*nodes), running, ALL, NOW)
    refusal = the_refusal(found(roll, swarm(*nodes), settings))
    assert refusal.startswith(words)
    assert refusal.endswith("--data interruption=accepted")
    accepted = restart(settings, swarm(*nodes), running, Options(interruption=True), NOW)
    told = found(accepted, swarm(*nodes), settings)
    assert all(isinstance(own[0], Change) for own in told.values())
    # A worker can be spared in any case.
    alone = replace(roll, work={names[-1]: roll.work[names[-1]]})
    assert isinstance(found(alone, swarm(*nodes), settings)[names[-1]][0], Change)


def test_a_node_that_was_left_half_way_does_not_wait_for_itself_or_another() -> None:
    both = swarm(*changed(HALF, replace(HALF, id="node3", hostname="rk3", address="192.168.1.13")))
    told = found(RESTART, both, planning=False)
    assert isinstance(told["rk2"][0], Change)
    assert isinstance(told["rk3"][0], Change)
    assert isinstance(told["rk4"][0], Refusal)


def test_three_managers_of_which_one_is_missing_can_spare_none() -> None:
    work = {name: Work("the Docker daemon", "is restarted") for name in NAMES}
    cut = node(3, state="down", reachability="unreachable")
    observed = swarm(*changed(HALF, cut))
    told = found(Roll("restart", work), observed, planning=False)
    assert told["rk2"][0].what == "the quorum"
    # A plan counts on those that were left half-way, and on no other.
    left = replace(HALF, state="down", reachability="unreachable")
    also = replace(HALF, id="node3", hostname="rk3", address="192.168.1.13")
    planned = found(Roll("restart", work), swarm(*changed(left, also)))
    assert isinstance(planned["rk3"][0], Change)


def test_a_plan_counts_only_on_what_it_has_left_half_way() -> None:
    """Five managers: rk2 was left half-way, rk3 and rk4 are missing for another reason."""
    settings = declared(5, 0)
    gone: dict[str, Any] = {"state": "down", "reachability": "unreachable"}
    nodes = [
        node(1, labels={AVAILABILITY_BEFORE: "active"}),
        replace(HALF, **gone),
        node(3, **gone),
        node(4, **gone),
        node(5),
    ]
    work = {name: Work("the Docker daemon", "is restarted") for name in ("rk1", "rk5")}
    observed = swarm(*nodes)
    order = [host.name for host in settings.hosts]
    first = settings.host("rk1")
    [planned] = plan(settings, observed, Roll("restart", work), first, order, order, planning=True)
    assert "only 2 would be" in planned.reason
    [begun] = plan(settings, observed, Roll("restart", work), first, order, order, planning=False)
    assert "only 1 would be" in begun.reason
    # rk2 itself has been worked on: what is left is to put it back, whatever the quorum is.
    [back] = plan(
        settings, observed, Roll("restart", work), settings.host("rk2"), order, order, planning=True
    )
    assert isinstance(back, Change)


def test_a_worker_takes_nothing_from_the_quorum() -> None:
    settings = declared(3, 1)
    gone: dict[str, Any] = {"state": "down", "reachability": "unreachable"}
    nodes = changed(node(2, **gone), node(4, "worker", labels={AVAILABILITY_BEFORE: "active"}))
    work = {"rk4": Work("the Docker daemon", "is restarted")}
    told = found(Roll("restart", work), swarm(*nodes), settings, planning=False)
    assert isinstance(told["rk4"][0], Change)
    only = (node(1), replace(node(2, **gone), leader=False), node(3, **gone), nodes[3])
    # Nobody answers for that swarm any more, and it is said so.
    assert found(Roll("restart", work), swarm(*only), settings)["rk4"]


def test_a_swarm_of_two_managers_is_asked_about_only_where_one_of_them_has_a_turn() -> None:
    settings = declared(2, 2)
    nodes = (node(1), node(2), node(3, "worker"), node(4, "worker"))
    work = {name: Work("the Docker daemon", "is restarted") for name in NAMES}
    workers = ["rk3", "rk4"]
    limited = found(Roll("restart", work), swarm(*nodes), settings, among=workers)
    assert all(isinstance(own[0], Change) for own in limited.values())
    assert the_refusal(found(Roll("restart", work), swarm(*nodes), settings)).startswith(
        "the managers"
    )


def test_a_worker_is_no_matter_to_the_quorum_nor_a_node_that_is_not_worked_on() -> None:
    settings = declared(3, 1)
    nodes = changed(
        replace(HALF, state="down", reachability="unreachable"),
        node(3, labels={AVAILABILITY_BEFORE: "active"}, availability="drain"),
        node(4, "worker", labels={AVAILABILITY_BEFORE: "active"}, availability="drain"),
    )
    work = {name: Work("the Docker daemon", "is restarted") for name in ("rk2", "rk4")}
    told = found(Roll("restart", work), swarm(*nodes), settings, planning=False)
    assert isinstance(told["rk4"][0], Change)
    assert isinstance(told["rk3"][0], Change)


def test_hosts_are_named_in_their_order_and_silent_ones_are_not_named() -> None:
    lost = {name: replace(m, nodes=None) if m else None for name, m in reversed(WHOLE.items())}
    lost["rk2"] = None
    assert "(rk1, rk3 and rk4 are in one)" in the_refusal(found(RESTART, lost))
    fallen: Observed = {"rk4": Membership("stopped"), "rk2": None, "rk1": Membership("stopped")}
    assert "Docker is stopped on rk1 and rk4" in the_refusal(found(RESTART, fallen))


def test_a_host_that_does_not_answer_is_not_said_to_be_outside() -> None:
    """Nor one in another swarm, which the whole roll says."""
    gone = tuple(entry for entry in NODES if entry.hostname != "rk4")
    assert found(RESTART, {**swarm(*gone), "rk4": None}, among=["rk1", "rk4"])["rk4"] == []


def test_without_a_swarm_there_is_nothing_to_roll() -> None:
    fresh: Observed = dict.fromkeys(NAMES, Membership("absent"))
    words = the_refusal(found(RESTART, fresh))
    assert words == (
        "the swarm: there is none yet, so there is nothing to do one node after the other. "
        "deploys/site.py makes it"
    )


def test_an_engine_that_was_left_stopped_is_named_where_nobody_answers() -> None:
    fallen: Observed = dict.fromkeys(NAMES, Membership("stopped"))
    words = the_refusal(found(RESTART, fallen))
    assert words == (
        "the swarm: no manager answers for it, and Docker is stopped on rk1, rk2, rk3 and rk4. "
        "deploys/docker.py completes what was left half-way there, and starts it; then run again"
    )


def test_without_a_quorum_nothing_can_be_changed() -> None:
    lost = {name: replace(m, nodes=None) if m else None for name, m in WHOLE.items()}
    words = the_refusal(found(RESTART, lost))
    assert words.startswith(
        "the swarm: no manager can answer for it (rk1, rk2, rk3 and rk4 are in one): fewer managers"
    )


# What the owner may say
# ----------------------


def test_options_are_read() -> None:
    said = {"wait": "60", "interruption": "accepted", "downgrade": "accepted", "all": "yes"}
    assert options(said.get) == Options(60, True, True, True)
    assert options(lambda key: None) == Options()


# Waiting
# -------


def test_services_that_were_whole_have_to_be_whole_again() -> None:
    before = (Replicas("web", 3, 3, 0), Replicas("ill", 2, 1, 0), Replicas("pinned", 1, 1, 0))
    now = (Replicas("web", 3, 2, 0), Replicas("ill", 2, 0, 0), Replicas("pinned", 1, 0, 1))
    assert missing(before, now) == ["web (2 of 3)"]
    assert interrupted(now) == ["pinned"]
    assert missing(before, before) == []


def test_only_those_that_were_there_are_waited_for() -> None:
    cluster = WHOLE["rk1"]
    assert cluster is not None
    ill = replace(cluster, nodes=changed(node(4, "worker", state="down")))
    assert company(ill, NODES[1]) == ("node1", "node3")


def test_a_worker_has_no_place_among_the_managers_to_come_back_to() -> None:
    own, cluster = WHOLE["rk4"], WHOLE["rk1"]
    assert own is not None
    assert cluster is not None
    assert absent(own, cluster, "node4", "28.5.2", ingress=True) == ""
    assert absent(replace(own, in_ingress=True), cluster, "node4", "", ingress=True) == ""


def test_where_no_node_is_there_nothing_can_be_proven() -> None:
    cluster = WHOLE["rk1"]
    assert cluster is not None
    gone = tuple(replace(entry, state="down") for entry in NODES)
    assert not provable(replace(cluster, nodes=gone))
    assert provable(replace(cluster, nodes=(NODES[0], *gone[1:])))


def test_what_is_missing_until_a_node_is_back_is_said() -> None:
    own, cluster = WHOLE["rk2"], WHOLE["rk1"]
    assert own is not None
    assert cluster is not None
    others = company(cluster, NODES[1])
    assert others == ("node1", "node3", "node4")
    assert absent(own, cluster, "node2", "28.5.2", others) == ""
    assert absent(None, cluster, "node2", "") == "the host does not answer"
    assert absent(Membership("stopped"), cluster, "node2", "") == "its engine is stopped"
    locked = replace(own, state="locked")
    assert "unlock it (`docker swarm unlock`)" in absent(locked, cluster, "node2", "")
    pending = replace(own, state="pending", error="no manager")
    assert "is “pending” (no manager)" in absent(pending, cluster, "node2", "")
    assert absent(own, None, "node2", "") == "no manager answers for the swarm"
    assert "do not know it" in absent(own, cluster, "node9", "")

    def seen(other: Node) -> Membership:
        return replace(cluster, nodes=changed(other)) if cluster else own

    assert "say that it is down" in absent(own, seen(node(2, state="down")), "node2", "")
    unreachable = node(2, reachability="unreachable")
    assert "not reachable yet" in absent(own, seen(unreachable), "node2", "")
    assert "engine 28.5.2 on it, not 29.4.0" in absent(own, cluster, "node2", "29.4.0")
    # A new leader does not know of the others at first.
    unknown = seen(node(4, "worker", state="unknown"))
    assert absent(own, unknown, "node2", "", others) == (
        "the managers say of others: rk4 is unknown"
    )
    assert absent(own, unknown, "node2", "", ("node1",)) == ""
    cut = replace(own, in_ingress=False)
    assert "ingress network" in absent(cut, cluster, "node2", "", ingress=True)
    assert absent(cut, cluster, "node2", "") == ""


# What site.py makes of it
# ------------------------


def test_the_site_leaves_a_node_that_is_worked_on_as_it_is() -> None:
    half = node(2, availability="drain", labels={AVAILABILITY_BEFORE: "active", MARK: "1800000000"})
    observed = swarm(*changed(half))
    [notice] = plan_labels(SETTINGS, observed, SETTINGS.host("rk2"))
    assert isinstance(notice, Notice)
    assert notice.sentence() == (
        "availability: was taken by a rolling job that did not come through (drain → active). Run "
        "that job again (deploys/upgrade.py, deploys/restart.py or deploys/reboot.py): it goes on "
        "where it stopped"
    )
    hosts: Any = [host.model_dump() for host in SETTINGS.hosts]
    hosts[1]["availability"] = "active"
    active = Settings(hosts=hosts)
    assert plan_labels(active, observed, active.host("rk2")) == [notice]


# Right before a node is changed
# ------------------------------

DRAINED = replace(node(1), availability="drain", labels={AVAILABILITY_BEFORE: "active"})
DUE = Roll("restart", {"rk1": Work("the Docker daemon", "is restarted")}, mark=MARK, begun=NOW)


def due(*nodes: Node, roll: Roll = DUE, silent: Sequence[str] = ()) -> list[str]:
    observed = swarm(*nodes, silent=silent)
    found = still_due(SETTINGS, observed, roll, SETTINGS.host("rk1"), NAMES)
    return [refusal.sentence() for refusal in found]


def test_a_drained_node_is_changed() -> None:
    assert due(DRAINED, *NODES[1:]) == []


@pytest.mark.parametrize(
    "now",
    [
        node(1),
        replace(DRAINED, availability="active"),
        replace(DRAINED, labels={}),
    ],
    ids=["put back", "active", "not ours any more"],
)
def test_a_node_that_was_put_back_meanwhile_is_left_alone(now: Node) -> None:
    [said] = due(now, *NODES[1:])
    assert said.startswith("restart: since this node's turn began, somebody else has changed it")


def test_a_node_that_somebody_else_has_changed_meanwhile_is_left_alone() -> None:
    [said] = due(DRAINED, *NODES[1:], roll=replace(DUE, work={}))
    assert "somebody else has changed it" in said


def test_a_node_is_not_changed_where_another_manager_was_lost_meanwhile() -> None:
    lost = replace(node(2), state="down", reachability="unreachable")
    [said] = due(DRAINED, lost, *NODES[2:])
    assert "of 3 managers 2 must stay reachable, and without this one only 1 would be" in said


def test_a_node_is_not_changed_while_nobody_answers_for_the_swarm() -> None:
    nodes = (DRAINED, *NODES[1:])
    observed = {
        name: replace(own, nodes=None) if own else None for name, own in swarm(*nodes).items()
    }
    [said] = still_due(SETTINGS, observed, DUE, SETTINGS.host("rk1"), NAMES)
    assert "no manager can answer for it" in said.sentence()
