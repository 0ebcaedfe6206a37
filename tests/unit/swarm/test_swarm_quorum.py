"""What is done to managers never costs the quorum: restarts and promotions."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pyinfra_swarm.nodes.membership import (
    Membership,
    Node,
    Observed,
    acting_manager,
    managers_of,
)
from pyinfra_swarm.nodes.quorum import majority, may_restart
from pyinfra_swarm.run.findings import Change
from pyinfra_swarm.settings import Settings
from pyinfra_swarm.swarm.roles import plan_promotion
from tests.builders import (
    CONVERGED,
    FRESH,
    SETTINGS,
    SILENT,
    declared,
    node,
    nodes_of,
    reachable,
    swarm,
)

RK1, RK2, RK3, RK4 = SETTINGS.hosts


def test_a_manager_is_restarted_while_the_others_keep_a_quorum() -> None:
    assert may_restart(SETTINGS, CONVERGED, "rk1") is None


def test_a_manager_the_quorum_depends_on_is_not_restarted() -> None:
    nodes = [node(1), node(2), node(3, state="down", reachability="unreachable")]
    refusal = may_restart(SETTINGS, {**swarm(nodes), "rk3": SILENT}, "rk2")
    assert refusal is not None
    assert "of 3 managers 2 must stay reachable, and without this one only 1" in refusal.sentence()


def test_a_manager_that_is_declared_a_worker_is_believed_of_its_own_restart() -> None:
    """It may be the only one that answers, and no declared manager says what it is."""
    settings = declared(1, 3)
    nodes = [node(1, state="down", reachability="unreachable", leader=False), node(2), node(3)]
    observed = {"rk1": SILENT, "rk2": swarm(nodes)["rk2"]}
    assert acting_manager(settings, observed) is None
    refusal = may_restart(settings, observed, "rk2")
    assert refusal is not None
    assert "of 3 managers 2 must stay reachable" in refusal.sentence()


def test_a_worker_and_a_host_in_no_swarm_may_always_be_restarted() -> None:
    assert may_restart(SETTINGS, CONVERGED, "rk4") is None
    assert may_restart(SETTINGS, {"rk1": FRESH}, "rk1") is None
    assert may_restart(SETTINGS, {"rk1": SILENT}, "rk1") is None


def test_a_swarm_without_quorum_can_only_gain_by_a_restart() -> None:
    lost = [node(1), *(node(n, state="down", reachability="unreachable") for n in (2, 3))]
    assert may_restart(SETTINGS, swarm(lost), "rk1") is None


@pytest.mark.parametrize("managers", [1, 2])
def test_a_small_swarm_accepts_the_short_interruption(managers: int) -> None:
    settings = declared(managers, 0)
    assert may_restart(settings, swarm(nodes_of(settings)), "rk1") is None


@st.composite
def _quorate(draw: st.DrawFn, least: int = 1) -> tuple[Settings, dict[str, Membership | None]]:
    """A swarm that can be changed, with any managers unreachable and any nodes down.

    least: managers that it has; any of the declared hosts can be managers, or not yet.
    """
    count = draw(st.integers(1, 9))
    settings = declared(count, draw(st.integers(max(0, least - count), 4)))
    names = [host.name for host in settings.hosts]
    managers = draw(st.sets(st.sampled_from(names), min_size=least))
    spared = len(managers) - majority(len(managers))
    lost = draw(st.sets(st.sampled_from(sorted(managers)), max_size=spared))
    lost |= {name for name in names if name not in managers and draw(st.integers(0, 3)) == 0}
    nodes = []
    for entry in nodes_of(settings):
        up = entry.hostname not in lost
        role = "manager" if entry.hostname in managers else "worker"
        reached = "" if role == "worker" else "reachable" if up else "unreachable"
        state = "ready" if up else draw(st.sampled_from(["down", "disconnected", "unknown"]))
        nodes.append(replace(entry, role=role, state=state, reachability=reached))
    return settings, {**dict.fromkeys(names), **swarm(nodes)}


def _managers(settings: Settings, observed: Observed) -> list[Node]:
    """As the one that acts lists them; there is one."""
    acting = acting_manager(settings, observed)
    assume(acting)
    view = observed[acting or ""]
    assert view is not None
    return managers_of(view)


@given(_quorate())
def test_a_promotion_never_costs_the_quorum(
    cluster: tuple[Settings, dict[str, Membership | None]],
) -> None:
    settings, observed = cluster
    managers = _managers(settings, observed)
    for host in settings.hosts:
        if any(isinstance(f, Change) for f in plan_promotion(settings, observed, host)):
            assert host.is_manager
            assert reachable(managers) + 1 >= majority(len(managers) + 1)


@given(_quorate(least=3))
def test_a_restart_never_costs_the_quorum(
    cluster: tuple[Settings, dict[str, Membership | None]],
) -> None:
    settings, observed = cluster
    managers = _managers(settings, observed)
    for entry in managers:
        if entry.reachability != "reachable":
            continue
        if may_restart(settings, observed, entry.hostname) is None:
            assert reachable(managers) - 1 >= majority(len(managers))


def test_managers_that_a_forced_cluster_has_left_out_are_not_counted() -> None:
    left = [node(n, state=state, reachability="") for n, state in ((2, "down"), (3, "unknown"))]
    coming = node(5, reachability="")
    nodes = [node(1), *left, coming]
    own = Membership("running", node="node1", manager=True, cluster="swarm1", nodes=tuple(nodes))
    assert managers_of(own) == [node(1), coming]
    assert may_restart(SETTINGS, {"rk1": own}, "rk1") is None
