"""What a restart and a reboot have to do, and what the owner may say to a rolling job."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pyinfra_swarm.nodes.membership import Membership, Observed
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
from pyinfra_swarm.rolling.turns import labelled, labels_to_set
from tests.builders import node
from tests.unit.rolling.rolling_examples import (
    ALL,
    MARK,
    NAMES,
    NOW,
    RESTART,
    RUNNING,
    SETTINGS,
    WHOLE,
    changed,
    found,
    runs,
    sentences,
    swarm,
)


def test_engines_that_were_started_since_the_beginning_are_done() -> None:
    running = {**RUNNING, "rk2": runs(engine_started=NOW + 30)}
    assert set(restart(SETTINGS, WHOLE, running, ALL, NOW).work) == {"rk1", "rk3", "rk4"}


def test_the_beginning_is_kept_in_a_label_and_an_interrupted_roll_goes_on_from_it() -> None:
    assert labels_to_set(RESTART, NAMES) == {MARK: "1800000000"}
    begun = swarm(*changed(node(2, labels={MARK: "1799999000"})))
    running = {**RUNNING, "rk2": runs(engine_started=NOW - 900)}
    later = restart(SETTINGS, begun, running, ALL, NOW)
    assert later.continued
    assert set(later.work) == {"rk1", "rk3", "rk4"}
    assert labels_to_set(later, NAMES) == {}


def test_a_run_of_some_hosts_keeps_no_beginning() -> None:
    assert labels_to_set(RESTART, ["rk3"]) == {}


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
    last = Roll("restart", {"rk4": work}, since_label=MARK)
    assert labelled(last, cluster, "rk4") == [nodes[1]]
    assert labelled(replace(last, work={"rk4": work, "rk3": work}), cluster, "rk4") == []


def test_a_label_that_is_left_of_a_roll_that_has_come_through_is_taken_off() -> None:
    left = swarm(*changed(node(2, labels={MARK: "1799999000"})))
    running = dict.fromkeys(NAMES, runs(engine_started=NOW - 10))
    told = found(restart(SETTINGS, left, running, ALL, NOW), left)
    assert sentences(told) == {
        "rk1": [],
        "rk2": [f"label {MARK}: is left over from a restart of all nodes that has completed"],
        "rk3": [],
        "rk4": [],
    }


def test_a_roll_is_of_nothing_until_it_is_told() -> None:
    bare = Roll("reboot", {})
    assert (bare.refusals, bare.since_label, bare.begun) == ((), "", 0.0)
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


def test_a_job_whose_work_can_be_seen_keeps_no_beginning() -> None:
    unmarked = replace(RESTART, since_label="", work={})
    cluster = WHOLE["rk1"]
    assert cluster is not None
    assert labels_to_set(unmarked, NAMES) == {}
    assert labelled(unmarked, replace(cluster, nodes=changed(node(2, labels={"": "x"}))), "") == []


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
    assert everything.since_label == "pyinfra-swarm.reboot-since"
    told = found(reboot(SETTINGS, WHOLE, running, ALL, NOW))
    assert sentences(told)["rk3"] == ["this host: is rebooted, 1st of 1: the system asks"]


def test_options_are_read() -> None:
    said = {"wait": "60", "interruption": "accepted", "downgrade": "accepted", "all": "yes"}
    assert options(said.get) == Options(60, True, True, True)
    assert options(lambda key: None) == Options()
