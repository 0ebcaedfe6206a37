"""The swarm's plan at its limits: just enough managers, another state, one host that is silent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pyinfra_swarm.nodes.membership import Membership, Node, Observed, view
from pyinfra_swarm.nodes.quorum import may_restart
from pyinfra_swarm.run.findings import Change, Finding, Notice, Refusal
from pyinfra_swarm.settings import Settings
from pyinfra_swarm.settings.labels import AVAILABILITY_BEFORE
from pyinfra_swarm.swarm.init import Init, plan_init
from pyinfra_swarm.swarm.join import AwaitJoin, Clear, Join, plan_join, stale_entries
from pyinfra_swarm.swarm.labels import plan_labels
from pyinfra_swarm.swarm.roles import Demote, Promote, plan_demotion, plan_promotion
from tests.builders import (
    ABSENT,
    CLEAR_INGRESS,
    CONVERGED,
    FRESH,
    INGRESS,
    SETTINGS,
    SILENT,
    STOPPED,
    declared,
    node,
    nodes_of,
    swarm,
    the,
)

RK1, RK2, RK3, RK4 = SETTINGS.hosts
GONE: dict[str, Any] = {"state": "down", "reachability": "unreachable", "leader": False}


def own(name: str, observed: Observed = CONVERGED, **differing: Any) -> Membership:
    said = observed[name]
    assert said is not None
    return replace(said, **differing)


def words(findings: list[Finding]) -> str:
    return "\n".join(finding.sentence() for finding in findings)


def whats(findings: list[Finding]) -> list[str]:
    return [finding.what for finding in findings]


# Restarting an engine
# --------------------


def test_only_a_manager_of_a_swarm_can_cost_it_the_quorum() -> None:
    weak = swarm([node(1), node(2), node(3, **GONE)])
    assert may_restart(SETTINGS, weak, "rk1")
    assert may_restart(SETTINGS, {**weak, "rk1": SILENT}, "rk1") is None
    assert may_restart(SETTINGS, {**weak, "rk1": own("rk1", manager=False)}, "rk1") is None
    outside = replace(FRESH, manager=True)
    assert may_restart(SETTINGS, {**weak, "rk1": outside}, "rk1") is None


def test_a_manager_that_is_to_be_demoted_is_believed_where_no_other_answers() -> None:
    """Declared a worker, it is nobody's acting manager; its own list is all there is."""
    settings = declared(2, 2)
    weak = [node(1, **GONE), node(2, **GONE), node(3), node(4)]
    rk3 = own("rk3", nodes=tuple(weak))
    silent = dict.fromkeys(CONVERGED, SILENT)
    assert view(settings, {**silent, "rk3": rk3}) is None
    assert may_restart(settings, {**silent, "rk3": rk3}, "rk3")
    assert may_restart(settings, {**silent, "rk3": replace(rk3, nodes=None)}, "rk3") is None
    # Where a declared one answers, it is the one that is believed.
    sound = (node(1), node(2), node(3), node(4))
    asked = {**silent, "rk1": own("rk1", nodes=sound), "rk3": rk3}
    assert may_restart(settings, asked, "rk3") is None


# Founding, and whose swarm it is
# -------------------------------


def test_while_planning_only_a_stopped_engine_is_waited_for() -> None:
    for unsure, refused in ((STOPPED, False), (SILENT, True)):
        observed = {**dict.fromkeys(CONVERGED, FRESH), "rk2": unsure}
        found = plan_init(SETTINGS, observed, RK1, planning=True)
        assert bool(found) is refused


def test_the_first_that_is_in_no_swarm_founds_it_and_no_other() -> None:
    settings = declared(swarm={"init_without": ["rk1"]})
    for first in (SILENT, STOPPED):
        observed = {**dict.fromkeys(CONVERGED, FRESH), "rk1": first}
        assert plan_init(settings, observed, RK1) == []
        [step] = plan_init(settings, observed, RK2)
        assert isinstance(step, Init)


def test_a_host_that_does_not_know_its_node_yet_is_in_no_other_swarm() -> None:
    joining = own("rk4", node="", state="pending")
    assert plan_init(SETTINGS, {**CONVERGED, "rk4": joining}, RK4) == []
    elsewhere = own("rk4", cluster="swarm2")
    assert "is in another swarm" in the(
        Refusal, plan_init(SETTINGS, {**CONVERGED, "rk4": elsewhere}, RK4)
    )
    assert plan_init(SETTINGS, {**CONVERGED, "rk4": own("rk4", cluster="swarm1")}, RK4) == []


@pytest.mark.parametrize(
    ("cluster", "managers", "removed"),
    [
        ("", {"node1": "192.168.1.11:2377"}, True),
        ("swarm1", {"node1": "192.168.1.11:2377"}, True),
        ("swarm2", {"node1": "192.168.1.11:2377"}, False),
        ("", {"nodeX": "203.0.113.2:2377", "nodeY": "203.0.113.1:2377"}, False),
        ("", {}, False),
    ],
)
def test_who_was_removed_is_told_from_who_is_elsewhere(
    cluster: str, managers: dict[str, str], removed: bool
) -> None:
    stranger = own("rk4", node="node9", cluster=cluster, remote_managers=managers)
    sentence = the(Refusal, plan_init(SETTINGS, {**CONVERGED, "rk4": stranger}, RK4))
    assert ("was removed from it" in sentence) is removed
    if not removed:
        at = ", ".join(sorted(managers.values())) or "unknown addresses"
        assert f"(its managers: {at})" in sentence


def of_a_worker(*rulers: str, to: str = "rk1", **declared_managers: Membership | None) -> str:
    """What a host is told where only these declared workers control a swarm."""
    settings = declared(2, 2)
    observed: dict[str, Membership | None] = {"rk1": FRESH, "rk2": FRESH, **declared_managers}
    for name in ("rk3", "rk4"):
        evil = own("rk1", hostname=name, cluster=f"of-{name}", nodes=(node(int(name[2:])),))
        observed[name] = evil if name in rulers else FRESH
    return the(Refusal, plan_init(settings, observed, settings.host(to)))


def test_a_swarm_of_workers_is_named_and_not_believed() -> None:
    assert "only rk3 says that it is a manager of one" in of_a_worker("rk3")
    told = of_a_worker("rk4", "rk3")
    assert "only rk3 and rk4 say that they are" in told
    assert "swarm of-rk3 and of-rk4" in told


@pytest.mark.parametrize(
    ("state", "manager", "believed"),
    [("active", True, True), ("locked", False, True), ("active", False, False)],
)
def test_a_declared_manager_that_has_lost_its_quorum_speaks_for_the_swarm(
    state: str, manager: bool, believed: bool
) -> None:
    lost = own("rk1", nodes=None, manager=manager, state=state)
    worker = own("rk2", nodes=None, manager=False)
    for managers in ({"rk1": lost, "rk2": FRESH}, {"rk1": lost, "rk2": worker}):
        for to in ("rk1", "rk2", "rk4"):
            told = of_a_worker("rk3", to=to, **managers)
            assert ("is not believed" in told) is not believed


def test_a_manager_without_a_quorum_says_why_in_its_engines_words() -> None:
    lost = {name: own(name, nodes=None, error="") for name in ("rk1", "rk2", "rk3")}
    sentence = the(Refusal, plan_init(SETTINGS, lost, RK1))
    assert "fewer managers are reachable than a quorum. Bring back" in sentence
    talking = {**lost, "rk2": own("rk2", nodes=None, error="no leader")}
    assert "(“no leader”)" in the(Refusal, plan_init(SETTINGS, talking, RK1))
    worker = own("rk4", error="a worker's trouble")
    talking = {**{"rk4": worker}, **lost}
    assert "“" not in the(Refusal, plan_init(SETTINGS, talking, RK1))


# Joining, and what was left behind
# ---------------------------------


def left_behind(entry: Node, said: Membership) -> bool:
    cluster = view(SETTINGS, swarm([*nodes_of(SETTINGS)[:3], entry]))
    assert cluster is not None
    return entry in stale_entries(SETTINGS, cluster, RK4, said)


ELSEWHERE = "203.0.113.9"
JOINING = replace(FRESH, state="pending")
MEMBER = replace(FRESH, state="active", node="node7")


@pytest.mark.parametrize(
    ("state", "address", "said", "stale"),
    [
        ("down", RK4.address, JOINING, True),
        ("down", ELSEWHERE, JOINING, True),
        ("ready", RK4.address, FRESH, True),
        ("ready", RK4.address, ABSENT, False),
        ("ready", RK4.address, MEMBER, False),
        ("ready", ELSEWHERE, FRESH, False),
        ("unknown", RK4.address, MEMBER, True),
        ("unknown", RK4.address, FRESH, True),
        ("unknown", RK4.address, JOINING, False),
        ("unknown", RK4.address, ABSENT, True),
        ("unknown", ELSEWHERE, MEMBER, False),
    ],
)
def test_an_entry_is_stale_where_nobody_can_be_behind_it(
    state: str, address: str, said: Membership, stale: bool
) -> None:
    assert left_behind(node(4, "worker", state=state, address=address), said) is stale


def test_the_entry_that_a_host_is_itself_is_never_stale() -> None:
    assert not left_behind(node(4, "worker", state="down"), replace(MEMBER, node="node4"))


def test_a_dead_worker_twin_is_cleared_even_where_a_manager_is_missing() -> None:
    nodes = [node(1), node(2, **GONE), node(4, "worker", id="old", state="down")]
    observed = {"rk1": own("rk1", nodes=tuple(nodes)), "rk4": FRESH}
    clear, join = plan_join(SETTINGS, observed, RK4)
    assert isinstance(clear, Clear)
    assert isinstance(join, Join)
    assert not join.leave
    dead = node(2, id="old2", **GONE)
    left: Observed = {"rk1": own("rk1", nodes=(node(1), dead)), "rk2": FRESH, "rk3": SILENT}
    sentence = the(Refusal, plan_join(SETTINGS, {**left, "rk4": FRESH}, RK2))
    assert "rk1 cannot answer for it" in sentence


def test_nobody_joins_before_the_ingress_network_is_encrypted() -> None:
    other = replace(INGRESS, id="x", name="x", ingress=False)
    for overlays, joins in (
        ((INGRESS,), True),
        ((other, INGRESS), True),
        ((CLEAR_INGRESS,), False),
        ((CLEAR_INGRESS, other), False),
        ((), False),
    ):
        observed = {**swarm(nodes_of(SETTINGS)[:3], overlays), "rk4": FRESH}
        [finding] = plan_join(SETTINGS, observed, RK4)
        assert isinstance(finding, Join) is joins
    nobody = dict.fromkeys(CONVERGED, FRESH)
    assert isinstance(plan_join(SETTINGS, nobody, RK4)[0], Join)


@pytest.mark.parametrize(
    ("asked", "in_vain"),
    [
        ({"node1": "192.168.1.11:2377"}, False),
        ({"x": "203.0.113.1:2377"}, True),
        ({"x": "203.0.113.1:2377", "node2": "192.168.1.12:2377"}, False),
        ({"x": "[fd00::1]:2377"}, True),
    ],
)
def test_a_host_that_waits_for_nobody_who_answers_starts_over(
    asked: dict[str, str], in_vain: bool
) -> None:
    waiting = own("rk4", node="", state="pending", remote_managers=asked)
    observed = {**swarm(nodes_of(SETTINGS)[:3]), "rk4": waiting}
    [step] = plan_join(SETTINGS, observed, RK4)
    if in_vain:
        assert isinstance(step, Join)
        assert step.leave
        assert step.found == ", ".join(asked.values())
    else:
        assert isinstance(step, AwaitJoin)


def test_a_host_that_waits_where_nobody_answers_is_waited_for() -> None:
    waiting = own("rk4", node="", state="pending")
    observed = {**dict.fromkeys(CONVERGED, SILENT), "rk4": waiting}
    [step] = plan_join(SETTINGS, observed, RK4)
    assert isinstance(step, AwaitJoin)
    active = own("rk4", node="", state="active", remote_managers={"x": "203.0.113.1:2377"})
    assert plan_join(SETTINGS, {**swarm(nodes_of(SETTINGS)[:3]), "rk4": active}, RK4) == []


# Roles
# -----


def test_a_manager_to_come_is_promoted_once_it_is_in() -> None:
    nobody = dict.fromkeys(CONVERGED, FRESH)
    [step] = plan_promotion(SETTINGS, nobody, RK2)
    assert isinstance(step, Promote)
    assert (step.found, step.node) == ("joins as a worker", "")
    inside = {**dict.fromkeys(CONVERGED, SILENT), "rk2": own("rk2", nodes=None)}
    assert plan_promotion(SETTINGS, inside, RK2) == []
    assert plan_promotion(SETTINGS, {**nobody, "rk2": SILENT}, RK2) == []
    assert plan_promotion(SETTINGS, nobody, RK4) == []


FIVE = declared(3, 2)


def demoted(
    nodes: list[Node], name: str = "rk4", settings: Settings = FIVE, **others: Membership | None
) -> list[Finding]:
    observed = {**swarm(nodes), **others}
    return plan_demotion(settings, observed, settings.host(name), leader=False)


def test_one_that_is_no_manager_or_nobodys_is_not_demoted() -> None:
    assert demoted([node(1), node(2), node(3), node(4, "worker"), node(5, "worker")]) == []
    nodes = [node(1), node(2), node(3), node(4)]
    [step] = demoted(nodes)
    assert isinstance(step, Demote)
    assert (step.on, step.found) == ("rk1", "manager")
    assert demoted(nodes, "rk3") == []
    assert (
        plan_demotion(FIVE, dict.fromkeys(CONVERGED, SILENT), FIVE.host("rk4"), leader=True) == []
    )
    leading = [node(1, leader=False), node(2), node(3), node(4, leader=True)]
    assert demoted(leading) == []


def test_it_is_asked_of_another_manager_than_itself() -> None:
    nodes = [node(1), node(2), node(3), node(4)]
    last: Any = {
        name: replace(m, nodes=None) for name, m in swarm(nodes).items() if m and name != "rk3"
    }
    [step] = demoted(nodes, **last)
    assert isinstance(step, Demote)
    assert step.on == "rk3"


def test_one_whose_demotion_was_decided_is_only_waited_for() -> None:
    half = node(4, "worker", reachability="reachable", state="down")
    assert demoted([node(1), node(2, **GONE), node(3), half], rk4=SILENT) == []
    alive = replace(half, state="ready")
    [step] = demoted([node(1), node(2, **GONE), node(3), alive])
    assert isinstance(step, Demote)
    assert step.found == "manager, its demotion not finished"


def test_declared_managers_lead_before_others_are_demoted() -> None:
    """Two of three declared managers are enough; the missing one does not hold it up."""
    two = [node(1), node(2), node(3, "worker"), node(4), node(5)]
    assert isinstance(demoted(two)[0], Demote)
    one = [node(1), node(2, "worker"), node(3, "worker"), node(4)]
    [refusal] = demoted(one)
    assert "rk2 and rk3 are declared a manager and not a reachable one" in refusal.reason
    assert "1 declared host would manage the swarm; 2 are needed (1 < 2)" in refusal.reason
    # Another that is declared a worker leads meanwhile, and nobody has to wait.
    assert isinstance(demoted([*one, node(5)])[0], Demote)
    # One that is cut off does not lead, nor does one that nobody declared.
    cut = [node(1), node(2, leader=False, reachability="unreachable"), node(4), node(9)]
    assert "rk2 and rk3 are" in demoted(cut)[0].reason
    # Nor does one that is asked to be a worker, and is not through with it.
    leaving = node(2, "worker", reachability="reachable")
    assert "rk2 and rk3 are" in demoted([node(1), leaving, node(3, "worker"), node(4)])[0].reason
    # One that is silent is known by its address, and leads where the managers reach it.
    silent = [node(1), node(2), node(3, "worker"), node(4)]
    assert isinstance(demoted(silent, rk2=SILENT)[0], Demote)
    lying = own("rk2", node="node5", nodes=None, manager=False)
    assert isinstance(demoted(silent, rk2=lying)[0], Refusal)


# Labels, availability, strangers
# -------------------------------


def labelled(
    settings: Settings, *nodes: Node, name: str = "rk4", **others: Membership | None
) -> list[Finding]:
    observed = {**swarm([*nodes_of(SETTINGS)[:3], *nodes]), **others}
    return plan_labels(settings, observed, settings.host(name))


def test_labels_are_told_in_their_order_and_ours_are_no_news() -> None:
    settings = declared(rk4={"labels": {"zone": "a", "disk": "ssd"}})
    by_hand = {"x": "1", "b": "2", "pyinfra-swarm.restart-since": "1800000000"}
    found = labelled(settings, node(4, "worker", labels=by_hand))
    assert whats(found) == ["label disk", "label zone", "label b", "label x"]
    odd = {"mine.pyinfra-swarm.": "1"}
    assert whats(labelled(SETTINGS, node(4, "worker", labels=odd))) == ["label mine.pyinfra-swarm."]


@pytest.mark.parametrize(
    ("wanted", "told"),
    [(None, False), ("active", False), ("drain", True), ("pause", True)],
)
def test_a_host_that_is_to_come_gets_only_another_availability_than_active(
    wanted: str | None, told: bool
) -> None:
    settings = declared(rk4={"availability": wanted} if wanted else {})
    found = labelled(settings, rk4=FRESH)
    assert whats(found) == ["availability"] * told
    if told:
        assert found[0].found == ""


@pytest.mark.parametrize(("now", "word"), [("drain", "set"), ("active", "restored")])
def test_a_rolling_job_that_has_not_come_through_is_told_of_once(now: str, word: str) -> None:
    half = node(4, "worker", availability=now, labels={AVAILABILITY_BEFORE: "active"})
    [notice] = labelled(SETTINGS, half)
    assert isinstance(notice, Notice)
    assert notice.sentence().startswith(
        f"availability: was {word} by a rolling job that has not finished"
    )


@pytest.mark.parametrize(
    ("address", "told"), [("", False), ("0.0.0.0", False), (RK4.address, False), (ELSEWHERE, True)]
)
def test_another_address_than_the_declared_one_is_told(address: str, told: bool) -> None:
    found = labelled(SETTINGS, node(4, "worker", address=address))
    assert whats(found) == ["address"] * told


def test_where_nobody_answers_nothing_is_said_of_others() -> None:
    assert plan_labels(SETTINGS, dict.fromkeys(CONVERGED, FRESH), RK1) == []


OLD = node(9, "worker", hostname="old")


def strangers(*nodes: Node, **others: Membership | None) -> list[str]:
    return whats(labelled(SETTINGS, *nodes, name="rk1", **{"old": SILENT, **others}))


@pytest.mark.parametrize("state", ["ready", "down", "unknown"])
def test_whoever_is_declared_by_nobody_is_a_stranger_in_any_state(state: str) -> None:
    assert strangers(node(4, "worker"), replace(OLD, state=state)) == ["node old"]


@pytest.mark.parametrize(
    ("said", "told"),
    [(SILENT, False), (STOPPED, False), (ABSENT, False), (FRESH, False), (MEMBER, True)],
)
def test_a_node_of_a_declared_host_is_a_stranger_where_the_host_is_another(
    said: Membership | None, told: bool
) -> None:
    assert strangers(node(4, "worker"), rk4=said) == ["node rk4"] * told


def test_a_dead_twin_of_a_declared_host_is_the_joinings_to_clear() -> None:
    for state, told in (("down", False), ("unknown", False), ("ready", True)):
        twin = node(4, "worker", id="twin", state=state)
        assert strangers(node(4, "worker"), twin) == ["node rk4"] * told, state


def test_a_change_is_told_by_the_acting_manager_alone() -> None:
    assert labelled(SETTINGS, node(4, "worker"), OLD, name="rk2", old=SILENT) == []
    assert all(not isinstance(finding, Change) for finding in labelled(SETTINGS, node(4, "worker")))


# What a host's own word means
# ----------------------------


def test_an_engine_that_does_not_run_is_in_no_swarm_and_has_not_said_so() -> None:
    for engine in ("stopped", "absent", "unreachable: timeout"):
        assert not Membership(engine, state="active").in_swarm
    assert Membership("running", state="active").in_swarm
    assert not Membership("running").in_swarm


def test_an_engine_is_broken_where_it_says_so_and_not_where_it_only_complains() -> None:
    assert Membership("running", state="error", error="no disk").broken
    assert not Membership("running", state="active", error="no leader").broken
    assert not Membership("running", state="error").broken


def test_only_a_manager_with_a_list_of_nodes_controls_a_swarm() -> None:
    assert own("rk1").controls
    assert not own("rk1", manager=False).controls
    assert not own("rk1", nodes=None).controls


def test_what_was_not_said_is_nothing() -> None:
    bare = Membership("running")
    texts = (bare.hostname, bare.node, bare.address, bare.cluster, bare.error)
    assert texts == ("",) * 5
    assert bare.certificate_role == ""
    assert not bare.manager
    assert node(1).issuer == ""
