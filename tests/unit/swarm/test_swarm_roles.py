"""Promotions, and those that are refused."""

from __future__ import annotations

from dataclasses import replace

from pyinfra_swarm.nodes.membership import (
    Membership,
)
from pyinfra_swarm.run.findings import Change, Refusal
from pyinfra_swarm.swarm.roles import Demote, plan_demotion, plan_promotion
from tests.builders import (
    CONVERGED,
    FRESH,
    SETTINGS,
    declared,
    node,
    swarm,
    the,
)

RK1, RK2, RK3, RK4 = SETTINGS.hosts


def test_a_declared_manager_that_is_a_worker_is_promoted() -> None:
    observed = swarm([node(1), node(2), node(3, "worker"), node(4, "worker")])
    assert "worker → manager" in the(Change, plan_promotion(SETTINGS, observed, RK3))
    assert plan_promotion(SETTINGS, observed, RK4) == []


def test_a_promotion_that_would_cost_the_quorum_is_refused_with_the_arithmetic() -> None:
    # Three of five managers are reachable: with a sixth, four of six are, just a quorum.
    settings = declared(6, 0)
    nodes = [node(n) for n in (1, 2, 3)]
    nodes += [node(n, state="down", reachability="unreachable") for n in (4, 5)]
    observed = {**swarm([*nodes, node(6, "worker")])}
    assert "worker → manager" in the(
        Change, plan_promotion(settings, observed, settings.host("rk6"))
    )
    nodes += [node(7, hostname="stranger", reachability="unreachable")]
    view = Membership("running", "rk1", "active", "node1", "", True, "swarm1", None, tuple(nodes))
    observed = {"rk1": view, "rk6": replace(FRESH, state="active", node="node6")}
    view = replace(view, nodes=(*nodes, node(8, reachability="unreachable"), node(6, "worker")))
    sentence = the(
        Refusal, plan_promotion(settings, {**observed, "rk1": view}, settings.host("rk6"))
    )
    assert "of 8 managers 5 would have to be reachable" in sentence
    assert "only 3 of the present 7 are (3 + 1 < 5)" in sentence


def test_a_node_that_does_not_answer_is_not_promoted() -> None:
    nodes = [node(1), node(2), node(3, "worker", state="down"), node(4, "worker")]
    own = Membership("running", "rk3", "active", "node3")
    sentence = the(Refusal, plan_promotion(SETTINGS, {**swarm(nodes), "rk3": own}, RK3))
    assert "the node is down" in sentence


def test_a_manager_is_demoted_by_another_one() -> None:
    settings = declared(rk1={"role": "worker"})
    [step] = plan_demotion(settings, CONVERGED, settings.host("rk1"), leader=True)
    assert isinstance(step, Demote)
    assert (step.leader, step.on) == (True, "rk2")
