"""When a backup is restored, and what forbids it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pyinfra_swarm.backup.archive import Backup, Manager
from pyinfra_swarm.backup.force_new_cluster import (
    Attach,
    AwaitAnswer,
    AwaitLock,
    ClearEntry,
    RestoreAvailability,
    TakeLockOff,
)
from pyinfra_swarm.backup.restore import restore_target, still_autolocked
from pyinfra_swarm.nodes.membership import Membership, Overlay, SwarmSpec
from pyinfra_swarm.run.findings import Change, Notice, Refusal, changes, refusals
from tests.builders import SETTINGS
from tests.unit.backup.lost_managers import (
    ALONE,
    BACKUP,
    FRESH,
    LIVING,
    itself,
    manager,
    member,
    node,
    only_refused,
    recovering,
    remains,
    restoring,
    sentences,
    whats,
)


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


def test_a_manager_that_is_in_the_swarm_again_is_left_alone_unless_others_lead_it_too() -> None:
    mine = (manager("rk2", LIVING), member("rk2"))
    [finding] = restoring(rk2=mine)
    assert isinstance(finding, Notice)
    stopped = (Membership("stopped", node="node-rk1"), member("rk1"))
    [finding] = restoring(rk2=mine, rk1=stopped)
    assert isinstance(finding, Notice), "one that does not run is for the site to say"
    alive = (manager("rk3", LIVING), member("rk3"))
    only_refused(restoring(rk2=mine, rk1=None, rk3=alive), "is alive: rk3")


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


def test_a_worker_that_claims_a_swarm_leaves_no_restored_manager_without_a_word() -> None:
    living = (manager("rk2", (node("rk2"),)), member("rk2"))
    [notice] = restoring(rk2=living, rk4=(manager("rk4", (node("rk4"),)), member("rk4")))
    assert "nothing is restored" in notice.reason


MINE: dict[str, Any] = {"rk2": (manager("rk2"), member("rk2"))}
"""The backup's own host, with the backup's own state on it, and nobody who answers."""


def test_a_host_that_tells_only_half_is_silent() -> None:
    for half in ((None, remains("rk2")), (FRESH, None)):
        only_refused(restoring(rk2=half), "rk2 does not answer")
    for half in ((None, member("rk1")), (manager("rk1"), None)):
        only_refused(recovering(**{**ALONE, "rk1": half}), "rk1 does not answer")


def test_a_state_is_the_backups_own_where_it_is_there_and_of_the_same_node() -> None:
    assert "the swarm's state" not in whats(restoring(**MINE))
    detached = {"in_ingress": False, "overlays": (INGRESS,), "spec": SwarmSpec(0, autolock=True)}
    there = (node("rk2", id="another"),)
    own = manager("rk2", there, cluster="swarm-2", node="another", **detached)
    told = restoring(replace(BACKUP, autolock=True), rk2=(own, member("rk2", node="another")))
    assert "overlay network" not in sentences(told), "another swarm's networks are its own affair"
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


def test_a_survivor_that_is_locked_on_its_disk_is_forced_only_with_its_unlock_key() -> None:
    """Forced with its lock on, the engine drops out of the swarm (moby #36852)."""
    lost: dict[str, Any] = {"rk1": None, "rk3": None, "gone": ("rk1", "rk3")}
    for backup in (BACKUP, replace(BACKUP, autolock=True)):
        for own in (manager("rk2"), Membership("stopped")):
            survives: dict[str, Any] = {"rk2": (own, member("rk2", locked=True)), **lost}
            only_refused(restoring(backup, **survives), "its unlock key is needed to force rk2")
            steps = changes(restoring(backup, **survives, unlock_key=True))
            assert whats(steps) == [
                *("the lock of the swarm's state", "the swarm", "node rk1", "node rk3")
            ]
            assert isinstance(steps[0], TakeLockOff)


@pytest.mark.parametrize("managers", [BACKUP.managers, BACKUP.managers[1:2]])
def test_a_host_that_is_locked_after_a_power_cut_is_told_to_be_unlocked(managers: Any) -> None:
    """It is asked to force nothing, which it would refuse again with every run."""
    locked = Membership("running", state="locked")
    backup = replace(BACKUP, managers=managers, autolock=True, availability="active")
    for unlock_key in (False, True):
        there: dict[str, Any] = {"rk2": (locked, member("rk2", locked=True))}
        told = restoring(backup, unlock_key=unlock_key, **there)
        only_refused(told, "rk2 already holds this swarm's state, and its engine is locked")
        assert len(told) == 1
        assert (
            "`pyinfra inventory.py deploys/unlock.py --limit rk2 --data key_file=PATH`), then run "
            "the same command again. If the unlocking ends without a quorum, the other managers "
            "are lost: recover rk2 instead, with `pyinfra inventory.py deploys/recover.py --limit "
            "rk2 --data unlock=PATH`"
        ) in sentences(told)


@pytest.mark.parametrize("availability", ["", "drain", "active"])
@pytest.mark.parametrize(
    ("own", "found"),
    [
        (Membership("stopped"), "stopped"),
        (manager("rk2", remote_managers=itself("rk2")), "The swarm does not have a leader."),
        (manager("rk2", remote_managers=itself("rk2"), error=""), "pending"),
        (Membership("unreachable: curl: (28) timed out"), "unreachable: curl: (28) timed out"),
    ],
)
def test_the_only_manager_is_not_restored_before_it_answers(
    own: Membership, found: str, availability: str
) -> None:
    backup = replace(BACKUP, managers=BACKUP.managers[1:2], availability=availability)
    awaited, *rest = restoring(backup, rk2=(own, member("rk2")))
    assert isinstance(awaited, AwaitAnswer)
    assert awaited.sentence() == (
        "node rk2: holds the swarm's state and does not answer for the swarm yet; the run waits "
        f"for it (found {found})"
    )
    assert [type(step) for step in rest] == [Notice] * (availability == "active")
    if rest:
        assert "may be drained, as it was for its backup; this run leaves it so" in sentences(rest)


def test_a_swarm_that_has_grown_since_the_backup_of_its_only_manager_is_forced() -> None:
    """Without the others it never answers, however long it is awaited."""
    one = replace(BACKUP, managers=BACKUP.managers[1:2])
    lost: dict[str, Any] = {"rk1": None, "rk3": None, "gone": ("rk1", "rk3")}
    steps = restoring(one, rk2=(manager("rk2"), member("rk2")), **lost)
    assert whats(steps) == ["the swarm", "node rk1", "node rk3"]
    locked = (manager("rk2"), member("rk2", locked=True))
    only_refused(restoring(one, rk2=locked, **lost), "its unlock key is needed to force rk2")
    steps = restoring(one, rk2=locked, unlock_key=True, **lost)
    assert whats(steps) == [*("the lock of the swarm's state", "the swarm", "node rk1", "node rk3")]
    only_refused(restoring(one, rk2=locked, rk3=None), "rk3 did not answer")
    fresh = replace(FRESH, remote_managers=manager("rk2").remote_managers)
    assert whats(restoring(one, rk2=(fresh, remains("rk2")))) == ["the swarm's state"]


def test_a_worker_that_was_promoted_since_the_backup_may_still_be_a_manager() -> None:
    known = {**itself("rk2"), **itself("rk4"), "node-x": "10.0.0.9:2377"}
    there = (manager("rk2", remote_managers=known), member("rk2"))
    for backup in (BACKUP, replace(BACKUP, managers=BACKUP.managers[1:2])):
        only_refused(restoring(backup, rk2=there, rk4=None), "rk4 did not answer")
    steps = restoring(BACKUP, rk2=there, rk4=None, gone=("rk4",))
    assert whats(steps) == ["the swarm", "node 10.0.0.9", "node rk4"]


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


def test_a_worker_of_another_swarm_is_in_no_restores_way() -> None:
    worker = Membership("running", state="active", node="x")
    assert not refusals(restoring(rk4=(worker, member("rk4", cluster="swarm-2"))))
    at_a_managers = replace(
        BACKUP, managers=(*BACKUP.managers, Manager("x", "rk4", "192.168.1.14"))
    )
    told = restoring(at_a_managers, rk4=(worker, member("rk4", cluster="swarm-2")))
    only_refused(told, "rk4 is in another swarm (swarm-2)")


def test_a_host_without_docker_is_reported_whatever_is_left_on_its_disk() -> None:
    for own, engine in ((Membership("absent"), "28.5.2"), (FRESH, "")):
        told = restoring(rk2=(own, remains("rk2", engine=engine)))
        only_refused(told, "rk2 has no Docker yet")


@pytest.mark.parametrize(
    ("half", "words"),
    [
        ((manager("rk1", LIVING), None), "the swarm is alive: rk1 is one of its managers"),
        ((manager("rk1"), None), "rk1 is still a manager of this swarm: with it"),
        ((None, member("rk1")), "rk1 is still a manager of this swarm, as its disk says"),
    ],
)
def test_half_an_answer_of_a_manager_is_enough_whatever_is_said_to_be_gone(
    half: Any, words: str
) -> None:
    for gone in ((), ("rk1",)):
        only_refused(restoring(rk1=half, gone=gone), words)


def test_a_manager_that_answers_only_in_part_may_be_one_unless_it_is_said_to_be_gone() -> None:
    for half in ((FRESH, None), (Membership("stopped"), None), (None, remains("rk1"))):
        told = restoring(rk1=half)
        only_refused(told, "rk1 answered only in part")
        assert "`--data gone=rk1`" in sentences(told)
        assert len(told) == 1, "it is told of once"
        assert not refusals(restoring(rk1=half, gone=("rk1",)))
    assert not refusals(restoring(rk4=(FRESH, None))), "a worker founds no second swarm"


DRAINED = replace(BACKUP, availability="active")
"""Of a manager that was drained for its backup, so that its state has it drained."""
INGRESS = Overlay("net1", "ingress", ingress=True, encrypted=True, subnets=())


def left(name: str = "rk2", availability: str = "drain", **more: Any) -> Membership:
    """The restored manager, forced and cleared: it answers, and is the only one."""
    return manager(name, (node(name, availability=availability), node("rk4")), **more)


def test_a_restore_that_ended_before_the_manager_took_tasks_again_is_finished() -> None:
    [step] = restoring(DRAINED, rk2=(left(), member("rk2")))
    assert isinstance(step, RestoreAvailability)
    assert step.availability == "active"
    assert step.sentence() == (
        "node rk2: is drained, by the restore or by you (the run cannot tell); after your "
        "confirmation it takes tasks again (drain → active)"
    )
    assert "takes tasks again as before: it was drained for the backup" in sentences(
        restoring(DRAINED)
    )
    [step] = restoring(replace(BACKUP, availability="pause"), rk2=(left(), member("rk2")))
    assert isinstance(step, RestoreAvailability)
    assert step.availability == "pause"


@pytest.mark.parametrize(
    ("was", "now"),
    [("", "drain"), ("drain", "drain"), ("active", "active"), ("active", "pause")],
)
def test_only_who_was_drained_for_the_backup_and_still_is_takes_tasks_again(
    was: str, now: str
) -> None:
    backup = replace(BACKUP, availability=was)
    [notice] = restoring(backup, rk2=(left(availability=now), member("rk2")))
    assert isinstance(notice, Notice)
    assert "nothing is restored" in notice.reason


def test_taking_tasks_again_is_a_step_of_the_whole_restore() -> None:
    whole = ["the swarm's state", "the swarm", "node rk1", "node rk3", "node rk2"]
    assert whats(restoring(DRAINED)) == whole
    assert whats(restoring(DRAINED, **MINE)) == whole[1:]
    nodes = (node("rk2", availability="drain"), node("rk1", state="down", reachability=""))
    forced = (manager("rk2", nodes), member("rk2"))
    assert whats(restoring(DRAINED, rk2=forced)) == ["node rk1", "node rk2"]


def test_a_restored_manager_without_its_networks_is_attached() -> None:
    for availability, kinds in (("active", [Attach]), ("drain", [Attach, Notice])):
        own = left(availability=availability, in_ingress=False, overlays=(INGRESS,))
        assert [type(step) for step in restoring(DRAINED, rk2=(own, member("rk2")))] == kinds
    for end, networks in ((False, ()), (None, (INGRESS,)), (True, (INGRESS,))):
        own = left(in_ingress=end, overlays=networks)
        [notice] = restoring(rk2=(own, member("rk2")))
        assert isinstance(notice, Notice), "there is no such network, or it is attached"


def test_entries_are_cleared_and_the_restart_that_comes_with_it_is_announced() -> None:
    entry = node("rk1", state="down", reachability="")
    alone, joined = (node("rk2"), entry, node("rk4")), (node("rk2"), entry, node("rk3"))
    locked = replace(BACKUP, autolock=True)
    for nodes, kinds in ((alone, [ClearEntry, Attach]), (joined, [ClearEntry])):
        own = manager("rk2", nodes, in_ingress=False, overlays=(INGRESS,))
        there: dict[str, Any] = {"rk2": (own, member("rk2")), "rk3": None, "gone": ("rk3",)}
        assert [type(step) for step in restoring(**there)] == kinds
        without_key = restoring(locked, **there)
        if Attach in kinds:
            only_refused(without_key, "would then be locked: the unlock key is needed")
        else:
            assert [type(step) for step in without_key] == kinds
        assert [type(step) for step in restoring(locked, unlock_key=True, **there)] == kinds


def test_a_restored_manager_that_would_be_locked_is_not_restarted_without_its_key() -> None:
    own = left(in_ingress=False, overlays=(INGRESS,), spec=SwarmSpec(0, autolock=True))
    there = (own, member("rk2", locked=True))
    for backup in (replace(DRAINED, autolock=True), DRAINED):
        told = restoring(backup, rk2=there)
        only_refused(told, "the swarm's restore: rk2 is attached to no overlay network")
        steps = restoring(backup, rk2=there, unlock_key=True)
        assert [type(step) for step in steps] == [Attach, Notice]


@pytest.mark.parametrize(
    ("backup", "own", "kinds"),
    [
        (DRAINED, left(in_ingress=False, overlays=(INGRESS,)), [Attach]),
        (replace(DRAINED, autolock=True), left(), [AwaitLock]),
        (
            DRAINED,
            manager("rk2", (*(left().nodes or ()), node("rk1", state="down", reachability=""))),
            [ClearEntry],
        ),
    ],
)
def test_who_keeps_the_manager_drained_can_have_all_else_done(
    backup: Backup, own: Membership, kinds: list[type[Change]]
) -> None:
    """A no to the question would leave the rest undone as well."""
    *steps, told = restoring(backup, rk2=(own, member("rk2")))
    assert [type(step) for step in steps] == kinds
    assert isinstance(told, Notice)
    assert told.sentence() == (
        "node rk2: is drained; this run leaves it so. To have it take tasks again, run the same "
        "command once more after this run: it asks first"
    )


def test_the_lock_that_is_not_back_yet_is_awaited() -> None:
    locked = replace(BACKUP, autolock=True)
    for spec in (None, SwarmSpec(0, autolock=True)):
        [step] = restoring(locked, rk2=(left(spec=spec), member("rk2")))
        assert isinstance(step, AwaitLock)
    for about, spec, there in (
        (locked, SwarmSpec(0, autolock=True), member("rk2", locked=True)),
        (locked, SwarmSpec(0, autolock=False), member("rk2")),
        (BACKUP, SwarmSpec(0, autolock=True), member("rk2")),
    ):
        [notice] = restoring(about, rk2=(left(spec=spec), there))
        assert isinstance(notice, Notice)


def test_an_unlock_key_that_is_not_at_hand_is_told_of() -> None:
    there = (left(), member("rk2"))
    done, key = restoring(another_key=True, rk2=there)
    assert "nothing is restored" in done.reason
    assert isinstance(key, Notice)
    assert "`sudo docker swarm unlock-key` on rk2 prints it. Keep it" in key.sentence()
    assert whats(restoring(DRAINED, another_key=True, rk2=there)) == [
        "node rk2",
        "the swarm's unlock key",
    ]


def test_a_manager_that_others_have_joined_is_drained_on_purpose() -> None:
    nodes = (node("rk2", availability="drain"), node("rk3"))
    own = manager("rk2", nodes, in_ingress=False, overlays=(INGRESS,))
    [notice] = restoring(DRAINED, rk2=(own, member("rk2")), rk3=None)
    assert isinstance(notice, Notice)
    entry = node("rk1", state="down", reachability="")
    own = manager("rk2", (*nodes, entry), in_ingress=False, overlays=(INGRESS,))
    there: dict[str, Any] = {"rk2": (own, member("rk2")), "rk3": None, "gone": ("rk3",)}
    assert whats(restoring(DRAINED, **there)) == ["node rk1"]


@pytest.mark.parametrize(
    ("backup", "own", "expected"),
    [
        (True, None, True),
        (False, None, False),
        (True, FRESH, True),
        (True, left(), True),
        (True, left(spec=SwarmSpec(0, autolock=True)), True),
        (True, left(spec=SwarmSpec(0, autolock=False)), False),
        (False, left(spec=SwarmSpec(0, autolock=True)), False),
    ],
)
def test_autolock_that_was_turned_off_since_is_not_waited_for(
    backup: bool, own: Membership | None, expected: bool
) -> None:
    assert still_autolocked(replace(BACKUP, autolock=backup), own) is expected
