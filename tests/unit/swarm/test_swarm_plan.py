"""The swarm's next safe step: what is mended, what is reported, what is refused and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pyinfra_swarm.networks.plan import plan_ingress, plan_overlays, services_matter
from pyinfra_swarm.nodes.membership import (
    Membership,
    Node,
    Observed,
    Overlay,
    Service,
    SwarmSpec,
    acting_manager,
    managers_of,
)
from pyinfra_swarm.nodes.quorum import majority, may_restart
from pyinfra_swarm.run.findings import Change, Finding, Notice, Refusal
from pyinfra_swarm.settings import Host, Settings
from pyinfra_swarm.swarm.init import plan_init
from pyinfra_swarm.swarm.join import plan_join
from pyinfra_swarm.swarm.labels import plan_labels
from pyinfra_swarm.swarm.plan import plan
from pyinfra_swarm.swarm.roles import plan_promotion
from pyinfra_swarm.swarm.stages import OVERLAYS, STAGES, Seen
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
    reachable,
    swarm,
    the,
)

RK1, RK2, RK3, RK4 = SETTINGS.hosts


def everything(
    settings: Settings, observed: Observed, services: tuple[Service, ...] = ()
) -> list[Finding]:
    """What all plans together find on all hosts, in the order of a run."""
    planned = plan(Seen(settings, observed, services, planning=True))
    return [finding for entry in planned.entries for finding in entry.findings]


@pytest.mark.parametrize("managers", range(1, 10))
@pytest.mark.parametrize("hosts", [0, 1, 11])
def test_a_converged_cluster_needs_nothing(managers: int, hosts: int) -> None:
    settings = declared(managers, hosts)
    assert everything(settings, swarm(nodes_of(settings))) == []


def test_a_cluster_with_all_that_can_be_declared_needs_nothing_once_it_is_there() -> None:
    settings = declared(
        rk4={"labels": {"disk": "nvme"}, "availability": "drain"},
        networks={"overlays": [{"name": "web"}]},
    )
    nodes = nodes_of(settings)
    nodes[3] = replace(nodes[3], labels={"disk": "nvme"}, availability="drain")
    overlays = (INGRESS, Overlay("net-web", "web", False, True, ()))
    assert everything(settings, swarm(nodes, overlays)) == []


def test_a_fresh_cluster_is_planned_whole() -> None:
    fresh: Observed = {host.name: ABSENT for host in SETTINGS.hosts}
    found = [finding.sentence() for finding in everything(SETTINGS, fresh)]
    assert found == [
        "the swarm: no declared manager is in one, so the first one initialises it "
        "(→ advertised at 192.168.1.11)",
        "ingress: is not encrypted (clear text → encrypted (replaced))",
        *["the swarm: this host is not in it yet (→ joined as a worker)"] * 3,
        *["role: is declared a manager (worker → manager)"] * 2,
    ]


# Find or found
# -------------


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


# Ingress and overlays
# --------------------


def test_only_the_acting_manager_replaces_the_ingress_network() -> None:
    observed = swarm(nodes_of(SETTINGS), (CLEAR_INGRESS,))
    assert "clear text → encrypted (replaced)" in the(
        Change, plan_ingress(SETTINGS, observed, RK1, ())
    )
    assert services_matter(SETTINGS, observed)
    assert not services_matter(SETTINGS, CONVERGED)
    for host in (RK2, RK3, RK4):
        assert plan_ingress(SETTINGS, observed, host, ()) == []


@pytest.mark.parametrize("host", [RK1, RK2, RK4])
def test_a_node_without_an_end_of_the_ingress_network_gets_one(host: Host) -> None:
    own = CONVERGED[host.name]
    assert own is not None
    observed = {**CONVERGED, host.name: replace(own, in_ingress=False)}
    sentence = the(Change, everything(SETTINGS, observed))
    assert "this node is not attached to it, so published ports do not answer here" in sentence
    for end in (True, None):
        assert not everything(SETTINGS, {**CONVERGED, host.name: replace(own, in_ingress=end)})


def test_a_node_has_no_end_of_a_network_that_is_to_be_replaced() -> None:
    said = swarm(nodes_of(SETTINGS), overlays=(CLEAR_INGRESS,))
    observed = {name: replace(m, in_ingress=False) for name, m in said.items() if m}
    findings = [f for host in SETTINGS.hosts for f in plan_ingress(SETTINGS, observed, host, ())]
    assert "clear text → encrypted (replaced)" in the(Change, findings)


def test_the_ingress_network_stays_while_an_unlocked_manager_is_in_no_network() -> None:
    """It could be removed there, and no other made."""
    said = swarm(nodes_of(SETTINGS), overlays=(CLEAR_INGRESS,))
    spec = SwarmSpec(certificate_expiry=7776000, autolock=True)
    observed = {
        name: replace(m, in_ingress=name != "rk1", spec=spec) for name, m in said.items() if m
    }
    sentence = the(Refusal, plan_ingress(SETTINGS, observed, RK1, ()))
    assert "cannot be replaced while this manager is in no overlay network" in sentence
    assert "`pyinfra inventory.py deploys/unlock.py` fixes that" in sentence


def test_an_interrupted_replacement_is_finished() -> None:
    observed = swarm(nodes_of(SETTINGS), ())
    assert "the swarm has none" in the(Change, plan_ingress(SETTINGS, observed, RK1, ()))


def test_ingress_is_not_replaced_under_services_that_publish_through_it() -> None:
    observed = swarm(nodes_of(SETTINGS), (CLEAR_INGRESS,))
    services = [Service("web", (), (80, 443)), Service("db", (), ())]
    sentence = the(Refusal, plan_ingress(SETTINGS, observed, RK1, services))
    assert "web (port 80, 443)" in sentence
    assert "db" not in sentence
    assert "--publish-rm" in sentence


def test_services_that_publish_nothing_are_no_obstacle() -> None:
    observed = swarm(nodes_of(SETTINGS), (CLEAR_INGRESS,))
    the(Change, plan_ingress(SETTINGS, observed, RK1, [Service("db", (), ())]))


def test_another_subnet_is_reported() -> None:
    observed = swarm(nodes_of(SETTINGS), (replace(INGRESS, subnets=("10.0.0.0/24",)),))
    sentence = the(Notice, plan_ingress(SETTINGS, observed, RK1, ()))
    assert "10.0.0.0/24 → 10.201.0.0/24" in sentence


def test_a_declared_overlay_is_made_encrypted() -> None:
    settings = declared(networks={"overlays": [{"name": "web"}]})
    assert "overlay web: is declared and does not exist (→ encrypted)" in the(
        Change, plan_overlays(settings, CONVERGED, settings.host("rk1"), ())
    )
    assert plan_overlays(settings, CONVERGED, settings.host("rk2"), ()) == []


def test_an_overlay_to_come_is_part_of_the_first_plan() -> None:
    settings = declared(networks={"overlays": [{"name": "web"}]})
    fresh: Observed = {host.name: ABSENT for host in settings.hosts}
    planned = plan(Seen(settings, fresh, planning=True))
    assert "does not exist (→ encrypted)" in the(Change, planned.of(OVERLAYS, "rk1"))
    assert planned.of(OVERLAYS, "rk2") == []


@pytest.mark.parametrize(
    ("services", "words"),
    [
        ((Service("blog", ("net-old",), ()),), "used in clear text by: blog"),
        ((), "nothing uses it"),
    ],
)
def test_a_clear_overlay_is_reported_with_who_uses_it(
    services: tuple[Service, ...], words: str
) -> None:
    observed = swarm(nodes_of(SETTINGS), (INGRESS, Overlay("net-old", "old", False, False, ())))
    assert words in the(Notice, plan_overlays(SETTINGS, observed, RK1, services))


def test_one_more_service_in_a_clear_overlay_is_no_other_fault() -> None:
    """A check reports a difference again where the words before a colon have changed."""
    observed = swarm(nodes_of(SETTINGS), (INGRESS, Overlay("net-old", "old", False, False, ())))
    users = [Service(name, ("net-old",), ()) for name in ("blog", "shop")]
    one, two = (
        [notice.reason for notice in plan_overlays(SETTINGS, observed, RK1, services)]
        for services in (users[:1], users)
    )
    assert one != two
    assert [reason.partition(": ")[0] for reason in one] == [
        reason.partition(": ")[0] for reason in two
    ]


def test_services_matter_where_one_network_of_several_is_clear() -> None:
    clear = Overlay("net-old", "old", False, False, ())
    assert services_matter(SETTINGS, swarm(nodes_of(SETTINGS), (INGRESS, clear)))
    assert not services_matter(SETTINGS, dict.fromkeys(CONVERGED, FRESH))


def test_without_a_manager_that_answers_no_network_is_judged() -> None:
    fresh = dict.fromkeys(CONVERGED, FRESH)
    assert plan_ingress(SETTINGS, fresh, RK1, ()) == []
    settings = declared(networks={"overlays": [{"name": "web"}]})
    assert plan_overlays(settings, fresh, settings.host("rk1"), ()) == []
    workers_only = {"rk4": CONVERGED["rk4"]}
    assert plan_overlays(settings, {**fresh, **workers_only}, settings.host("rk1"), ()) == []


def test_a_host_has_no_end_of_a_network_that_is_not_there_or_that_it_cannot_be_in() -> None:
    own = CONVERGED["rk4"]
    assert own is not None
    cut = {**CONVERGED, "rk4": replace(own, in_ingress=False)}
    rk4 = SETTINGS.host("rk4")
    assert plan_ingress(SETTINGS, cut, rk4, ())
    for otherwise in (
        {**cut, "rk4": None},
        {**cut, "rk4": replace(own, in_ingress=False, state="locked")},
        {**cut, "rk4": replace(own, in_ingress=False, node="node9")},
        {name: replace(m, overlays=()) if m and m.overlays else m for name, m in cut.items()},
    ):
        assert plan_ingress(SETTINGS, otherwise, rk4, ()) == []


@pytest.mark.parametrize(
    ("in_ingress", "spec", "kept"),
    [
        (False, SwarmSpec(7776000, autolock=True), True),
        (None, SwarmSpec(7776000, autolock=True), False),
        (True, SwarmSpec(7776000, autolock=True), False),
        (False, SwarmSpec(7776000, autolock=False), False),
        (False, None, False),
    ],
)
def test_only_a_manager_cut_off_by_its_lock_keeps_the_ingress_network(
    in_ingress: bool | None, spec: SwarmSpec | None, kept: bool
) -> None:
    said = swarm(nodes_of(SETTINGS), overlays=(CLEAR_INGRESS,))
    observed = {name: replace(m, in_ingress=in_ingress, spec=spec) for name, m in said.items() if m}
    [finding] = plan_ingress(SETTINGS, observed, RK1, ())
    assert isinstance(finding, Refusal) is kept


def test_the_ingress_network_is_none_of_the_overlays_and_they_are_told_by_name() -> None:
    web = Overlay("net-web", "web", False, True, ())
    old = [Overlay(f"net-{name}", name, False, False, ()) for name in ("zeta", "alpha")]
    services = [Service("blog", ("net-zeta",), ()), Service("shop", ("net-web",), ())]
    observed = swarm(nodes_of(SETTINGS), (web, CLEAR_INGRESS, *old))
    alpha, zeta = plan_overlays(SETTINGS, observed, RK1, services)
    assert (alpha.what, zeta.what) == ("overlay alpha", "overlay zeta")
    assert "nothing uses it" in alpha.reason
    assert zeta.reason.endswith("in clear text by: blog")
    assert "clear text → encrypted (replaced)" in the(
        Change, plan_ingress(SETTINGS, observed, RK1, ())
    )
    known = (Overlay("net-aaa", "aaa", False, True, ()), old[0], web, INGRESS)
    told = plan_overlays(SETTINGS, swarm(nodes_of(SETTINGS), known), RK1, ())
    assert [finding.what for finding in told] == ["overlay zeta"]


# Joining
# -------


@pytest.mark.parametrize("engine", ["stopped", "unreachable: curl: (28) Operation timed out"])
def test_a_host_whose_engine_does_not_run_cannot_join(engine: str) -> None:
    sentence = the(Refusal, plan_join(SETTINGS, {**CONVERGED, "rk4": Membership(engine)}, RK4))
    assert f"Docker is {engine} on this host" in sentence
    assert "journalctl -u docker" in sentence


WAITING = Membership("running", "rk4", "pending", remote_managers={"": "192.168.1.11:2377"})


def test_a_host_that_waits_for_a_manager_that_answers_is_waited_for() -> None:
    sentence = the(Change, plan_join(SETTINGS, {**CONVERGED, "rk4": WAITING}, RK4))
    assert "has not finished joining" in sentence


def test_a_host_that_waits_for_a_dead_manager_joins_through_another() -> None:
    dead = node(1, reachability="unreachable", state="down")
    observed = {**swarm([dead, *nodes_of(SETTINGS)[1:]]), "rk4": WAITING}
    sentence = the(Change, plan_join(SETTINGS, observed, RK4))
    assert "192.168.1.11:2377 → joined through another" in sentence


def test_a_member_that_looks_for_its_managers_never_leaves_for_that() -> None:
    observed = {**CONVERGED, "rk4": replace(WAITING, node="node4", remote_managers={})}
    assert "has not finished joining" in the(Change, plan_join(SETTINGS, observed, RK4))


def test_nothing_is_decided_for_a_silent_host() -> None:
    observed = {**CONVERGED, "rk4": SILENT}
    for stage in STAGES:
        assert stage.plan(Seen(SETTINGS, observed), RK4) == []


@pytest.mark.parametrize(
    "entry",
    [
        node(4, "worker", state="ready"),
        node(4, "worker", state="unknown", address="192.168.1.99"),
        node(9, "worker", state="down"),
        node(9, "worker", state="down", hostname="", address=""),
    ],
)
def test_entries_that_live_or_belong_to_others_are_not_cleared(entry: Node) -> None:
    observed = {**swarm([*nodes_of(SETTINGS)[:3], replace(entry, id="other")]), "rk4": ABSENT}
    assert "is not in it yet" in the(Change, plan_join(SETTINGS, observed, RK4))


@pytest.mark.parametrize(
    "entry",
    [
        node(4, "worker", state="down"),
        node(4, "worker", state="down", hostname="renamed"),
        node(4, "worker", state="down", address="192.168.1.99"),
        # It left a moment ago, and the managers have not noticed yet.
        node(4, "worker", state="ready"),
        # So for 16 seconds after another manager has taken the lead (seen with 26.1.5 and 28.5.2).
        node(4, "worker", state="unknown", hostname="renamed"),
    ],
)
def test_a_dead_entry_of_the_same_name_or_address_is_cleared(entry: Node) -> None:
    observed = {**swarm([*nodes_of(SETTINGS)[:3], entry]), "rk4": FRESH}
    stale, _join = plan_join(SETTINGS, observed, RK4)
    assert "an entry that this host left behind" in stale.sentence()


@pytest.mark.parametrize(
    "dead",
    [node(2, state="down", reachability="unreachable"), node(2)],
    ids=["dead", "left a moment ago"],
)
def test_a_dead_managers_entry_stays_while_the_leader_does_not_know_yet_that_it_is_none(
    dead: Node,
) -> None:
    # For some seconds after the quorum is lost the leader still answers (seen on 28.5.2).
    nodes = (node(1), dead, node(3, reachability="unreachable"))
    leader = Membership("running", "rk1", "active", "node1", manager=True, nodes=nodes)
    sentence = the(Refusal, plan_join(SETTINGS, {"rk1": leader, "rk2": FRESH}, RK2))
    assert "fewer managers are reachable than a quorum" in sentence


def test_an_entry_that_is_just_being_made_is_not_taken_for_a_dead_one() -> None:
    made = node(4, "worker", id="new", state="unknown")
    observed = {**swarm([*nodes_of(SETTINGS)[:3], made]), "rk4": WAITING}
    assert "has not finished joining" in the(Change, plan_join(SETTINGS, observed, RK4))


def test_a_dead_twin_of_a_member_is_cleared_without_joining_again() -> None:
    twin = node(4, "worker", id="twin", state="down")
    observed = {**CONVERGED, **swarm([*nodes_of(SETTINGS), twin])}
    assert "twin → removed" in the(Change, plan_join(SETTINGS, observed, RK4))


# Roles
# -----


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


# Labels, availability, strangers
# -------------------------------


def test_declared_labels_and_availability_are_set() -> None:
    settings = declared(rk4={"labels": {"disk": "nvme"}, "availability": "drain"})
    label, availability = plan_labels(settings, CONVERGED, settings.host("rk4"))
    assert "label disk: is declared (→ nvme)" in label.sentence()
    assert "active → drain" in availability.sentence()


def test_labels_are_part_of_the_first_plan() -> None:
    settings = declared(rk4={"labels": {"disk": "nvme"}, "availability": "drain"})
    fresh: Observed = {host.name: ABSENT for host in settings.hosts}
    found = plan_labels(settings, fresh, settings.host("rk4"))
    assert [finding.what for finding in found] == ["label disk", "availability"]


def test_what_was_done_by_hand_is_reported_and_left() -> None:
    nodes = nodes_of(SETTINGS)
    nodes[3] = replace(nodes[3], labels={"zone": "attic"}, availability="drain", address="10.9.9.9")
    label, availability, address = plan_labels(SETTINGS, swarm(nodes), RK4)
    assert all(isinstance(finding, Notice) for finding in (label, availability, address))
    assert "docker node update --label-rm=zone rk4" in label.sentence()
    assert "--availability active rk4" in availability.sentence()
    assert "10.9.9.9 → 192.168.1.14" in address.sentence()
    assert "deploys/replace.py --data host=rk4" in address.sentence()


def test_a_node_that_nobody_declared_is_reported_once() -> None:
    stranger = node(9, "worker")
    observed = {
        host.name: swarm([*nodes_of(SETTINGS), stranger])[host.name] for host in SETTINGS.hosts
    }
    found = [f for host in SETTINGS.hosts for f in plan_labels(SETTINGS, observed, host)]
    sentence = the(Notice, found)
    assert "node rk9: is in the swarm, but not declared" in sentence
    assert "deploys/remove.py --data host=rk9" in sentence


def test_a_declared_host_that_is_silent_is_no_stranger() -> None:
    nodes = [*nodes_of(SETTINGS)[:3], node(4, "worker", state="down")]
    observed = {**swarm(nodes), "rk4": SILENT}
    assert plan_labels(SETTINGS, observed, RK1) == []


@pytest.mark.parametrize("state", ["down", "unknown", "ready"])
def test_what_a_host_has_left_in_the_list_is_no_stranger(state: str) -> None:
    """It takes the managers a while to notice, and a new leader knows of no node at first."""
    nodes = [*nodes_of(SETTINGS)[:3], node(4, "worker", state=state)]
    observed = {**swarm(nodes), "rk4": FRESH}
    assert plan_labels(SETTINGS, observed, RK1) == []


# Restarting an engine
# --------------------


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


# For any observation
# -------------------

_MEMBERSHIPS = st.sampled_from(
    [
        SILENT,
        ABSENT,
        STOPPED,
        FRESH,
        Membership("unreachable: curl: (28)"),
        Membership("running", "x", "pending"),
        Membership("running", "x", "locked"),
        Membership("running", "x", "error", "n", error="broken"),
        Membership("running", "x", "active", "w", remote_managers={"m": "10.0.0.1:2377"}),
        Membership("running", "x", "active", "m", manager=True, error="no leader"),
        *(swarm(nodes_of(SETTINGS), (CLEAR_INGRESS,)).values()),
        *(swarm([node(1, id="elsewhere")], cluster="swarm2").values()),
    ]
)
_OBSERVED = st.fixed_dictionaries({}, optional={f"rk{n}": _MEMBERSHIPS for n in range(1, 6)})
_INIT_WITHOUT = st.sets(st.sampled_from(["rk1", "rk2", "rk3"])).map(sorted)


def founders(settings: Settings, observed: Observed) -> list[str]:
    return [
        host.name
        for host in settings.hosts
        if any(isinstance(f, Change) for f in plan_init(settings, observed, host))
    ]


@given(_OBSERVED, _INIT_WITHOUT)
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


@given(_OBSERVED)
def test_no_plan_fails_on_any_observation(observed: Mapping[str, Membership | None]) -> None:
    settings = declared(3, 2, rk5={"labels": {"disk": "nvme"}})
    for finding in everything(settings, observed):
        assert finding.sentence()
    for host in settings.hosts:
        may_restart(settings, observed, host.name)


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


@given(_quorate())
def test_a_promotion_never_costs_the_quorum(
    cluster: tuple[Settings, dict[str, Membership | None]],
) -> None:
    settings, observed = cluster
    acting = acting_manager(settings, observed)
    assume(acting)
    view = observed[acting or ""]
    assert view is not None
    managers = managers_of(view)
    for host in settings.hosts:
        if any(isinstance(f, Change) for f in plan_promotion(settings, observed, host)):
            assert host.is_manager
            assert reachable(managers) + 1 >= majority(len(managers) + 1)


@given(_quorate(least=3))
def test_a_restart_never_costs_the_quorum(
    cluster: tuple[Settings, dict[str, Membership | None]],
) -> None:
    settings, observed = cluster
    acting = acting_manager(settings, observed)
    assume(acting)
    view = observed[acting or ""]
    assert view is not None
    managers = managers_of(view)
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


def test_while_planning_a_stopped_engine_is_one_that_the_run_will_start() -> None:
    stopped = {**dict.fromkeys(("rk1", "rk2", "rk3"), FRESH), "rk1": Membership("stopped")}
    for host in (RK1, RK4):
        assert plan_init(SETTINGS, stopped, host, planning=True) == []
        the(Refusal, plan_init(SETTINGS, stopped, host))
    worker = {**CONVERGED, "rk4": Membership("stopped")}
    assert plan_join(SETTINGS, worker, RK4, planning=True) == []
    the(Refusal, plan_join(SETTINGS, worker, RK4))


def test_a_node_whose_engine_is_stopped_is_no_stranger() -> None:
    worker = {**CONVERGED, "rk4": Membership("stopped")}
    assert plan_labels(SETTINGS, worker, RK1) == []
