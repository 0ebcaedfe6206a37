"""Why a node is not taken out of service, before its turn and right before it is changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from pyinfra_swarm.nodes.membership import Membership, Node, Observed
from pyinfra_swarm.rolling import operations
from pyinfra_swarm.rolling.jobs import (
    Options,
    Roll,
    Running,
    Work,
    restart,
)
from pyinfra_swarm.rolling.operations import Job, Situation
from pyinfra_swarm.rolling.plan import (
    plan,
    still_due,
)
from pyinfra_swarm.run.converge import Commands, Refused, Unobserved
from pyinfra_swarm.run.findings import Change, Finding, Notice, Refusal
from pyinfra_swarm.settings import Settings
from pyinfra_swarm.settings.labels import AVAILABILITY_BEFORE
from pyinfra_swarm.swarm.labels import plan_labels
from tests.builders import declared, node
from tests.unit.rolling.rolling_examples import (
    ALL,
    HALF,
    MARK,
    NAMES,
    NODES,
    NOW,
    RESTART,
    SETTINGS,
    WHOLE,
    changed,
    found,
    runs,
    swarm,
    the_refusal,
)


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
        f"the swarm: is not healthy: {named}. A rolling job takes one node out of service at a "
        "time, and only while all others are healthy. Bring back what is missing, or remove it "
        "from the swarm, then run again"
    )


def test_a_host_that_does_not_answer_stops_the_roll() -> None:
    words = the_refusal(found(RESTART, swarm(*NODES, silent=["rk4"])))
    assert words == (
        "the hosts: rk4 did not answer, and a rolling job begins only when every host "
        "answers. Bring it back, or leave it out: --exclude NAME"
    )
    left_out = found(RESTART, swarm(*NODES, silent=["rk4"]), among=["rk1", "rk2", "rk3"])
    assert all(isinstance(told[0], Change) for told in left_out.values())


def test_no_other_node_is_taken_while_one_has_not_come_through() -> None:
    told = found(RESTART, swarm(*changed(HALF)), planning=False)
    assert isinstance(told["rk2"][0], Change)
    assert [finding.sentence() for finding in told["rk3"]] == [
        "the swarm: a rolling job has not finished with rk2, so no other node is taken out of "
        "service. Look at it, then run the same command again, without --limit"
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
    assert told.sentence().startswith("availability: was set by a rolling job")


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
        (1, "the managers: there is only one. While it is worked on, nothing in the swarm"),
        (2, "the managers: there are two, and both must be reachable. While one is worked on"),
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
        "the swarm: there is none yet, so there are no nodes to work on. deploys/site.py creates it"
    )


def test_an_engine_that_was_left_stopped_is_named_where_nobody_answers() -> None:
    fallen: Observed = dict.fromkeys(NAMES, Membership("stopped"))
    words = the_refusal(found(RESTART, fallen))
    assert words == (
        "the swarm: no manager answers for it, and Docker is stopped on rk1, rk2, rk3 and rk4. "
        "Run deploys/docker.py, which completes its installation and starts it; then run again"
    )


def test_without_a_quorum_nothing_can_be_changed() -> None:
    lost = {name: replace(m, nodes=None) if m else None for name, m in WHOLE.items()}
    words = the_refusal(found(RESTART, lost))
    assert words.startswith(
        "the swarm: no manager can answer for it (rk1, rk2, rk3 and rk4 are in one): fewer managers"
    )


# Right before a node is changed
# ------------------------------

DRAINED = replace(node(1), availability="drain", labels={AVAILABILITY_BEFORE: "active"})
DUE = Roll(
    "restart", {"rk1": Work("the Docker daemon", "is restarted")}, since_label=MARK, begun=NOW
)


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
    assert said.startswith(
        "restart: somebody else has changed or restored this node since its turn began"
    )


def test_a_node_that_has_been_changed_meanwhile_is_not_changed_again() -> None:
    """The command of a run that was killed goes on, and ends while the next run drains the node."""
    done = replace(DUE, work={})
    assert due(DRAINED, *NODES[1:], roll=done) == []
    for now in (node(1), replace(DRAINED, labels={})):
        [said] = due(now, *NODES[1:], roll=done)
        assert "somebody else has changed or restored" in said


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


# What the site does with it
# --------------------------


def test_the_site_leaves_a_node_that_is_worked_on_as_it_is() -> None:
    half = node(2, availability="drain", labels={AVAILABILITY_BEFORE: "active", MARK: "1800000000"})
    observed = swarm(*changed(half))
    [notice] = plan_labels(SETTINGS, observed, SETTINGS.host("rk2"))
    assert isinstance(notice, Notice)
    assert notice.sentence() == (
        "availability: was set by a rolling job that has not finished (drain → active). Run "
        "that job again (deploys/upgrade.py, deploys/restart.py or deploys/reboot.py): it resumes "
        "where it stopped"
    )
    hosts: Any = [host.model_dump() for host in SETTINGS.hosts]
    hosts[1]["availability"] = "active"
    active = Settings(hosts=hosts)
    assert plan_labels(active, observed, active.host("rk2")) == [notice]


def test_a_node_is_looked_at_once_more_right_before_it_is_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While it was drained, another manager was lost: then its engine is not stopped."""
    changed_nodes: list[str] = []

    def change(settings: Settings, given: Options) -> Commands:
        changed_nodes.append("rk1")
        yield from ()

    def situation(*nodes: Node) -> Situation:
        return Situation(SETTINGS.host("rk1"), swarm(*nodes), ALL, tuple(NAMES), DUE, [])

    def refuse(part: str, findings: list[Finding]) -> None:
        if findings:
            raise Refused(findings[0].sentence())

    job = Job("restart", lambda *seen: DUE, change)
    monkeypatch.setattr(operations, "progress", lambda words: None)
    monkeypatch.setattr(operations, "report", refuse)
    monkeypatch.setattr(operations, "look", lambda *of: situation(DRAINED, *NODES[1:]))
    list(operations._work(SETTINGS, job, situation(*NODES), NODES[0], "rk2", ()))
    assert changed_nodes == ["rk1"]
    lost = replace(node(2), state="down", reachability="unreachable")
    monkeypatch.setattr(operations, "look", lambda *of: situation(DRAINED, lost, *NODES[2:]))
    with pytest.raises(Refused, match="of 3 managers 2 must stay reachable"):
        list(operations._work(SETTINGS, job, situation(*NODES), NODES[0], "rk2", ()))
    assert changed_nodes == ["rk1"]


def test_a_turn_that_cannot_ask_for_the_unlock_key_stops_the_job(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = operations._Progress()

    def no_leader(settings: Settings) -> Refusal | None:
        raise Unobserved("rk1 did not answer UnlockKey: The swarm does not have a leader")

    due = found(RESTART, swarm(*NODES))["rk1"]
    now = Situation(SETTINGS.host("rk1"), swarm(*NODES), ALL, tuple(NAMES), RESTART, due)
    monkeypatch.setattr(operations, "this_run", lambda kind: run)
    monkeypatch.setattr(operations, "look", lambda *of: now)
    monkeypatch.setattr(operations, "in_stage", lambda *of, **how: True)
    monkeypatch.setattr(operations, "is_executing", lambda: True)
    monkeypatch.setattr(operations, "unlockable", no_leader)

    def nothing(*of: object) -> Commands:
        yield from ()

    job = Job("restart", lambda *seen: RESTART, nothing)
    with pytest.raises(Unobserved):
        list(operations.turn(SETTINGS, job, "workers"))
    assert run.stopped_at == "rk1"
