"""The plan as a whole: from each state that a swarm may be found in, the steps, or the refusal."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from pyinfra_swarm.deploys import states
from pyinfra_swarm.networks.plan import ReplaceIngress
from pyinfra_swarm.nodes.membership import Membership, Node, Observed, Overlay, Service
from pyinfra_swarm.run.findings import Notice
from pyinfra_swarm.settings import Settings
from pyinfra_swarm.swarm.init import Init
from pyinfra_swarm.swarm.join import Clear, Join
from pyinfra_swarm.swarm.labels import SetLabel
from pyinfra_swarm.swarm.plan import Plan, plan
from pyinfra_swarm.swarm.roles import Demote, Promote, plan_demotion
from pyinfra_swarm.swarm.stages import STAGES, Seen
from tests.builders import (
    ABSENT,
    CLEAR_INGRESS,
    CONVERGED,
    FRESH,
    SETTINGS,
    SILENT,
    STOPPED,
    declared,
    node,
    nodes_of,
    swarm,
)

DOWN: dict[str, Any] = {"state": "down", "reachability": "unreachable", "leader": False}
RK1, RK2, RK3, RK4 = SETTINGS.hosts


def planned(
    observed: Observed, settings: Settings = SETTINGS, services: Sequence[Service] = ()
) -> Plan:
    return plan(Seen(settings, observed, services, planning=True))


def outline(of: Plan) -> list[tuple[str, type]]:
    return [(host, type(step)) for host, step in of.steps]


def words(of: Plan) -> dict[str, str]:
    return {host: refusal.sentence() for host, refusal in of.refusals}


def notices(of: Plan) -> list[str]:
    found = [(entry.host, finding) for entry in of.entries for finding in entry.findings]
    return [f"{host}: {one.sentence()}" for host, one in found if isinstance(one, Notice)]


def test_nothing() -> None:
    fresh = {host.name: ABSENT for host in SETTINGS.hosts}
    assert outline(planned(fresh)) == [
        ("rk1", Init),
        ("rk1", ReplaceIngress),
        ("rk2", Join),
        ("rk3", Join),
        ("rk4", Join),
        ("rk2", Promote),
        ("rk3", Promote),
    ]


def test_a_plan_is_asked_for_one_stage_of_one_host() -> None:
    found = planned({host.name: ABSENT for host in SETTINGS.hosts})
    of = {
        (stage.operation, host.name): [type(finding) for finding in found.of(stage, host.name)]
        for stage in STAGES
        for host in SETTINGS.hosts
    }
    assert {where: kinds for where, kinds in of.items() if kinds} == {
        ("initialised", "rk1"): [Init],
        ("ingress_encrypted", "rk1"): [ReplaceIngress],
        **{("joined", name): [Join] for name in ("rk2", "rk3", "rk4")},
        **{("promoted", name): [Promote] for name in ("rk2", "rk3")},
    }


def test_a_swarm_made_by_hand_from_notes() -> None:
    """A clear ingress network with its default subnet, labels of the owner's, all managers."""
    hand = replace(CLEAR_INGRESS, subnets=("10.0.0.0/24",))
    nodes = [node(n, labels={"zone": "attic"} if n == 1 else {}) for n in (1, 2, 3, 4)]
    found = planned(swarm(nodes, (hand,)))
    assert outline(found) == [("rk1", ReplaceIngress), ("rk4", Demote)]
    assert ["rk1: label zone" in one for one in notices(found)] == [True]


def test_some_joined() -> None:
    observed = {**swarm([node(1), node(2, "worker")]), "rk3": FRESH, "rk4": ABSENT}
    assert outline(planned(observed)) == [
        *(("rk3", Join), ("rk4", Join)),
        *(("rk2", Promote), ("rk3", Promote)),
    ]


@pytest.mark.parametrize("name", ["rk1", "rk2"])
def test_a_reinstalled_manager_also_the_first(name: str) -> None:
    nodes = [
        replace(entry, **DOWN) if entry.hostname == name else entry for entry in nodes_of(SETTINGS)
    ]
    found = planned({**swarm(nodes), name: FRESH})
    assert outline(found) == [(name, Clear), (name, Join), (name, Promote)]


CUT_OFF = replace(node(9, "worker", state="unknown"), hostname="", address="")
"""What a manager keeps of a join that lost its power in the middle."""


def test_the_first_that_joins_clears_what_is_left_of_joins_that_were_cut_off() -> None:
    observed = {**swarm([node(1), node(2), CUT_OFF]), "rk3": FRESH, "rk4": FRESH}
    found = planned(observed)
    assert outline(found)[:3] == [("rk3", Clear), ("rk3", Join), ("rk4", Join)]
    assert notices(found) == []


@pytest.mark.parametrize(
    "other",
    [
        replace(CUT_OFF, state="ready"),
        replace(CUT_OFF, hostname="rk9"),
        replace(CUT_OFF, address="192.168.1.19"),
        replace(CUT_OFF, role="manager", reachability="unreachable"),
    ],
)
def test_a_node_that_may_be_somebody_is_not_cleared(other: Node) -> None:
    found = planned({**swarm([node(1), node(2), other]), "rk3": FRESH, "rk4": FRESH})
    assert Clear not in [step for _, step in outline(found)]


def test_where_nobody_joins_it_is_told() -> None:
    [notice] = notices(planned(swarm([*nodes_of(SETTINGS), CUT_OFF])))
    assert f"node {CUT_OFF.id}: is an entry of a join that was cut off" in notice
    assert f"--data host={CUT_OFF.id}" in notice


def test_a_reinstalled_worker() -> None:
    nodes = [*nodes_of(SETTINGS)[:3], node(4, "worker", state="down")]
    found = planned({**swarm(nodes), "rk4": FRESH})
    assert outline(found) == [("rk4", Clear), ("rk4", Join)]


def test_a_host_in_another_swarm_is_refused_alone() -> None:
    elsewhere = Membership(
        "running", "rk4", "active", "far", remote_managers={"m": "10.0.0.1:2377"}
    )
    found = planned({**CONVERGED, "rk4": elsewhere})
    assert outline(found) == []
    assert "in another swarm (its managers: 10.0.0.1:2377)" in words(found)["rk4"]
    assert list(words(found)) == ["rk4"]


def test_two_swarms_stop_all_hosts() -> None:
    observed = {
        **swarm([node(1)]),
        **swarm([node(2, id="far")], cluster="swarm2"),
        **{"rk3": FRESH, "rk4": FRESH},
    }
    found = planned(observed)
    assert outline(found) == []
    assert [*words(found)] == ["rk1", "rk2", "rk3", "rk4"]
    assert "rk1 in swarm swarm1; rk2 in swarm swarm2" in words(found)["rk3"]


def test_a_host_that_is_silent_has_no_part_in_the_plan() -> None:
    far = swarm([node(2, id="far")], cluster="swarm2")
    found = planned({**swarm([node(1)]), **far, "rk3": SILENT, "rk4": FRESH})
    assert [*words(found)] == ["rk1", "rk2", "rk4"]
    assert not [entry for entry in found.entries if entry.host == "rk3"]


def test_a_stopped_engine_stands_in_the_way_only_when_it_is_the_swarms_turn() -> None:
    """Before, a run will have started it: nothing is said of what it will be then."""
    observed = {**swarm(nodes_of(SETTINGS)[:3]), "rk4": STOPPED}
    assert planned(observed).entries == ()
    assert words(plan(Seen(SETTINGS, observed)))["rk4"].startswith("the swarm: Docker is stopped")
    nobody = {host.name: STOPPED for host in SETTINGS.hosts}
    assert planned(nobody).refusals == []
    assert "was not initialised" in words(plan(Seen(SETTINGS, nobody)))["rk1"]


def test_a_manager_that_is_down_keeps_nobody_from_joining() -> None:
    nodes = [node(1), node(2), node(3, **DOWN)]
    assert outline(planned({**swarm(nodes), "rk3": SILENT, "rk4": FRESH})) == [("rk4", Join)]


def test_with_the_quorum_lost_nothing_is_done() -> None:
    nodes = [node(1), node(2, **DOWN), node(3, **DOWN)]
    found = planned({**swarm(nodes), "rk2": SILENT, "rk3": SILENT, "rk4": FRESH})
    assert outline(found) == []
    assert "fewer managers are reachable than a quorum" in words(found)["rk4"]


def test_an_error_without_words_is_none() -> None:
    """Seen of an engine that works, and had to start its part of the swarm twice."""
    own = CONVERGED["rk3"]
    assert own is not None
    assert planned({**CONVERGED, "rk3": replace(own, state="error")}).entries == ()
    broken = planned({**CONVERGED, "rk3": replace(own, state="error", error="expired")})
    assert "the engine reports an error: expired" in words(broken)["rk3"]


def test_a_dead_twin() -> None:
    twin = node(4, "worker", id="twin", state="down")
    assert outline(planned(swarm([*nodes_of(SETTINGS), twin]))) == [("rk4", Clear)]


@pytest.mark.parametrize("number", [1, 4])
def test_an_address_that_has_changed_is_told_with_the_way_out(number: int) -> None:
    """A node's address is that of its joining (moby 41043); changing it means leaving."""
    nodes = [
        replace(entry, address="10.9.9.9") if entry.hostname == f"rk{number}" else entry
        for entry in nodes_of(SETTINGS)
    ]
    found = planned(swarm(nodes))
    assert outline(found) == []
    [notice] = notices(found)
    assert f"rk{number}: address: the swarm knows this host under another address" in notice
    assert f"deploys/replace.py --data host=rk{number}" in notice


def test_a_node_drained_by_hand_is_told() -> None:
    nodes = [*nodes_of(SETTINGS)[:3], node(4, "worker", availability="drain")]
    found = planned(swarm(nodes))
    assert outline(found) == []
    assert "availability: was set by hand (drain → active)" in notices(found)[0]


def test_a_node_promoted_by_hand_is_demoted() -> None:
    found = planned(swarm([node(n) for n in (1, 2, 3, 4)]))
    assert outline(found) == [("rk4", Demote)]
    [(_, step)] = found.steps
    assert isinstance(step, Demote)
    assert (step.on, step.leader) == ("rk1", False)
    assert step.sentence() == "role: is declared a worker (manager → worker)"


@pytest.mark.parametrize("overlays", [(), (CLEAR_INGRESS,)], ids=["missing", "in clear text"])
def test_an_ingress_network_that_is_missing_or_clear(overlays: tuple[Overlay, ...]) -> None:
    assert outline(planned(swarm(nodes_of(SETTINGS), overlays))) == [("rk1", ReplaceIngress)]


def test_an_ingress_network_in_use_keeps_newcomers_out() -> None:
    observed = {**swarm(nodes_of(SETTINGS)[:3], (CLEAR_INGRESS,)), "rk4": FRESH}
    found = planned(observed, services=[Service("web", (), (80,))])
    assert outline(found) == []
    assert "web (port 80)" in words(found)["rk1"]
    assert (
        "this host does not join yet: its ingress network is not encrypted" in (words(found)["rk4"])
    )


def test_an_ingress_network_with_another_subnet_is_told() -> None:
    other = Overlay("i", "ingress", True, True, ("10.0.0.0/24",))
    found = planned(swarm(nodes_of(SETTINGS), (other,)))
    assert outline(found) == []
    assert "another subnet than declared (10.0.0.0/24 → 10.201.0.0/24)" in notices(found)[0]


def test_what_a_step_will_have_done_decides_about_the_next() -> None:
    """rk4 can only be demoted when the promotions before have been made."""
    observed = swarm([node(1), node(2, "worker"), node(3, "worker"), node(4)])
    assert outline(planned(observed)) == [("rk2", Promote), ("rk3", Promote), ("rk4", Demote)]
    [refusal] = plan_demotion(SETTINGS, observed, RK4, leader=False)
    assert "is not demoted yet: rk2 and rk3" in refusal.sentence()


def test_only_what_the_run_works_on_is_counted_on() -> None:
    observed = swarm([node(1), node(2, "worker"), node(3, "worker"), node(4)])
    limited = plan(Seen(SETTINGS, observed, planning=True), among=["rk4"])
    assert outline(limited) == []
    assert "rk2 and rk3 are declared a manager and not a reachable one" in words(limited)["rk4"]


def test_a_refused_host_is_out_of_the_stages_after() -> None:
    settings = declared(rk4={"labels": {"disk": "nvme"}})
    elsewhere = Membership("running", "rk4", "active", "far")
    assert outline(planned({**CONVERGED, "rk4": elsewhere}, settings)) == []
    assert outline(planned(CONVERGED, settings)) == [("rk4", SetLabel)]


# Demotions
# ---------


def managers(*numbers: int, leader: int = 1) -> list[Node]:
    return [node(n, leader=n == leader) for n in numbers]


def test_of_two_demotions_the_second_is_judged_by_what_the_first_leaves() -> None:
    settings = declared(1, 3)
    found = planned(swarm([*managers(1, 3, 4), node(2, **DOWN)]), settings)
    assert outline(found) == [("rk3", Demote)]
    assert "only 1 is (1 < 2)" in words(found)["rk4"]


def test_the_leader_is_demoted_last_and_through_another() -> None:
    settings = declared(1, 3)
    found = planned(swarm(managers(1, 2, 3, 4, leader=2)), settings)
    assert outline(found) == [("rk3", Demote), ("rk4", Demote), ("rk2", Demote)]
    last = found.steps[-1][1]
    assert isinstance(last, Demote)
    assert (last.leader, last.on) == (True, "rk1")


def test_the_last_manager_that_can_be_asked_is_kept_whoever_else_leads() -> None:
    old = [node(n, hostname=f"old{n}", leader=False) for n in (8, 9)]
    nodes = [node(4, leader=True), *old, node(1, **DOWN)]
    observed = {"rk4": swarm(nodes)["rk4"], "rk1": SILENT}
    settings = declared(1, 3)
    assert plan_demotion(settings, observed, RK4, leader=True) == []  # nobody is there to ask
    nodes = [node(4, leader=True), *old, node(1), node(2, **DOWN), node(3, **DOWN)]
    observed = {**swarm(nodes), "rk2": SILENT, "rk3": SILENT}
    [refusal] = plan_demotion(SETTINGS, observed, RK4, leader=True)
    assert "rk2 and rk3 are declared a manager and not a reachable one" in refusal.sentence()
    assert "1 declared host would manage the swarm; 2 are needed (1 < 2)" in refusal.sentence()


def test_the_last_manager_is_never_demoted() -> None:
    nodes = [node(4, leader=True), node(1, "worker")]
    [refusal] = plan_demotion(SETTINGS, swarm(nodes), RK4, leader=True)
    assert "it is the last manager, and a swarm cannot be without one" in refusal.sentence()


def test_a_demotion_that_would_cost_the_quorum_is_refused_with_the_arithmetic() -> None:
    settings = declared(2, 2)
    nodes = [node(1), node(8, hostname="old", **DOWN), node(4)]
    [refusal] = plan_demotion(settings, swarm(nodes), settings.host("rk4"), leader=False)
    assert "of the 2 other managers 2 would have to be reachable, and only 1 is (1 < 2)" in (
        refusal.sentence()
    )


def test_a_manager_that_nobody_sees_is_not_demoted() -> None:
    nodes = [*managers(1, 2, 3), node(4, **DOWN)]
    own = Membership("running", "rk4", "active", "node4", manager=True)
    [refusal] = plan_demotion(SETTINGS, {**swarm(nodes), "rk4": own}, RK4, leader=False)
    assert (
        "the node is down, so nobody could confirm that it becomes a worker" in refusal.sentence()
    )


def test_a_demotion_that_was_broken_off_is_waited_for() -> None:
    nodes = [*managers(1, 2, 3), node(4, "worker", reachability="reachable")]
    found = planned(swarm(nodes))
    assert outline(found) == [("rk4", Demote)]
    assert "manager, its demotion not finished → worker" in found.steps[0][1].sentence()


def test_a_promotion_that_was_broken_off_is_waited_for() -> None:
    nodes = [node(1), node(2), node(3, reachability=""), node(4, "worker")]
    found = planned(swarm(nodes))
    assert outline(found) == [("rk3", Promote)]
    assert "manager, not reachable yet → manager" in found.steps[0][1].sentence()


# The deploy
# ----------


def test_an_engine_that_is_only_stopped_is_started_before_and_is_what_it_was() -> None:
    """Nothing but its start is a difference: neither its role nor what its node carries."""
    settings = declared(3, 1)
    nodes = [
        replace(n, labels={}, state="down", reachability="unreachable")
        if n.hostname == "rk2"
        else n
        for n in nodes_of(settings)
    ]
    observed = {**swarm(nodes), "rk2": Membership("stopped")}
    assert plan(Seen(settings, observed, planning=True)).entries == ()
    gone = [n for n in nodes if n.hostname != "rk2"]
    observed = {**swarm(gone), "rk2": Membership("stopped")}
    assert plan(Seen(settings, observed, planning=True)).entries, "it will have to come in again"


def test_the_stages_are_the_deploys_operations_in_its_order() -> None:
    text = inspect.getsource(states)
    deploy = text[text.index("def swarm(") :]
    rooms = "init|join|labels|networks|roles"
    called = re.findall(rf"^ *(?:{rooms})_operations\.(\w+)\(", deploy, re.MULTILINE)
    assert called == [stage.operation for stage in STAGES]
    serial = [stage.operation for stage in STAGES if stage.serial]
    assert deploy.count("_serial=True") == len(serial) == 3
