"""A host that lies about itself harms nobody but itself.

rk4 is a declared worker whose answers are not true; rk1 to rk3 are managers that tell the truth.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pyinfra_swarm.backup.save import Choice, choose
from pyinfra_swarm.docker import operations as docker
from pyinfra_swarm.docker.installation import Engine
from pyinfra_swarm.firewall.policy import votes
from pyinfra_swarm.nodes.identity import (
    contradiction,
    doubt,
    entries_of,
    likely_node,
    node_at,
    owners,
)
from pyinfra_swarm.nodes.measures import nodes as measured
from pyinfra_swarm.nodes.membership import (
    Membership,
    Observed,
    acting_manager,
    controlling,
    members,
    view,
)
from pyinfra_swarm.proof.crossings import unproven
from pyinfra_swarm.removal.plan import plan_removal
from pyinfra_swarm.removal.steps import Leave, RemoveEntry
from pyinfra_swarm.removal.target import find
from pyinfra_swarm.rolling.jobs import Options, restart
from pyinfra_swarm.rolling.nodes import entry
from pyinfra_swarm.rolling.operations import _other_manager
from pyinfra_swarm.rolling.plan import plan as rolling_plan
from pyinfra_swarm.run.findings import Refusal, changes
from pyinfra_swarm.settings import Settings
from pyinfra_swarm.swarm.init import plan_init
from pyinfra_swarm.swarm.join import Clear, plan_join
from pyinfra_swarm.swarm.join_operations import _addresses
from pyinfra_swarm.swarm.labels import SetAvailability, plan_labels
from pyinfra_swarm.swarm.plan import plan
from pyinfra_swarm.swarm.roles import Demote, plan_demotion, plan_promotion
from pyinfra_swarm.swarm.stages import Seen
from tests.builders import (
    CONVERGED,
    FRESH,
    INGRESS,
    SETTINGS,
    SILENT,
    declared,
    node,
    nodes_of,
    swarm,
)
from tests.unit.rolling.test_rolling_simulation import Board, engine

RK1, RK2, RK3, RK4 = SETTINGS.hosts
DOWN: dict[str, Any] = {"state": "down", "reachability": "unreachable", "leader": False}


def lying(observed: Observed = CONVERGED, **lie: Any) -> dict[str, Membership | None]:
    """What all say, rk4 what is not true."""
    own = observed.get("rk4") or FRESH
    return {**observed, "rk4": replace(own, **lie)}


def refused(observed: Observed, settings: Settings = SETTINGS) -> dict[str, str]:
    found = plan(Seen(settings, observed))
    return {host: refusal.sentence() for host, refusal in found.refusals}


def steps_of(observed: Observed, settings: Settings = SETTINGS) -> list[tuple[str, str]]:
    return [(host, type(step).__name__) for host, step in plan(Seen(settings, observed)).steps]


# A swarm of its own
# ------------------

EVIL = Membership(
    "running",
    "rk4",
    "active",
    "evil4",
    manager=True,
    cluster="evil",
    nodes=(replace(node(9, id="evil4"), hostname="rk4", address="203.0.113.66"),),
    overlays=(INGRESS,),
)


@pytest.mark.parametrize("others", [FRESH, SILENT, Membership("absent"), Membership("stopped")])
def test_what_a_declared_worker_calls_the_swarm_nobody_joins(others: Membership | None) -> None:
    observed = {"rk1": others, "rk2": others, "rk3": FRESH, "rk4": EVIL}
    assert acting_manager(SETTINGS, observed) is None
    assert view(SETTINGS, observed) is None
    for host in SETTINGS.hosts:
        [refusal] = plan_init(SETTINGS, observed, host)
        assert isinstance(refusal, Refusal)
        assert refusal.sentence() == (
            "the swarm: only rk4 says that it is a manager of one, and is declared a worker. A "
            "worker alone is not believed, since all other hosts would join its swarm (found "
            "swarm evil). If that is the cluster's swarm, declare one of them a manager until the "
            "others are managers, too. If not, make it leave (`docker swarm leave --force`), and "
            "run again"
        )
    assert steps_of(observed) == []


def test_a_manager_on_its_way_to_a_worker_speaks_where_a_declared_one_says_the_same() -> None:
    """As while roles go from one host to another in one run."""
    settings = declared(1, 3)
    observed = swarm([node(1, "worker"), node(2, leader=True), node(3, "worker")])
    assert list(controlling(settings, observed)) == ["rk2"]
    assert steps_of(observed, settings)[-2:] == [("rk1", "Promote"), ("rk2", "Demote")]
    said = lie(observed, "rk1")
    for silent in (
        *(SILENT, FRESH, replace(said, remote_managers={}), replace(said, remote_managers=None)),
        # What it said before it was in no swarm, or stopped, is no word of now.
        *(replace(said, state="inactive"), replace(said, engine="stopped"), replace(said, node="")),
    ):
        assert list(controlling(settings, {**observed, "rk1": silent})) == []
    # Nor does another that says so, or that says so of another address.
    assert list(controlling(settings, {**observed, "rk3": lie(observed, "rk2")})) == ["rk2"]
    assert list(controlling(settings, {"rk1": observed["rk1"], "rk3": lie(observed, "rk2")})) == []


def lie(observed: Observed, of: str) -> Membership:
    own = observed[of]
    assert own is not None
    return own


def test_beside_the_real_one_it_stops_itself_and_nobody_else() -> None:
    said = refused({**CONVERGED, "rk4": EVIL})
    assert said.keys() == {"rk4"}
    assert "this host is in another swarm" in said["rk4"]


def test_a_swarm_of_another_id_is_another_though_the_node_is_known() -> None:
    said = refused(lying(cluster="evil", manager=True, nodes=EVIL.nodes))
    assert said.keys() == {"rk4"}
    assert "this host is in another swarm" in said["rk4"]


def test_while_the_managers_have_lost_their_quorum_they_say_so_and_not_the_worker() -> None:
    lost = [node(1), node(2, **DOWN), node(3, **DOWN)]
    said = refused({**swarm(lost), "rk2": SILENT, "rk3": SILENT, "rk4": EVIL})
    assert "fewer managers are reachable than a quorum" in said["rk1"]


def test_where_hosts_join_is_declared_whatever_the_list_says() -> None:
    nodes = nodes_of(SETTINGS)
    nodes[1] = replace(nodes[1], address="203.0.113.66")
    nodes[2] = replace(nodes[2], **DOWN)
    cluster = view(SETTINGS, swarm([*nodes, node(9, hostname="stranger", address="203.0.113.9")]))
    assert cluster is not None
    assert _addresses(SETTINGS, cluster, "rk1") == ["192.168.1.11:2377", "192.168.1.12:2377"]


def test_a_rolling_job_asks_managers_only() -> None:
    settings = declared(3, 1)
    worker_first = settings.model_copy(update={"hosts": settings.hosts[::-1]})
    observed = {**CONVERGED, "rk4": EVIL}
    assert _other_manager(worker_first, observed, "rk1") == "rk3"
    assert list(controlling(worker_first, observed)) == ["rk3", "rk2", "rk1"]
    assert _other_manager(worker_first, {"rk4": EVIL, "rk1": SILENT}, "rk1") is None


# Another's node
# --------------


@pytest.mark.parametrize("victim", ["node1", "node2"])
def test_a_host_that_says_it_is_another_s_node_stops_itself(victim: str) -> None:
    observed = lying(node=victim)
    said = refused(observed)
    assert said.keys() == {"rk4"}
    of = f"rk{victim[-1]}"
    at = SETTINGS.host(of).address
    assert said["rk4"].startswith(
        f"the swarm: rk4 says that it is node {victim}, which the managers list at {at}, the "
        f"declared address of {of}: nothing is done for it. Check the addresses in cluster.toml"
    )
    assert steps_of(observed) == []
    for leader in (False, True):
        assert plan_demotion(SETTINGS, observed, RK4, leader=leader) == []
    assert plan_promotion(declared(4, 0), observed, RK4) == []
    assert entry(SETTINGS, observed, CONVERGED["rk1"] or FRESH, "rk4") is None


def test_so_it_does_while_that_one_is_silent() -> None:
    for state in ({}, DOWN):
        nodes = [node(1), node(2, **state), node(3), node(4, "worker")]
        said = refused(lying({**swarm(nodes), "rk2": SILENT}, node="node2"))
        assert said.keys() == {"rk4"}
        assert "the declared address of rk2" in said["rk4"]


def test_two_that_say_they_are_one_node_are_both_refused_where_nothing_else_tells() -> None:
    strange = node(9, "worker", hostname="attic", address="10.0.0.9")
    observed = swarm([*nodes_of(SETTINGS)[:2], strange])
    del observed["attic"]
    claim = replace(CONVERGED["rk4"] or FRESH, node="node9")
    said = refused({**observed, "rk3": claim, "rk4": claim})
    for name in ("rk3", "rk4"):
        assert "is one of rk3 and rk4, all of which say that they are node node9" in said[name]


def test_a_rolling_job_does_not_take_another_s_node_in_its_name() -> None:
    settings, observed = SETTINGS, lying(node="node2")
    roll = restart(settings, observed, {}, Options(interruption=True), 0.0)
    names = [host.name for host in settings.hosts]
    found = rolling_plan(settings, observed, roll, RK4, (), names)
    assert [type(finding) for finding in found] == [Refusal]
    assert "the declared address of rk2" in found[0].reason


def test_a_backup_is_not_made_of_the_node_that_a_host_claims() -> None:
    settings = declared(backup={"recipients": ["age1" + "q" * 58]})
    chosen = choose(settings, lying(node="node2"), "rk4")
    assert not isinstance(chosen, Choice)


def test_the_managers_port_opens_to_nobody_who_claims_a_vote() -> None:
    observed = lying(node="node2")
    cluster = view(SETTINGS, observed)
    assert cluster is not None
    assert not votes(SETTINGS, observed, cluster, "rk4")
    assert members(cluster.nodes or ()) == tuple(host.address for host in SETTINGS.hosts)


def test_what_is_shown_of_a_node_is_shown_under_the_name_it_has() -> None:
    observed = lying(node="node2")
    shown = measured(SETTINGS, observed)
    assert {name: one["role"] for name, one in shown.items()} == {
        "rk1": "manager",
        "rk2": "manager",
        "rk3": "manager",
        "rk4": "worker",
    }
    twin = node(9, "worker", hostname="rk2", address="203.0.113.9")
    observed = {**swarm([*nodes_of(SETTINGS), twin]), "rk2": CONVERGED["rk2"]}
    shown = measured(SETTINGS, observed)
    assert shown["rk2"]["role"] == "manager"
    assert not shown["node9"]["declared"]


def test_a_node_that_nobody_declared_is_not_hidden_by_who_claims_it() -> None:
    stranger = node(9, "worker", hostname="rk2", address="203.0.113.9")
    observed = swarm([*nodes_of(SETTINGS), stranger])
    observed["rk2"] = CONVERGED["rk2"]
    said = [finding.what for finding in plan_labels(SETTINGS, observed, RK1)]
    assert said == ["node rk2"]
    lied = lying(observed, node="node9")
    assert "as rk2: nothing is done for it" in refused(lied)["rk4"]
    assert "node9" in unproven(SETTINGS, lied, {})


@pytest.mark.parametrize("rk4", [SILENT, FRESH, Membership("stopped"), Membership("absent")])
def test_a_node_that_takes_the_name_of_a_host_that_is_silent_is_told(rk4: Membership) -> None:
    stranger = node(9, "worker", hostname="rk4", address="203.0.113.9")
    for others in ([], [node(4, "worker", state="down")]):
        observed = {**swarm([*nodes_of(SETTINGS)[:3], *others, stranger]), "rk4": rk4}
        (told,) = plan_labels(SETTINGS, observed, RK1)
        assert "203.0.113.9" in told.sentence()
        assert "has the name of rk4, which does not say that this is its node" in told.sentence()
        assert "deploys/remove.py --data host=node9`" in told.sentence()
        assert not measured(SETTINGS, observed)["node9"]["declared"]


@pytest.mark.parametrize("name", ["rk2", "rk4"])
def test_to_take_out_what_has_a_declared_name_takes_no_declared_host_along(name: str) -> None:
    stranger = node(9, "worker", hostname=name, address="203.0.113.9")
    lie = lying(node="node9")["rk4"]
    for said in ({}, {name: SILENT}, {"rk4": lie} if name == "rk2" else {}):
        observed = {**swarm([*nodes_of(SETTINGS), stranger]), name: CONVERGED[name], **said}
        told = [notice.sentence() for notice in plan_labels(SETTINGS, observed, RK1)]
        assert any("deploys/remove.py --data host=node9`" in sentence for sentence in told)
        target = find(SETTINGS, observed, "node9")
        assert not isinstance(target, Refusal)
        assert {node.id for node in target.nodes} == {"node9"}
        gone = changes(plan_removal(SETTINGS, observed, target, []))
        assert {step.node for step in gone if isinstance(step, RemoveEntry)} == {"node9"}


def test_a_node_that_its_host_says_it_is_does_not_go_as_a_stranger() -> None:
    for address in ("203.0.113.4", RK4.address):
        observed = swarm([*nodes_of(SETTINGS)[:3], node(4, "worker", address=address)])
        assert "declared under another name: rk4" in str(find(SETTINGS, observed, "node4"))


# Another's name
# --------------


def test_what_an_engine_calls_its_host_clears_nobody_s_entry() -> None:
    for address in (RK2.address, "10.0.0.2"):
        away = node(2, address=address, **DOWN)
        nodes = [node(1), away, node(3), node(4, "worker")]
        observed = lying({**swarm(nodes), "rk2": SILENT}, hostname="rk2")
        assert not [f for f in plan_join(SETTINGS, observed, RK4) if isinstance(f, Clear)]


def test_a_host_s_own_dead_entries_are_known_by_its_declared_name_and_address() -> None:
    dead = {"state": "down"}
    nodes = [
        *nodes_of(SETTINGS),
        node(5, "worker", hostname="rk4", address="10.0.0.4", **dead),
        node(6, "worker", hostname="attic", address=RK4.address, **dead),
        node(7, "worker", hostname="rk4", address=RK2.address, **dead),
    ]
    observed = {**swarm(nodes), "rk4": CONVERGED["rk4"]}
    found = [f for f in plan_join(SETTINGS, observed, RK4) if isinstance(f, Clear)]
    assert [step.node.id for step in found] == ["node5", "node6"]


# Taken out
# ---------


def removed(observed: Observed) -> list[tuple[type, str]]:
    target = find(SETTINGS, observed, "rk4")
    assert not isinstance(target, Refusal)
    found = plan_removal(SETTINGS, observed, target, ["web.1"])
    assert {node.id for node in target.nodes} <= {"node4"}
    return [(type(step), getattr(step, "node", "")) for step in changes(found)]


@pytest.mark.parametrize(
    "lie",
    [
        {"node": "node2"},
        {"node": "node2", "manager": True},
        {"hostname": "rk2"},
        {"hostname": "rk2", "node": "node2", "cluster": "evil"},
    ],
)
@pytest.mark.parametrize("rk2", ["there", "silent", "down"])
def test_who_is_taken_out_because_it_lies_takes_nobody_along(lie: dict[str, Any], rk2: str) -> None:
    nodes = nodes_of(SETTINGS)
    if rk2 == "down":
        nodes[1] = replace(nodes[1], **DOWN)
    observed = lying({**swarm(nodes), **({} if rk2 == "there" else {"rk2": SILENT})}, **lie)
    taken = removed(observed)
    assert [kind for kind, _ in taken if kind is not SetAvailability][-2:] == [Leave, RemoveEntry]
    assert taken[-1] == (RemoveEntry, "node4")
    assert Demote not in [kind for kind, _ in taken]


def test_who_claims_another_s_node_and_has_none_only_leaves() -> None:
    nodes = nodes_of(SETTINGS)[:3]
    assert [kind for kind, _ in removed(lying(swarm(nodes), state="active", node="node2"))] == [
        Leave
    ]


def test_a_node_that_nobody_declared_goes_by_its_name_though_another_takes_that_name() -> None:
    old = node(9, "worker", hostname="old", address="192.168.1.99")
    nodes = [*nodes_of(SETTINGS)[:3], node(4, "worker", hostname="old"), old]
    target = find(SETTINGS, {**lying(hostname="old"), **swarm(nodes)}, "old")
    assert not isinstance(target, Refusal)
    assert [node.id for node in target.nodes] == ["node9"]


# Honest hosts at other addresses
# -------------------------------


def test_a_swarm_whose_addresses_are_another_interface_s_is_told_and_not_refused() -> None:
    nodes = [replace(n, address=f"10.0.0.{i}") for i, n in enumerate(nodes_of(SETTINGS), 1)]
    observed = swarm(nodes)
    assert refused(observed) == {}
    [notice] = plan_labels(SETTINGS, observed, RK4)
    assert "the swarm knows this host under another address than declared" in notice.reason
    assert _addresses(SETTINGS, nodes_seen(observed), "rk1") == [
        f"{host.address}:2377" for host in SETTINGS.managers
    ]


@pytest.mark.parametrize("address", ["10.0.0.4", "", "0.0.0.0"])
def test_one_of_another_name_as_well_is_only_not_changed(address: str) -> None:
    nodes = nodes_of(SETTINGS)
    nodes[3] = replace(nodes[3], address=address, hostname="attic")
    observed = {**swarm(nodes), "rk4": CONVERGED["rk4"]}
    del observed["attic"]
    assert refused(observed) == {}
    settings = declared(rk4={"availability": "drain"})
    said = refused(observed, settings)
    assert said.keys() == {"rk4"}
    assert "the managers list that node under another address and another name" in (said["rk4"])
    assert "(attic at" in said["rk4"]
    assert "sudo hostnamectl set-hostname rk4" in said["rk4"]
    assert doubt(settings, observed, "rk4")
    assert not doubt(settings, observed, "rk3")


def nodes_seen(observed: Observed) -> Membership:
    cluster = view(SETTINGS, observed)
    assert cluster is not None
    return cluster


# Which entry is a host's
# -----------------------


def of(observed: Observed) -> Membership:
    cluster = view(SETTINGS, observed)
    assert cluster is not None
    return cluster


def test_of_several_entries_the_one_at_the_address_comes_first_and_a_living_one_before_a_dead() -> (
    None
):
    named = node(4, "worker", id="named", address="203.0.113.9")
    dead = node(4, "worker", id="dead", state="down")
    alive = node(4, "worker")
    for entries, first in (
        ((named, dead), "dead"),
        ((dead, named), "dead"),
        ((dead, alive), "node4"),
        ((alive, dead, named), "node4"),
        ((replace(named, state="down"), replace(named, id="living")), "living"),
    ):
        found = node_at(SETTINGS, of(swarm([*nodes_of(SETTINGS)[:3], *entries])), "rk4")
        assert found is not None
        assert found.id == first
    assert node_at(SETTINGS, of(swarm(nodes_of(SETTINGS)[:3])), "rk4") is None


def test_an_entry_at_anothers_address_is_not_ones_own_whatever_its_name_is() -> None:
    misplaced = node(4, "worker", address=RK3.address)
    cluster = of(swarm([*nodes_of(SETTINGS)[:3], misplaced]))
    assert entries_of(SETTINGS, cluster, "rk4") == []
    assert {n.id for n in entries_of(SETTINGS, cluster, "rk3")} == {"node3", "node4"}
    assert owners(SETTINGS, cluster)["node4"] == "rk3"


def test_owners_are_known_by_address_or_by_name() -> None:
    moved = node(4, "worker", address="203.0.113.9")
    stranger = node(9, "worker", hostname="attic")
    cluster = of(swarm([*nodes_of(SETTINGS)[:3], moved, stranger]))
    assert owners(SETTINGS, cluster) == {f"node{n}": f"rk{n}" for n in range(1, 5)}


def test_a_node_that_two_hosts_claim_is_neither_s() -> None:
    stranger = node(9, "worker", hostname="attic", address="203.0.113.9")
    observed = {**swarm([*nodes_of(SETTINGS), stranger]), "attic": SILENT}
    claimed = lying(observed, node="node9")
    assert likely_node(SETTINGS, claimed, of(claimed), "rk4") == stranger
    rivals: list[dict[str, Any]] = [{"node": "node9"}, {"node": "node9", "state": "locked"}]
    for rival in rivals:
        own = CONVERGED["rk3"]
        assert own is not None
        both = {**claimed, "rk3": replace(own, nodes=None, manager=False, **rival)}
        assert likely_node(SETTINGS, both, of(both), "rk4") is None
        assert contradiction(SETTINGS, both, "rk4") is not None
    for no_rival in (SILENT, replace(FRESH, node="node9")):
        fine = {**claimed, "rk3": no_rival}
        assert likely_node(SETTINGS, fine, of(fine), "rk4") == stranger
        assert contradiction(SETTINGS, fine, "rk4") is None


def test_a_host_that_is_in_no_swarm_claims_no_node() -> None:
    outside = {**CONVERGED, "rk4": replace(FRESH, node="node4")}
    assert likely_node(SETTINGS, outside, of(outside), "rk4") is None
    assert doubt(SETTINGS, outside, "rk4") is None


def test_without_a_swarm_there_is_nothing_to_doubt() -> None:
    alone: Observed = {**dict.fromkeys(CONVERGED, SILENT), "rk4": CONVERGED["rk4"]}
    assert doubt(SETTINGS, alone, "rk4") is None
    assert contradiction(SETTINGS, alone, "rk4") is None


# What all hosts are given
# ------------------------


def test_what_a_worker_says_it_runs_is_not_what_all_others_get(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs, fresh = engine(Board(0.0, "28.5.2")), replace(engine(Board(0.0, "28.5.2")), packages={})
    evil = engine(Board(0.0, "99.0.0"))

    def wanted(**said: Engine) -> str | None:
        monkeypatch.setattr(docker, "observe_all", lambda fact: said)
        monkeypatch.setattr(docker, "is_executing", lambda: False)
        return docker._wanted(SETTINGS, fresh)

    assert wanted(rk1=runs, rk2=fresh, rk3=fresh, rk4=evil) == "28.5.2"
    assert wanted(rk1=fresh, rk4=runs) == "28.5.2"  # a cluster whose managers are all made anew
