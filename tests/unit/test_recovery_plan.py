"""When a backup is restored, when a lost quorum is recovered, and what forbids it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cluster.backup_archive import Backup, Manager
from cluster.findings import Finding, Notice, Refusal, changes, refusals
from cluster.membership import Membership, Node
from cluster.recovery import (
    Remains,
    ghosts,
    plan_recovery,
    plan_restore,
    recovery_target,
    restore_target,
)
from cluster.settings import Settings

_HOSTS: dict[str, Any] = {
    "hosts": [
        {
            "name": f"rk{number}",
            "address": f"192.168.1.{10 + number}",
            "role": "worker" if number == 4 else "manager",
        }
        for number in range(1, 5)
    ]
}
SETTINGS = Settings(**_HOSTS)
BACKUP = Backup(
    cluster="swarm-1",
    name="home",
    host="rk2",
    node="node-rk2",
    address="192.168.1.12",
    engine="28.5.2",
    taken=1795576500,
    autolock=False,
    managers=tuple(
        Manager(f"node-rk{number}", f"rk{number}", f"192.168.1.{10 + number}")
        for number in (1, 2, 3)
    ),
)
FRESH = Membership("running")
NO_LEADER = "The swarm does not have a leader."


def remains(name: str, **more: Any) -> Remains:
    """What a host has on its disk; by default nothing of a swarm."""
    address = SETTINGS.host(name).address
    empty = Remains(False, False, "", "", False, "28.5.2", (address,))
    return replace(empty, **more)


def member(name: str, **more: Any) -> Remains:
    role = SETTINGS.host(name).is_manager
    return remains(
        name,
        **{"state": True, "cluster": "swarm-1", "node": f"node-{name}", "manager": role, **more},
    )


def node(name: str, **more: Any) -> Node:
    host = SETTINGS.host(name)
    there = Node(
        id=f"node-{name}",
        hostname=name,
        address=host.address,
        role=host.role,
        availability="active",
        state="ready",
        leader=False,
        reachability="reachable" if host.is_manager else "",
        labels={},
        engine_version="28.5.2",
    )
    return replace(there, **more)


def manager(name: str, nodes: tuple[Node, ...] | None = None, **more: Any) -> Membership:
    """A manager in the swarm; without nodes one that has no quorum."""
    return replace(
        Membership(
            "running",
            hostname=name,
            state="active" if nodes else "pending",
            node=f"node-{name}",
            address=SETTINGS.host(name).address,
            manager=True,
            cluster="swarm-1" if nodes else "",
            nodes=nodes,
            remote_managers={
                f"node-rk{number}": f"192.168.1.{10 + number}:2377" for number in (1, 2, 3)
            },
            error="" if nodes else NO_LEADER,
        ),
        **more,
    )


def everywhere(**some: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fresh hosts, but for some: a pair of a membership and of remains, or None for silence."""
    observed: dict[str, Any] = {host.name: FRESH for host in SETTINGS.hosts}
    remaining: dict[str, Any] = {host.name: remains(host.name) for host in SETTINGS.hosts}
    for name, pair in some.items():
        observed[name], remaining[name] = pair if pair is not None else (None, None)
    return observed, remaining


def sentences(findings: list[Finding]) -> str:
    return "\n".join(finding.sentence() for finding in findings)


def restoring(backup: Backup = BACKUP, host: str = "rk2", **some: Any) -> list[Finding]:
    gone, unlock_key = some.pop("gone", ()), some.pop("unlock_key", False)
    observed, remaining = everywhere(**some)
    return plan_restore(
        SETTINGS, observed, remaining, backup, SETTINGS.host(host), gone, unlock_key=unlock_key
    )


def only_refused(findings: list[Finding], words: str) -> None:
    assert findings
    assert refusals(findings) == findings, "something would be changed"
    assert words in sentences(findings)


# Restoring: where
# ----------------


@pytest.mark.parametrize("asked", [None, "rk2"])
def test_a_backup_goes_to_the_host_at_its_address(asked: str | None) -> None:
    target = restore_target(SETTINGS, BACKUP, asked)
    assert not isinstance(target, Refusal)
    assert target.name == "rk2"


@pytest.mark.parametrize(
    ("asked", "address", "words"),
    [
        (
            "rk1",
            "192.168.1.12",
            "the backup is rk2's at 192.168.1.12, and rk1 is at 192.168.1.11: a manager's state "
            "works at its own address only. Restore it on rk2",
        ),
        (None, "10.0.0.1", "no declared host has the address 10.0.0.1"),
        ("rk1", "10.0.0.1", "Give rk1 that address"),
    ],
)
def test_it_goes_nowhere_else(asked: str | None, address: str, words: str) -> None:
    target = restore_target(SETTINGS, replace(BACKUP, address=address), asked)
    assert isinstance(target, Refusal)
    assert words in target.sentence()


# Restoring: what is done
# -----------------------


def test_on_fresh_hosts_it_is_put_back_forced_and_cleared() -> None:
    findings = restoring()
    assert not refusals(findings)
    assert [change.sentence() for change in changes(findings)] == [
        "the swarm's state: is put back as rk2 had it on 2026-11-25 03:15 UTC; what has changed "
        "since is lost (→ swarm swarm-1, node node-rk2)",
        "the swarm: goes on with rk2 as its only manager (force-new-cluster): what the others had "
        "agreed on and rk2 has not heard of is lost",
        "node rk1: is a manager that is lost for good, so its entry goes (node-rk1, 192.168.1.11 "
        "→ removed)",
        "node rk3: is a manager that is lost for good, so its entry goes (node-rk3, 192.168.1.13 "
        "→ removed)",
    ]


def test_a_swarm_of_one_manager_is_not_forced() -> None:
    one = replace(BACKUP, managers=BACKUP.managers[1:2])
    assert [change.what for change in changes(restoring(one))] == ["the swarm's state"]


def test_a_worker_that_is_left_is_no_obstacle() -> None:
    worker = Membership("running", state="pending", node="node-rk4")
    assert not refusals(restoring(rk4=(worker, member("rk4"))))


def test_a_restore_that_was_interrupted_is_finished() -> None:
    put_back = restoring(rk2=(manager("rk2"), member("rk2")))
    assert [change.what for change in changes(put_back)] == ["the swarm", "node rk1", "node rk3"]
    nodes = (node("rk2"), node("rk1", state="unknown", reachability=""), node("rk4"))
    forced = restoring(rk2=(manager("rk2", nodes), member("rk2")))
    assert [change.what for change in changes(forced)] == ["node rk1"]
    done = restoring(rk2=(manager("rk2", (node("rk2"), node("rk4"))), member("rk2")))
    assert not changes(done)
    assert [type(finding) for finding in done] == [Notice]
    assert "is a manager of this very swarm and answers: nothing is restored" in sentences(done)


# Restoring: what forbids it
# --------------------------

LIVING = (node("rk1"), node("rk2"), node("rk3"))


def test_not_beside_a_living_swarm() -> None:
    words = "the swarm lives: rk1 is a manager of it and answers for it"
    only_refused(restoring(rk1=(manager("rk1", LIVING), member("rk1"))), words)
    both: dict[str, Any] = {name: (manager(name, LIVING), member(name)) for name in ("rk1", "rk2")}
    only_refused(restoring(**both), words)


@pytest.mark.parametrize(
    ("own", "words"),
    [
        (manager("rk3"), "rk3 is still a manager of this swarm: with it there would be two"),
        (
            Membership("stopped"),
            "rk3 is still a manager of this swarm, though its engine does not run now",
        ),
    ],
)
def test_not_while_an_old_manager_is_there(own: Membership, words: str) -> None:
    only_refused(restoring(rk3=(own, member("rk3"))), words)


def test_not_while_a_manager_is_silent_unless_it_is_said_to_be_gone() -> None:
    only_refused(
        restoring(rk1=None, rk3=None),
        "rk1 and rk3 did not answer, and may still be a manager of this swarm",
    )
    only_refused(restoring(rk1=None, rk3=None, gone=("rk1",)), "--data gone=rk3")
    assert not refusals(restoring(rk1=None, rk3=None, gone=("rk1", "rk3")))
    assert not refusals(restoring(rk4=None)), "a worker founds no second swarm"
    was_manager = replace(
        BACKUP, managers=(*BACKUP.managers, Manager("node-rk4", "rk4", "192.168.1.14"))
    )
    only_refused(restoring(was_manager, rk4=None), "rk4 did not answer")


def test_not_into_another_swarm() -> None:
    other = (replace(manager("rk1", (node("rk1"),)), cluster="swarm-2"), member("rk1"))
    only_refused(restoring(rk1=other), "rk1 is in another swarm (swarm-2) than the one in question")
    only_refused(
        restoring(rk2=(manager("rk2"), member("rk2", cluster="swarm-2", node="node-x"))),
        "rk2 is in a swarm already (swarm-2), and its state would be overwritten",
    )


@pytest.mark.parametrize(
    ("own", "more", "words"),
    [
        (Membership("absent"), {"engine": ""}, "rk2 has no Docker yet"),
        (FRESH, {"engine": "26.1.5"}, "rk2 runs Docker 26.1.5, and the state is from 28.5.2"),
        (FRESH, {"addresses": ("10.0.0.5",)}, "does not have its declared address 192.168.1.12"),
        (FRESH, {"state": True}, "rk2 is in a swarm already"),
    ],
)
def test_not_on_a_host_that_is_not_fit(own: Membership, more: dict[str, Any], words: str) -> None:
    only_refused(restoring(rk2=(own, remains("rk2", **more))), words)


def test_not_on_a_host_that_is_silent() -> None:
    only_refused(restoring(rk2=None), "rk2 does not answer")


def test_a_newer_engine_is_welcome() -> None:
    assert not refusals(restoring(rk2=(FRESH, remains("rk2", engine="29.0.1"))))


def test_an_autolocked_swarm_takes_its_unlock_key() -> None:
    locked = replace(BACKUP, autolock=True)
    only_refused(restoring(locked), "so its unlock key of then is needed. Put the key (SWMKEY-…)")
    assert not refusals(restoring(locked, unlock_key=True))


# Recovering
# ----------


def recovering(host: str = "rk1", **some: Any) -> list[Finding]:
    unlock_key = some.pop("unlock_key", False)
    observed, remaining = everywhere(**some)
    return plan_recovery(SETTINGS, observed, remaining, SETTINGS.host(host), unlock_key=unlock_key)


ALONE: dict[str, Any] = {
    "rk1": (manager("rk1"), member("rk1")),
    "rk2": None,
    "rk3": None,
    "rk4": (Membership("running", state="active", node="node-rk4"), member("rk4")),
}


def test_two_of_three_are_lost_and_the_third_goes_on() -> None:
    findings = recovering(**ALONE)
    assert not refusals(findings)
    assert [change.what for change in changes(findings)] == ["the swarm", "node rk2", "node rk3"]
    assert "what the others had agreed on and rk1 has not heard of is lost" in sentences(findings)


def test_who_is_lost_is_told_by_name_whatever_the_nodes_are_called() -> None:
    at = {"z": "192.168.1.12:2377", "a": "192.168.1.13:2377"}
    alone = {**ALONE, "rk1": (replace(manager("rk1"), remote_managers=at), member("rk1"))}
    told = [change.what for change in changes(recovering(**alone))]
    assert told == ["the swarm", "node rk2", "node rk3"]


def test_lost_managers_may_have_been_installed_anew() -> None:
    reinstalled = {**ALONE, "rk2": (FRESH, remains("rk2")), "rk3": (FRESH, remains("rk3"))}
    assert not refusals(recovering(**reinstalled))


def test_a_leader_that_has_not_noticed_yet_is_no_quorum() -> None:
    lost = tuple(node(name, reachability="unreachable") for name in ("rk2", "rk3"))
    stale = {**ALONE, "rk1": (manager("rk1", (node("rk1"), *lost)), member("rk1"))}
    assert changes(recovering(**stale))[0].what == "the swarm"


def test_a_quorum_that_is_there_is_not_forced() -> None:
    nodes = (node("rk1"), node("rk2"), node("rk3", reachability="unreachable", state="down"))
    both = {
        **ALONE,
        "rk1": (manager("rk1", nodes), member("rk1")),
        "rk2": (manager("rk2", nodes), member("rk2")),
    }
    only_refused(
        recovering(**both), "the swarm has its quorum: 2 of 3 managers are reachable, 2 are needed"
    )


def test_a_recovery_that_was_interrupted_is_finished() -> None:
    left = (node("rk1"), node("rk2", reachability="", state="unknown"), node("rk4"))
    begun = {**ALONE, "rk1": (manager("rk1", left), member("rk1"))}
    assert [change.what for change in changes(recovering(**begun))] == ["node rk2"]
    ended = {**ALONE, "rk1": (manager("rk1", (node("rk1"), node("rk4"))), member("rk1"))}
    only_refused(recovering(**ended), "1 of 1 managers are reachable, 1 are needed")


def test_a_node_that_has_just_been_promoted_is_no_ghost() -> None:
    nodes = (node("rk1"), node("rk2", reachability=""))
    assert ghosts(manager("rk1", nodes)) == []


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ((manager("rk2"), member("rk2")), "rk2 is still a manager of this swarm: with it there"),
        ((Membership("stopped"), member("rk2")), "though its engine does not run now"),
        (
            (manager("rk2"), member("rk2", cluster="swarm-2")),
            "rk2 is in another swarm (swarm-2) than the one in question (swarm-1)",
        ),
    ],
)
def test_not_while_another_manager_answers(other: Any, words: str) -> None:
    only_refused(recovering(**{**ALONE, "rk2": other}), words)


def test_not_from_a_host_that_cannot_go_on() -> None:
    only_refused(recovering("rk2", **ALONE), "rk2 does not answer")
    only_refused(recovering("rk4", **ALONE), "rk4 cannot go on for the swarm: it is no manager")
    stopped = {**ALONE, "rk1": (Membership("stopped"), member("rk1"))}
    only_refused(recovering(**stopped), "rk1 cannot go on for the swarm: its engine is stopped")


@pytest.mark.parametrize("state", ["pending", "locked"])
def test_an_autolocked_manager_goes_on_only_with_its_unlock_key(state: str) -> None:
    own = manager("rk1", state=state)
    if state == "locked":  # such an engine says nothing else
        own = replace(own, manager=False, node="", remote_managers={})
    some = {**ALONE, "rk1": (own, member("rk1", locked=True))}
    only_refused(recovering(**some), "the engine then drops out of the swarm, moby #36852")
    findings = recovering(**some, unlock_key=True)
    assert not refusals(findings)
    assert [change.what for change in changes(findings)][:2] == [
        "the lock of the swarm's state",
        "the swarm",
    ]


@pytest.mark.parametrize(
    ("asked", "some", "expected"),
    [
        (None, ALONE, "rk1"),
        ("rk4", ALONE, "rk4"),
        (None, {}, "no declared host answers as a manager of a swarm"),
        (
            None,
            {**ALONE, "rk3": (manager("rk3"), member("rk3"))},
            "rk1 and rk3 are managers that answer, and only one can go on",
        ),
        (None, {**ALONE, "rk3": (manager("rk3", LIVING), member("rk3"))}, "rk3"),
    ],
)
def test_who_goes_on(asked: str | None, some: dict[str, Any], expected: str) -> None:
    target = recovery_target(SETTINGS, *everywhere(**some), asked)
    if isinstance(target, Refusal):
        assert expected in target.sentence()
    else:
        assert target.name == expected
