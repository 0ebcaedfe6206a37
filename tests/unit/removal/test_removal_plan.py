"""Removing a node: what it takes, what is refused and why, and how it resumes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pyinfra_swarm.nodes.membership import Membership, Node, Observed
from pyinfra_swarm.nodes.steps import steps
from pyinfra_swarm.removal.plan import (
    plan_clearing,
    plan_demotion,
    plan_leaving,
    plan_margin,
    plan_removal,
    plan_successor,
    plan_undeclaring,
    unfinished,
)
from pyinfra_swarm.removal.steps import AwaitEmpty, Leave, RemoveEntry
from pyinfra_swarm.removal.target import Target, find
from pyinfra_swarm.run.findings import Finding, Refusal, refusals
from pyinfra_swarm.settings import Settings
from pyinfra_swarm.swarm.labels import SetAvailability
from pyinfra_swarm.swarm.roles import Demote
from tests.builders import CONVERGED, FRESH, SETTINGS, SILENT, declared, node, nodes_of, swarm

DOWN: dict[str, Any] = {"state": "down", "reachability": "unreachable", "leader": False}
OLD = node(9, "worker", hostname="old")


def target(name: str, observed: Observed, settings: Settings = SETTINGS) -> Target:
    found = find(settings, observed, name)
    assert isinstance(found, Target), found
    return found


def planned(
    name: str, observed: Observed, tasks: tuple[str, ...] = (), settings: Settings = SETTINGS
) -> list[Finding]:
    return plan_removal(settings, observed, target(name, observed, settings), tasks)


def refusal(name: str, observed: Observed, settings: Settings = SETTINGS) -> str:
    found = find(settings, observed, name)
    if isinstance(found, Target):
        [found] = refusals(plan_removal(settings, observed, found, ()))
    return found.sentence()


def kinds(findings: list[Finding]) -> list[type]:
    assert not refusals(findings)
    return [type(step) for step in steps(findings)]


def without(nodes: list[Node], *names: str) -> dict[str, Membership | None]:
    """The same swarm, whose nodes of these names are down and silent."""
    left = [replace(n, **DOWN) if n.hostname in names else n for n in nodes]
    left = [
        replace(n, reachability="") if n.role == "worker" and n.hostname in names else n
        for n in left
    ]
    return {**dict.fromkeys(names, SILENT), **swarm(left)}


def with_others(nodes: list[Node]) -> dict[str, Membership | None]:
    """A swarm with nodes that nobody declared, who therefore are not asked."""
    names = {host.name for host in SETTINGS.hosts}
    return {name: said for name, said in swarm(nodes).items() if name in names}


# What it takes
# -------------


def test_a_worker_is_drained_and_empty_before_it_leaves() -> None:
    found = planned("rk4", CONVERGED, ("web.2", "db.1"))
    assert kinds(found) == [SetAvailability, AwaitEmpty, Leave, RemoveEntry]
    assert found[1].sentence() == (
        "node rk4: its tasks end there, and start on other nodes that may run them "
        "(db.1 and web.2 → empty)"
    )


def test_a_manager_is_demoted_before_it_leaves_and_the_arithmetic_is_said() -> None:
    found = planned("rk1", CONVERGED)
    assert kinds(found) == [SetAvailability, Demote, Leave, RemoveEntry]
    demote = found[1]
    assert isinstance(demote, Demote)
    assert (demote.on, demote.leader) == ("rk2", True)
    assert "2 of 2 managers stay reachable, 2 are needed (manager → worker)" in demote.sentence()


def test_two_managers_that_are_left_are_told_of() -> None:
    [notice] = plan_margin(target("rk1", CONVERGED))
    assert "of 2 managers that are left 2 must be reachable and 2 are: none may fail" in (
        notice.sentence()
    )
    assert plan_margin(target("rk4", CONVERGED)) == []
    four = declared(4, 0)
    assert plan_margin(target("rk4", swarm(nodes_of(four)), four)) == []


def test_a_dead_host_is_only_cleared_after_it_was_demoted() -> None:
    observed = without(nodes_of(SETTINGS), "rk3")
    found = planned("rk3", observed)
    assert kinds(found) == [Demote, RemoveEntry]
    assert target("rk3", observed).by == "rk1"
    assert kinds(planned("rk4", without(nodes_of(SETTINGS), "rk4"))) == [RemoveEntry]


def test_a_node_that_nobody_declares_is_taken_out_by_name_or_id() -> None:
    observed = with_others([*nodes_of(SETTINGS), OLD])
    for name in ("old", "node9"):
        found = planned(name, observed)
        assert kinds(found) == [SetAvailability, Leave, RemoveEntry]
        leave = found[1]
        assert isinstance(leave, Leave)
        assert leave.by_hand
        assert "it leaves when you type `docker swarm leave` on it (192.168.1.19)" in (
            leave.sentence()
        )
        assert target(name, observed).by == "rk1"
    dead = with_others([*nodes_of(SETTINGS), replace(OLD, state="down")])
    assert kinds(planned("old", dead)) == [RemoveEntry]


def test_a_reinstalled_hosts_entry_goes_and_the_host_is_left_alone() -> None:
    observed = {**without(nodes_of(SETTINGS), "rk4"), "rk4": FRESH}
    assert kinds(planned("rk4", observed)) == [RemoveEntry]


def test_it_resumes_where_it_was_interrupted() -> None:
    drained = [*nodes_of(SETTINGS)[:3], node(4, "worker", availability="drain")]
    assert kinds(planned("rk4", swarm(drained))) == [Leave, RemoveEntry]
    left = {**without(drained, "rk4"), "rk4": FRESH}
    assert kinds(planned("rk4", left)) == [RemoveEntry]
    gone = {**swarm(drained[:3]), "rk4": FRESH}
    assert planned("rk4", gone) == []


def test_an_entry_stays_as_long_as_its_host_is_in_the_swarm() -> None:
    there = target("rk4", CONVERGED)
    assert kinds(plan_leaving(there)) == [Leave]
    assert kinds(plan_clearing(there)) == [RemoveEntry]  # the engine refuses it while it is up


# What is refused
# ---------------


def test_nobody_of_that_name() -> None:
    words = refusal("rk9", CONVERGED)
    assert "no declared host and no node of the swarm is called rk9" in words
    assert "one of rk1, rk2, rk3 and rk4" in words


def test_two_of_that_name_are_told_apart_by_id() -> None:
    twins = [OLD, replace(OLD, id="nodeX", address="192.168.1.20")]
    words = refusal("old", with_others([*nodes_of(SETTINGS), *twins]))
    assert "2 nodes are called old: node9 at 192.168.1.19 and nodeX at 192.168.1.20" in words
    assert "Give the id instead" in words


def test_a_declared_host_is_called_by_its_declared_name() -> None:
    nodes = [*nodes_of(SETTINGS)[:3], node(4, "worker", hostname="attic")]
    said = {("rk4" if name == "attic" else name): m for name, m in swarm(nodes).items()}
    assert "attic is declared under another name: rk4" in refusal("attic", said)
    assert kinds(planned("rk4", said)) == [SetAvailability, Leave, RemoveEntry]


def test_where_no_manager_answers_nothing_is_begun() -> None:
    lost = without(nodes_of(SETTINGS), "rk2", "rk3")
    assert "cannot be removed: no manager answers for the swarm" in refusal("rk4", lost)
    assert "no manager answers that could know a node of this name" in refusal("old", lost)


def test_the_last_manager_stays() -> None:
    settings = declared(1, 1)
    words = refusal("rk1", swarm(nodes_of(settings)), settings)
    assert "it is the last manager, and a swarm cannot be without one" in words
    assert "Promote another host first" in words


def test_the_quorum_is_kept_with_the_arithmetic() -> None:
    observed = without(nodes_of(SETTINGS), "rk3")
    words = refusal("rk2", observed)
    assert "of the 2 other managers 2 would have to be reachable, and only 1 is (1 < 2)" in words
    assert "Bring the other managers back first" in words


def test_the_quorum_is_looked_at_again_when_the_manager_is_demoted() -> None:
    """Another has gone since the removal began."""
    [found] = plan_demotion(target("rk1", without(nodes_of(SETTINGS), "rk3")))
    assert isinstance(found, Refusal)
    assert found.sentence() == (
        "node rk1: is not demoted: of the 2 other managers 2 would have to be reachable, and only "
        "1 is (1 < 2)"
    )


def test_the_last_declared_manager_that_can_be_asked_stays() -> None:
    old = [node(n, hostname=f"old{n}", leader=False) for n in (8, 9)]
    observed = with_others([node(1), node(2, "worker"), *old])
    assert "no other declared host is a manager that answers" in refusal("rk1", observed)


def test_a_dead_entry_of_its_own_is_nobody_else_s_vote() -> None:
    twin = node(1, id="twin", **DOWN)
    found = planned("rk1", {**CONVERGED, **swarm([twin, node(1, leader=True), node(2)])})
    assert kinds(found) == [SetAvailability, Demote, Demote, Leave, RemoveEntry, RemoveEntry]
    assert [step.node for step in found if isinstance(step, Demote)] == ["twin", "node1"]
    reasons = [finding.reason for finding in found if isinstance(finding, Demote)]
    assert reasons == [
        "is demoted: 2 of 2 managers stay reachable, 2 are needed",
        "is demoted: 1 of 1 managers stay reachable, 1 are needed",
    ]


def test_an_entry_that_a_forced_cluster_has_left_behind_has_no_vote() -> None:
    """Its role is a manager's, but it is no member of the group, and cannot be demoted."""
    left = {"state": "down", "reachability": ""}
    nodes = (node(1), node(2, **left), node(3, **left), node(4, "worker"))
    own = CONVERGED["rk1"]
    assert own is not None
    observed = {"rk1": replace(own, nodes=nodes), "rk4": CONVERGED["rk4"]}
    assert kinds(planned("rk2", observed)) == [RemoveEntry]
    assert plan_margin(target("rk2", observed)) == []
    assert "it is the last manager" in refusal("rk1", observed)


def test_of_two_swarms_none_is_asked() -> None:
    two = {**swarm([node(1), node(3)]), **swarm([node(2)], cluster="swarm2")}
    words = refusal("rk1", {**CONVERGED, **two})
    assert "the declared hosts are in 2 different swarms (swarm1 and swarm2)" in words
    assert "Decide which one stays" in words


def test_a_host_in_another_swarm_cannot_be_removed() -> None:
    elsewhere = Membership("running", "rk4", "active", "far")
    words = refusal("rk4", {**CONVERGED, "rk4": elsewhere})
    assert "is not in the declared swarm, but in another" in words


@pytest.mark.parametrize(
    ("engine", "reason", "remedy"),
    [
        ("stopped", "Docker is stopped on this host", "Start it (`sudo systemctl start docker`)"),
        (
            "unreachable: curl: (28) timed out",
            "Docker does not answer on this host (curl: (28) timed out)",
            "Restart it (`sudo systemctl restart docker`)",
        ),
        (
            "unreachable: curl is not installed",
            "Docker does not answer on this host (curl is not installed)",
            "Install curl (`sudo apt install curl`), by which it is asked",
        ),
    ],
)
@pytest.mark.parametrize("name", ["rk3", "rk4"])
def test_a_host_whose_engine_does_not_answer_cannot_leave(
    name: str, engine: str, reason: str, remedy: str
) -> None:
    """Its entry would go, and with the state on its disk it would come back as a member."""
    observed = {**without(nodes_of(SETTINGS), name), name: Membership(engine)}
    words = refusal(name, observed)
    assert words.startswith(
        f"node {name}: {reason}, so the host cannot leave the swarm. Its disk may still hold the "
        "swarm's state; with that, it would call itself a member again. "
        f"{remedy}, and run again. Or, if its disk will be wiped: switch the host off or delete it "
        "from cluster.toml, and run again; only its entry is removed then"
    )
    assert refusals(plan_leaving(target(name, observed))), "it has stopped since the plan"


def test_a_host_without_an_engine_has_nothing_to_leave_with() -> None:
    observed = {**without(nodes_of(SETTINGS), "rk4"), "rk4": Membership("absent")}
    assert kinds(planned("rk4", observed)) == [RemoveEntry]


def test_what_is_told_of_a_stopped_engine_works() -> None:
    """Switched off, or not declared any more."""
    assert kinds(planned("rk3", without(nodes_of(SETTINGS), "rk3"))) == [Demote, RemoveEntry]
    fewer = declared(2, 0)
    gone = {name: said for name, said in without(nodes_of(SETTINGS), "rk3").items() if said}
    assert kinds(planned("rk3", gone, settings=fewer)) == [Demote, RemoveEntry]


def test_a_locked_manager_is_told_to_be_unlocked() -> None:
    locked = Membership("running", state="locked")
    words = refusal("rk3", {**without(nodes_of(SETTINGS), "rk3"), "rk3": locked})
    assert "node rk3: is locked, so it can neither say which node it is nor leave" in words
    assert "Unlock it (`pyinfra inventory.py deploys/unlock.py`), and run again" in words
    assert "Without its unlock key: run `docker swarm leave --force` on it first" in words
    assert "then remove node3, which the managers list for it" in words
    assert "another" not in words


def test_a_node_id_that_is_not_known_is_not_told() -> None:
    elsewhere = {**CONVERGED, "rk4": Membership("running", "rk4", "error")}
    assert "was removed and does not know it. Run" in refusal("rk4", elsewhere)
    known = {**CONVERGED, "rk4": Membership("running", "rk4", "active", "far")}
    assert "does not know it (its node id was far). Run" in refusal("rk4", known)


# Which node it is, and who does it
# ---------------------------------


def test_a_node_is_found_by_what_it_calls_itself_only_where_nobody_declares_it() -> None:
    """A stranger that calls itself like a declared host, and one like a stranger's id."""
    observed = with_others([*nodes_of(SETTINGS), OLD])
    assert [n.id for n in target("old", observed).nodes] == ["node9"]
    assert target("old", observed).own is None
    named = {**observed, "old": CONVERGED["rk4"]}
    assert target("old", named).own is None, "a host that is not declared says nothing here"
    words = refusal("node4", observed)
    assert "node4 is declared under another name: rk4" in words
    nodes = [
        *nodes_of(SETTINGS)[:3],
        node(4, "worker", hostname="attic"),
        replace(OLD, hostname="attic"),
    ]
    said = {("rk4" if name == "attic" else name): m for name, m in with_others(nodes).items()}
    assert [n.id for n in target("attic", {**said, "rk4": CONVERGED["rk4"]}).nodes] == ["node9"]


def test_a_dead_twin_of_a_stranger_is_no_reason_to_ask_which() -> None:
    twins = [replace(OLD, id="nodeX", state="down"), OLD]
    observed = with_others([*nodes_of(SETTINGS), *twins])
    assert [n.id for n in target("old", observed).nodes] == ["nodeX", "node9"]
    backwards = with_others([*nodes_of(SETTINGS), *reversed(twins)])
    assert [n.id for n in target("old", backwards).nodes] == ["nodeX", "node9"]


def test_of_two_living_entries_the_hosts_own_comes_last() -> None:
    own, other = node(4, "worker"), node(4, "worker", id="twin")
    for nodes in ((own, other), (other, own)):
        observed = {**swarm([*nodes_of(SETTINGS)[:3], *nodes]), "rk4": CONVERGED["rk4"]}
        assert [n.id for n in target("rk4", observed).nodes] == ["twin", "node4"]


def test_where_nobody_answers_nobody_does_it() -> None:
    lost = dict.fromkeys(CONVERGED, SILENT)
    assert (target("rk4", lost).by, target("rk4", lost).ask) == ("", "")
    assert target("rk4", {**lost, "rk4": FRESH}).by == "rk4"
    assert target("rk4", CONVERGED).by == "rk4"
    assert target("rk1", CONVERGED).ask == "rk2"


def test_who_could_be_meant_is_told_by_name_or_id() -> None:
    nameless = replace(OLD, hostname="")
    words = refusal("rk9", with_others([*nodes_of(SETTINGS), nameless, replace(OLD, id="x")]))
    assert "one of node9, old, rk1, rk2, rk3 and rk4" in words


def test_two_swarms_do_not_matter_to_who_is_in_neither() -> None:
    two = {**swarm([node(1), node(3)]), **swarm([node(2)], cluster="swarm2")}
    assert planned("rk4", {**two, "rk4": FRESH}) == []


def test_a_worker_s_votes_are_nobody_s_and_a_demoted_manager_is_waited_for() -> None:
    """Demotion takes a moment: it is a worker already, and votes still."""
    half = node(2, "worker", reachability="reachable")
    observed = swarm([node(1), half, node(3), node(4, "worker")])
    own = CONVERGED["rk2"]
    assert own is not None
    observed = {**observed, "rk2": replace(own, nodes=None, manager=False)}
    found = planned("rk2", observed)
    assert kinds(found) == [SetAvailability, Demote, Leave, RemoveEntry]
    alone = [node(1), half]
    asked = {**CONVERGED, **swarm(alone), "rk2": observed["rk2"], "rk3": FRESH, "rk4": FRESH}
    assert Demote in kinds(planned("rk2", asked))


def test_a_last_manager_is_only_asked_about_its_own_going() -> None:
    """A worker goes though one manager of two is missing."""
    nodes = [node(1), node(2, **DOWN), node(4, "worker")]
    own = CONVERGED["rk1"]
    assert own is not None
    observed = {"rk1": replace(own, nodes=tuple(nodes)), "rk4": CONVERGED["rk4"]}
    assert kinds(planned("rk4", observed)) == [SetAvailability, Leave, RemoveEntry]


def test_margins_are_told_where_one_of_its_entries_has_a_vote() -> None:
    observed = {**CONVERGED, **swarm([node(1), node(2), node(3), node(3, "worker", id="old3")])}
    assert plan_margin(target("rk3", observed))
    lost = dict.fromkeys(CONVERGED, SILENT)
    assert plan_margin(target("rk3", lost)) == []
    assert plan_margin(target("rk4", CONVERGED)) == []


def test_nothing_runs_on_a_node_that_is_not_alive() -> None:
    dead = without(nodes_of(SETTINGS), "rk4")
    assert kinds(planned("rk4", dead, ("web.1",))) == [RemoveEntry]


def test_a_drained_node_says_so() -> None:
    [drain, *_] = planned("rk4", CONVERGED)
    assert isinstance(drain, SetAvailability)
    assert drain.availability == "drain"


def test_only_votes_are_taken_off_before_an_entry_goes() -> None:
    twin = node(1, "worker", id="twin", state="down")
    observed = {**CONVERGED, **swarm([twin, *nodes_of(SETTINGS)])}
    found = planned("rk1", observed)
    assert [step.node for step in found if isinstance(step, Demote)] == ["node1"]


def test_what_keeps_an_entry_from_being_removed() -> None:
    assert [type(step) for step in unfinished(target("rk1", CONVERGED))] == [
        *(SetAvailability, Demote, Leave)
    ]
    assert [type(step) for step in unfinished(target("rk4", CONVERGED))] == [SetAvailability, Leave]
    refused = target("rk1", without(nodes_of(SETTINGS), "rk3"))
    assert [type(step) for step in unfinished(refused)] == [SetAvailability, Leave]
    gone = {**without(nodes_of(SETTINGS), "rk4"), "rk4": FRESH}
    assert unfinished(target("rk4", gone)) == []


# What is the owner's
# -------------------


def test_a_host_that_is_still_declared_would_come_back() -> None:
    [notice] = plan_undeclaring(SETTINGS, target("rk4", CONVERGED))
    assert "the next run of the site would join it again" in notice.sentence()
    assert "Remove it from cluster.toml" in notice.sentence()
    assert plan_undeclaring(SETTINGS, target("old", with_others([*nodes_of(SETTINGS), OLD]))) == []


def test_who_takes_its_place_gets_what_is_declared_and_nothing_by_hand() -> None:
    nodes = [*nodes_of(SETTINGS)[:3], node(4, "worker", labels={"zone": "attic"})]
    given = {"zone": "attic", "disk": "ssd", "arch": "arm64"}
    settings = declared(rk4={"labels": {"disk": "nvme"}})
    labelled = swarm([*nodes[:3], node(4, "worker", labels=given)])
    assert [finding.what for finding in plan_successor(target("rk4", labelled, settings))] == [
        *("label arch", "label zone", "host rk4")
    ]
    label, stays = plan_successor(target("rk4", swarm(nodes)))
    assert (
        "label zone: was set by hand, and is lost with the entry (found attic)" in label.sentence()
    )
    assert "stays declared, as a worker" in stays.sentence()
    assert "pyinfra inventory.py deploys/site.py" in stays.sentence()


@pytest.mark.parametrize("name", ["rk1", "rk2", "rk3"])
def test_no_removal_is_planned_that_costs_the_quorum(name: str) -> None:
    for down in ({"rk1"}, {"rk2"}, {"rk3"}, set[str]()):
        observed = without(nodes_of(SETTINGS), *down)
        found = find(SETTINGS, observed, name)
        assert isinstance(found, Target)
        refused = refusals(plan_removal(SETTINGS, observed, found, ()))
        assert bool(refused) == (bool(down) and name not in down)
        assert all(isinstance(one, Refusal) for one in refused)


def test_only_a_node_with_both_role_and_vote_has_to_be_spared_by_the_other_managers() -> None:
    """Without the role its demotion is decided; without a vote it is not in the raft group."""
    others = (node(1), node(2, **DOWN))
    said = swarm([*others, node(4)])
    own = said["rk1"]
    assert own is not None

    def with_(left: Node) -> Observed:
        return {"rk1": replace(own, nodes=(*others, left)), "rk2": SILENT, "rk4": SILENT}

    assert "cannot be removed: of the 2 other managers 2 would" in refusal("rk4", with_(node(4)))
    for left in (
        node(4, "worker", reachability="reachable"),
        node(4, "manager", state="down", reachability=""),
    ):
        assert not refusals(planned("rk4", with_(left))), left
