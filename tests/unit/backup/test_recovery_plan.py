"""When a backup is restored, when a lost quorum is recovered, and what forbids it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from pyinfra_swarm.backup.archive import Backup, Manager
from pyinfra_swarm.backup.force_new_cluster import lost_entries
from pyinfra_swarm.backup.recover import plan_recovery, recovery_target
from pyinfra_swarm.backup.restore import plan_restore, restore_target
from pyinfra_swarm.nodes.membership import Membership, Node
from pyinfra_swarm.nodes.on_disk import OnDisk
from pyinfra_swarm.run.findings import Finding, Notice, Refusal, changes, refusals
from tests import builders
from tests.builders import SETTINGS

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


def remains(name: str, **more: Any) -> OnDisk:
    """What a host has on its disk; by default nothing of a swarm."""
    address = SETTINGS.host(name).address
    empty = OnDisk(False, False, "", "", False, "28.5.2", (address,))
    return replace(empty, **more)


def member(name: str, **more: Any) -> OnDisk:
    role = SETTINGS.host(name).is_manager
    return remains(
        name,
        **{"state": True, "cluster": "swarm-1", "node": f"node-{name}", "manager": role, **more},
    )


def node(name: str, **more: Any) -> Node:
    there = {"role": SETTINGS.host(name).role, "id": f"node-{name}", "leader": False}
    return builders.node(int(name[2:]), **{**there, **more})


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
    assert {finding.what for finding in findings} <= {
        "the swarm's restore",
        "the swarm's recovery",
    }
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
        "the swarm: continues with rk2 as its only manager (force-new-cluster): what the others "
        "had agreed on and rk2 has not heard of is lost",
        "node rk1: is a manager that is lost for good, so its entry is removed (node-rk1, "
        "192.168.1.11 → removed)",
        "node rk3: is a manager that is lost for good, so its entry is removed (node-rk3, "
        "192.168.1.13 → removed)",
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
    assert "is a manager of this swarm and answers: nothing is restored" in sentences(done)


# Restoring: what forbids it
# --------------------------

LIVING = (node("rk1"), node("rk2"), node("rk3"))


def test_not_beside_a_living_swarm() -> None:
    words = "the swarm is alive: rk1 is one of its managers and answers"
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
    only_refused(
        restoring(locked), "so the unlock key of that time is needed. Put the key (SWMKEY-…)"
    )
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


def test_who_speaks_against_continuing_alone_is_named_and_a_worker_can_be_left_out() -> None:
    """Its word may be a lie, and would be in the way for ever."""
    own = (node("rk4", role="manager", reachability="reachable"),)
    for claim, words in (
        ((manager("rk4", own), member("rk4")), "1 are needed, as rk4 says"),
        (
            (manager("rk4", (node("rk4"),)), member("rk4")),
            "the swarm is alive: rk4 is one of its managers",
        ),
        ((manager("rk4"), member("rk4", manager=True)), "rk4 is still a manager of this swarm"),
    ):
        told = recovering(**{**ALONE, "rk4": claim})
        only_refused(told, words)
        assert "delete it from cluster.toml, and run again" in sentences(told)
    honest = recovering(**{**ALONE, "rk2": (manager("rk2"), member("rk2"))})
    only_refused(honest, "rk2 is still a manager")
    assert "cluster.toml" not in sentences(honest)


def test_a_worker_that_claims_a_swarm_leaves_no_restored_manager_without_a_word() -> None:
    living = (manager("rk2", (node("rk2"),)), member("rk2"))
    [notice] = restoring(rk2=living, rk4=(manager("rk4", (node("rk4"),)), member("rk4")))
    assert "nothing is restored" in notice.reason


def test_a_recovery_that_was_interrupted_is_finished() -> None:
    left = (node("rk1"), node("rk2", reachability="", state="unknown"), node("rk4"))
    begun = {**ALONE, "rk1": (manager("rk1", left), member("rk1"))}
    assert [change.what for change in changes(recovering(**begun))] == ["node rk2"]
    ended = {**ALONE, "rk1": (manager("rk1", (node("rk1"), node("rk4"))), member("rk1"))}
    only_refused(recovering(**ended), "1 of 1 managers are reachable, 1 are needed")


def test_a_node_that_has_just_been_promoted_is_no_ghost() -> None:
    nodes = (node("rk1"), node("rk2", reachability=""))
    assert lost_entries(manager("rk1", nodes)) == []


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
    only_refused(recovering("rk4", **ALONE), "rk4 cannot continue the swarm: it is no manager")
    stopped = {**ALONE, "rk1": (Membership("stopped"), member("rk1"))}
    only_refused(recovering(**stopped), "rk1 cannot continue the swarm: its engine is stopped")


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
            "rk1 and rk3 are managers that answer, and only one can continue",
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


# At the limits
# -------------


def whats(findings: Sequence[Finding]) -> list[str]:
    return [finding.what for finding in findings]


MINE: dict[str, Any] = {"rk2": (manager("rk2"), member("rk2"))}
"""The backup's own host, with the backup's own state on it, and nobody who answers."""


def test_a_host_that_tells_only_half_is_silent() -> None:
    for half in ((None, remains("rk2")), (FRESH, None)):
        only_refused(restoring(rk2=half), "rk2 does not answer")
    for half in ((None, member("rk1")), (manager("rk1"), None)):
        only_refused(recovering(**{**ALONE, "rk1": half}), "rk1 does not answer")


def test_a_state_is_the_backups_own_where_it_is_there_and_of_the_same_node() -> None:
    assert "the swarm's state" not in whats(restoring(**MINE))
    for other in (member("rk2", node="another"), member("rk2", state=False)):
        own = manager("rk2", node="another")
        told = restoring(rk2=(own, other))
        only_refused(told, "rk2 is in a swarm already")


def test_a_manager_of_another_swarm_that_answers_is_no_interrupted_restore() -> None:
    own = manager("rk2", (node("rk2"),), cluster="swarm-2", node="another")
    told = restoring(rk2=(own, member("rk2", node="another", cluster="swarm-2")))
    only_refused(told, "rk2 is in a swarm already (swarm-2)")


def test_a_restored_manager_that_answers_is_left_alone_whoever_is_silent() -> None:
    living = (manager("rk2", (node("rk2"),)), member("rk2"))
    [notice] = restoring(rk2=living, rk3=None, rk4=None)
    assert isinstance(notice, Notice)
    assert "nothing is restored" in notice.reason


def test_what_was_put_back_of_an_autolocked_swarm_needs_no_key_again() -> None:
    locked = replace(BACKUP, autolock=True)
    assert not refusals(restoring(locked, **MINE))


def test_a_swarm_of_two_managers_is_forced_and_the_other_is_cleared() -> None:
    two = replace(BACKUP, managers=BACKUP.managers[:2])
    assert whats(restoring(two)) == ["the swarm's state", "the swarm", "node rk1"]


def test_a_host_that_is_declared_a_manager_since_counts_as_one() -> None:
    alone = replace(BACKUP, managers=BACKUP.managers[1:2])
    only_refused(restoring(alone, rk3=None), "rk3 did not answer")
    assert not refusals(restoring(alone, rk4=None))
    worker = replace(BACKUP, managers=(*BACKUP.managers, Manager("x", "rk4", "192.168.1.14")))
    only_refused(restoring(worker, rk4=None), "rk4 did not answer")


def test_silent_managers_are_named_in_one_order_and_the_unreachable_among_them() -> None:
    for unreachable in ("unreachable: curl: (28) timed out", "unreachable"):
        told = restoring(rk3=None, rk1=(Membership(unreachable), remains("rk1")))
        only_refused(told, "rk1 and rk3 did not answer")
        assert "`--data gone=rk1,rk3`" in sentences(told)
    assert not refusals(restoring(rk1=(Membership("stopped"), remains("rk1"))))
    assert not refusals(restoring(rk1=(Membership("not unreachable"), remains("rk1"))))


def test_the_target_itself_is_not_waited_for() -> None:
    told = restoring(rk2=(Membership("unreachable: x"), remains("rk2")))
    assert "did not answer" not in sentences(told)


@pytest.mark.parametrize(
    ("own", "more", "fit"),
    [
        (Membership("absent"), {}, False),
        (FRESH, {"engine": ""}, False),
        (FRESH, {"addresses": ()}, True),
        (FRESH, {"addresses": ("10.0.0.1", "192.168.1.12")}, True),
        (FRESH, {"addresses": ("10.0.0.1",)}, False),
        (Membership("running", state="active"), {}, False),
        (FRESH, {"state": True, "node": "x"}, False),
        (FRESH, {"engine": "9.0.1"}, False),
    ],
)
def test_what_makes_a_host_fit_for_a_restore(
    own: Membership, more: dict[str, Any], fit: bool
) -> None:
    assert bool(refusals(restoring(rk2=(own, remains("rk2", **more))))) is not fit


def goes_on(**some: Any) -> str:
    target = recovery_target(SETTINGS, *everywhere(**some), None)
    return target.what if isinstance(target, Refusal) else target.name


def test_who_could_go_on_is_a_manager_in_a_swarm_that_answers_or_is_locked() -> None:
    assert goes_on(rk1=(manager("rk1"), member("rk1"))) == "rk1"
    locked = Membership("running", state="locked")
    assert goes_on(rk1=(locked, member("rk1"))) == "rk1"
    worker = Membership("running", state="active", node="x")
    outside = replace(FRESH, manager=True)
    for other in (worker, outside):
        assert goes_on(rk1=(other, member("rk1"))) == "the swarm's recovery"
    assert goes_on(rk1=(locked, member("rk1")), rk3=(manager("rk3"), member("rk3"))) == (
        "the swarm's recovery"
    )


def test_a_host_that_has_left_its_swarm_cannot_go_on_for_it() -> None:
    left = replace(FRESH, manager=True)
    only_refused(recovering(**{**ALONE, "rk1": (left, member("rk1"))}), "it is no manager")


def test_a_worker_or_stranger_with_a_list_of_nodes_is_no_quorum() -> None:
    odd = Membership("running", state="active", nodes=(node("rk1"), node("rk2")), node="node-rk4")
    assert not refusals(recovering(**{**ALONE, "rk4": (odd, member("rk4"))}))


def test_another_whose_recovery_was_interrupted_is_told_of_and_not_cleared_here() -> None:
    left = (node("rk3"), node("rk2", reachability="", state="unknown"))
    both = {**ALONE, "rk3": (manager("rk3", left), member("rk3"))}
    only_refused(recovering(**both), "the swarm has its quorum: 1 of 1")


def test_the_lost_are_those_at_other_addresses_in_one_order() -> None:
    at = {
        "z": "192.168.1.12:2377",
        "a": "192.168.1.13:2377",
        "m": "[fd00::9]:2377",
        "node-rk1": "192.168.1.11:2377",
    }
    alone = {**ALONE, "rk1": (replace(manager("rk1"), remote_managers=at), member("rk1"))}
    told = changes(recovering(**alone))
    assert [(change.what, change.found) for change in told[1:]] == [
        ("node [fd00::9]", "m, [fd00::9]"),
        ("node rk2", "z, 192.168.1.12"),
        ("node rk3", "a, 192.168.1.13"),
    ]
    nobody = {**ALONE, "rk1": (replace(manager("rk1"), remote_managers=None), member("rk1"))}
    assert whats(changes(recovering(**nobody))) == ["the swarm"]


def test_only_who_has_something_of_a_swarm_stands_in_its_way() -> None:
    free = replace(FRESH, manager=True)
    assert not refusals(recovering(**{**ALONE, "rk2": (free, remains("rk2", manager=True))}))
    inside = Membership("running", state="active", manager=True, node="x")
    only_refused(recovering(**{**ALONE, "rk2": (inside, remains("rk2"))}), "is still a manager")
    assert not refusals(recovering(**{**ALONE, "rk2": (inside, None)}))
    assert not refusals(recovering(**{**ALONE, "rk2": (None, member("rk2"))}))


def test_a_swarm_is_another_only_where_both_are_known() -> None:
    for mine, theirs, refused in (
        ("", "swarm-2", False),
        ("swarm-1", "", False),
        ("swarm-1", "swarm-2", True),
    ):
        worker = Membership("running", state="active", node="x")
        some = {
            **ALONE,
            "rk1": (manager("rk1"), member("rk1", cluster=mine)),
            "rk4": (worker, member("rk4", cluster=theirs)),
        }
        assert bool(refusals(recovering(**some))) is refused


def test_an_entry_of_the_one_that_goes_on_is_no_ghost() -> None:
    """Its own status may be missing for a moment."""
    own = manager("rk1", (node("rk1", reachability=""), node("rk2", reachability="", state="down")))
    assert [entry.id for entry in lost_entries(own)] == ["node-rk2"]


def test_a_worker_of_another_swarm_is_in_no_restores_way() -> None:
    worker = Membership("running", state="active", node="x")
    assert not refusals(restoring(rk4=(worker, member("rk4", cluster="swarm-2"))))
    at_a_managers = replace(
        BACKUP, managers=(*BACKUP.managers, Manager("x", "rk4", "192.168.1.14"))
    )
    told = restoring(at_a_managers, rk4=(worker, member("rk4", cluster="swarm-2")))
    only_refused(told, "rk4 is in another swarm (swarm-2)")


def test_a_host_without_docker_is_told_so_whatever_is_left_on_its_disk() -> None:
    for own, engine in ((Membership("absent"), "28.5.2"), (FRESH, "")):
        told = restoring(rk2=(own, remains("rk2", engine=engine)))
        only_refused(told, "rk2 has no Docker yet")
