"""Whether a swarm is to be found or initialised, and by whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyinfra_swarm.networks.plan import plan_ingress
from pyinfra_swarm.nodes.membership import (
    Membership,
    Observed,
)
from pyinfra_swarm.run.findings import Change, Refusal
from pyinfra_swarm.settings import Settings
from pyinfra_swarm.swarm.init import plan_init
from pyinfra_swarm.swarm.join import plan_join
from pyinfra_swarm.swarm.roles import plan_promotion
from tests.builders import (
    CONVERGED,
    FRESH,
    SETTINGS,
    SILENT,
    STOPPED,
    declared,
    node,
    swarm,
    the,
)
from tests.unit.swarm.whole_plan import OBSERVED

RK1, RK2, RK3, RK4 = SETTINGS.hosts


@pytest.mark.parametrize("unsure", [SILENT, STOPPED, Membership("unreachable: curl: (28)")])
def test_a_silent_manager_may_be_in_a_swarm(unsure: Membership | None) -> None:
    observed = {"rk1": FRESH, "rk2": unsure, "rk3": FRESH, "rk4": FRESH}
    for host in SETTINGS.hosts:
        sentence = the(Refusal, plan_init(SETTINGS, observed, host))
        assert "rk2 did not say whether there is one" in sentence
        assert "a second swarm would split the cluster" in sentence
        assert 'swarm.init_without = ["rk2"]' in sentence


def test_a_manager_that_is_gone_for_good_can_be_left_out() -> None:
    settings = declared(swarm={"init_without": ["rk1"]})
    observed = {"rk1": SILENT, "rk2": FRESH, "rk3": FRESH, "rk4": FRESH}
    assert plan_init(settings, observed, settings.host("rk1")) == []
    assert "192.168.1.12" in the(Change, plan_init(settings, observed, settings.host("rk2")))
    assert plan_init(settings, observed, settings.host("rk3")) == []


def test_with_all_managers_left_out_nobody_initialises_it() -> None:
    settings = declared(swarm={"init_without": ["rk1", "rk2", "rk3"]})
    observed = dict.fromkeys(["rk1", "rk2", "rk3"], SILENT)
    sentence = the(Refusal, plan_init(settings, observed, RK4))
    assert "no declared manager that could initialise it" in sentence


def test_a_silent_worker_does_not_keep_the_cluster_from_being_founded() -> None:
    observed = {"rk1": FRESH, "rk2": FRESH, "rk3": FRESH, "rk4": SILENT}
    assert "initialises it" in the(Change, plan_init(SETTINGS, observed, RK1))


def test_a_reinstalled_first_manager_rejoins() -> None:
    nodes = [node(1, state="down", reachability="unreachable", leader=False), *map(node, (2, 3))]
    observed = {**swarm([*nodes, node(4, "worker")]), "rk1": FRESH}
    assert plan_init(SETTINGS, observed, RK1) == []
    stale, join = plan_join(SETTINGS, observed, RK1)
    assert "left behind when it was reinstalled (manager, down, node1 → removed)" in (
        stale.sentence()
    )
    assert "is not in it yet (→ joined as a worker)" in join.sentence()
    assert plan_ingress(SETTINGS, observed, RK1, ()) == []
    assert "joins as a worker → manager" in the(Change, plan_promotion(SETTINGS, observed, RK1))


def test_two_swarms_are_refused_and_both_are_named() -> None:
    observed = {
        **swarm([node(1), node(2)], cluster="swarm1"),
        **swarm([node(3, id="other3")], cluster="swarm2"),
        "rk4": FRESH,
    }
    for host in SETTINGS.hosts:
        sentence = the(Refusal, plan_init(SETTINGS, observed, host))
        assert "rk1 and rk2 in swarm swarm1; rk3 in swarm swarm2" in sentence
        assert "docker swarm leave --force" in sentence


def test_a_worker_of_another_swarm_is_refused_alone() -> None:
    stranger = Membership(
        "running", "rk4", "active", "foreign4", remote_managers={"m": "192.168.1.99:2377"}
    )
    observed = {**CONVERGED, "rk4": stranger}
    sentence = the(Refusal, plan_init(SETTINGS, observed, RK4))
    assert "in another swarm (its managers: 192.168.1.99:2377)" in sentence
    assert "(swarm swarm1, asked at 192.168.1.11)" in sentence
    assert plan_init(SETTINGS, observed, RK1) == []


def test_a_host_that_was_removed_and_does_not_know_is_told_apart_from_a_stranger() -> None:
    removed = Membership(
        "running", "rk4", "active", "old4", remote_managers={"node1": "192.168.1.11:2377"}
    )
    sentence = the(Refusal, plan_init(SETTINGS, {**CONVERGED, "rk4": removed}, RK4))
    assert "was removed from it and does not know that (its node id was old4)" in sentence
    assert "docker swarm leave --force" in sentence


def test_a_locked_manager_is_to_be_unlocked() -> None:
    locked = Membership("running", "rk2", "locked", error="Swarm is encrypted")
    sentence = the(Refusal, plan_init(SETTINGS, {**CONVERGED, "rk2": locked}, RK2))
    assert "deploys/unlock.py" in sentence
    assert plan_init(SETTINGS, {**CONVERGED, "rk2": locked}, RK1) == []


def test_an_engines_own_error_is_passed_on() -> None:
    broken = replace(CONVERGED["rk4"] or FRESH, state="error", error="certificate has expired")
    sentence = the(Refusal, plan_init(SETTINGS, {**CONVERGED, "rk4": broken}, RK4))
    assert "certificate has expired" in sentence


def test_without_a_quorum_nothing_goes_on_anywhere() -> None:
    lost = [
        node(1),
        *(node(n, state="down", reachability="unreachable") for n in (2, 3)),
        node(4, "worker"),
    ]
    observed = {"rk2": SILENT, "rk3": FRESH, **swarm(lost)}
    for host in SETTINGS.hosts:
        sentence = the(Refusal, plan_init(SETTINGS, observed, host))
        assert "rk1 cannot answer for it: fewer managers are reachable than a quorum" in sentence
        assert "(“The swarm does not have a leader.”)" in sentence


def test_a_worker_alone_in_its_swarm_names_the_managers_it_looks_for() -> None:
    observed = {**dict.fromkeys(["rk1", "rk2", "rk3"], FRESH), "rk4": CONVERGED["rk4"]}
    sentence = the(Refusal, plan_init(SETTINGS, observed, RK1))
    assert "rk4 is in a swarm in which no declared manager can be reached" in sentence
    assert "192.168.1.11:2377, 192.168.1.12:2377, 192.168.1.13:2377" in sentence


_INIT_WITHOUT = st.sets(st.sampled_from(["rk1", "rk2", "rk3"])).map(sorted)


def founders(settings: Settings, observed: Observed) -> list[str]:
    return [
        host.name
        for host in settings.hosts
        if any(isinstance(f, Change) for f in plan_init(settings, observed, host))
    ]


@given(OBSERVED, _INIT_WITHOUT)
def test_never_two_hosts_found_a_swarm_and_never_where_there_may_be_one(
    observed: Mapping[str, Membership | None], init_without: list[str]
) -> None:
    settings = declared(3, 2, swarm={"init_without": init_without})
    founding = founders(settings, observed)
    assert len(founding) <= 1
    if founding:
        assert not any(membership and membership.in_swarm for membership in observed.values())
        for manager in settings.managers:
            said = observed.get(manager.name)
            assert (said and said.in_none) or manager.name in init_without


def test_while_planning_a_stopped_engine_is_one_that_the_run_will_start() -> None:
    stopped = {**dict.fromkeys(("rk1", "rk2", "rk3"), FRESH), "rk1": Membership("stopped")}
    for host in (RK1, RK4):
        assert plan_init(SETTINGS, stopped, host, planning=True) == []
        the(Refusal, plan_init(SETTINGS, stopped, host))
    silent = {**stopped, "rk1": Membership("unreachable: curl: (28)")}
    the(Refusal, plan_init(SETTINGS, silent, RK4, planning=True))
    worker = {**CONVERGED, "rk4": Membership("stopped")}
    assert plan_join(SETTINGS, worker, RK4, planning=True) == []
    the(Refusal, plan_join(SETTINGS, worker, RK4))
