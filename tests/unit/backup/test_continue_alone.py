"""What the manager that continues alone is given back, in which order."""

from __future__ import annotations

import inspect
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from pyinfra.api.command import FunctionCommand

from pyinfra_swarm.backup import backup_file
from pyinfra_swarm.backup import force_new_cluster_operations as force
from pyinfra_swarm.backup import recover_operations as recover
from pyinfra_swarm.backup import restore_operations as restore
from pyinfra_swarm.backup.force_new_cluster import ContinueAlone
from pyinfra_swarm.engine.api import RESTART
from pyinfra_swarm.engine.unlock_key import fingerprint
from pyinfra_swarm.keys import attach_operations as attach
from pyinfra_swarm.keys.facts import UnlockKey
from pyinfra_swarm.nodes import facts as swarm_facts
from pyinfra_swarm.nodes.membership import Membership, Overlay, SwarmSpec
from pyinfra_swarm.run.confirmation import Proposal
from pyinfra_swarm.run.findings import Refusal
from pyinfra_swarm.settings import Settings
from tests.builders import SETTINGS
from tests.unit.backup.lost_managers import (
    BACKUP,
    FRESH,
    everywhere,
    itself,
    manager,
    member,
    node,
)

INGRESS = Overlay("net1", "ingress", ingress=True, encrypted=True, subnets=())
KEY, OTHER = "SWMKEY-1-a", "SWMKEY-1-b"


def left(**more: Any) -> Membership:
    drained = (node("rk2", availability="drain"),)
    return manager("rk2", drained, **{"overlays": (INGRESS,), "in_ingress": True, **more})


def steps(monkeypatch: pytest.MonkeyPatch, todo: ContinueAlone, own: Membership) -> list[str]:
    """The names of the steps of a host whose engine is attached once it is restarted."""
    says = {swarm_facts.State: own, UnlockKey: fingerprint(KEY)}
    networks = iter([own.in_ingress is True, True])
    monkeypatch.setattr(force, "observe", says.__getitem__)
    monkeypatch.setattr(force, "progress", lambda message: None)
    for module in (force, attach):
        monkeypatch.setattr(module, "wait_for_networks", lambda: next(networks))
    found = []
    for command in force.continue_alone(SETTINGS, todo, "192.168.1.12", "", [KEY]):
        done = command.args[0].__name__ if isinstance(command, FunctionCommand) else ""
        text = done or str(command.get_raw_value())  # type: ignore[attr-defined]
        names = {
            "--availability": "availability",
            "/swarm/init": "force",
            "remove_node": "clear",
            "BEGIN ENCRYPTED": "lock",
            RESTART: "restart",
            "take_lock_off": "lock off",
            "_fail": "fail",
        }
        found.append(next(name for words, name in names.items() if words in text))
    return found


def test_a_forced_cluster_is_attached_then_takes_tasks_again_and_then_its_lock_is_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    todo = ContinueAlone("swarm-1", autolock=False, force=True, availability="active")
    for end in (False, None):
        own = left(in_ingress=end)
        assert steps(monkeypatch, todo, own) == [
            *("force", "clear", "restart", "clear", "availability")
        ]
    locked = ContinueAlone("swarm-1", autolock=True, force=True, availability="active")
    assert steps(monkeypatch, locked, left()) == ["force", "clear", "availability", "lock"]
    assert steps(monkeypatch, locked, left(in_ingress=False)) == [
        *("force", "clear", "lock off", "clear", "availability", "lock")
    ]


def test_what_is_left_over_is_attached_though_nothing_is_forced_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    todo = ContinueAlone("swarm-1", autolock=False, attach=True, availability="pause")
    assert steps(monkeypatch, todo, left(in_ingress=False)) == [
        *("clear", "restart", "clear", "availability")
    ]
    for own in (left(), left(in_ingress=None), left(in_ingress=False, overlays=())):
        assert steps(monkeypatch, todo, own) == ["clear", "availability"]
    assert steps(monkeypatch, ContinueAlone("swarm-1", autolock=False), left()) == ["clear"]


def test_no_engine_is_restarted_that_was_not_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    for autolock, done in ((False, ["clear"]), (True, ["clear", "lock"])):
        todo = ContinueAlone("swarm-1", autolock=autolock)
        assert steps(monkeypatch, todo, left(in_ingress=False)) == done


def test_the_state_of_an_only_manager_that_was_put_back_is_attached_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    todo = ContinueAlone("swarm-1", autolock=False, put_back=True)
    for own in (left(), left(overlays=(), in_ingress=False)):
        assert steps(monkeypatch, todo, own) == ["clear"]
    assert steps(monkeypatch, todo, left(in_ingress=False)) == ["clear", "restart", "clear"]
    locked = replace(todo, autolock=True)
    assert steps(monkeypatch, locked, left(in_ingress=False)) == [
        *("clear", "lock off", "clear", "lock")
    ]


def test_an_awaited_manager_without_its_networks_is_no_success(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No restart of its engine was announced, so the next run does it."""
    todo = ContinueAlone("swarm-1", autolock=False, awaited=True)
    for own in (left(), left(overlays=(), in_ingress=False)):
        assert steps(monkeypatch, todo, own) == ["clear"]
    assert steps(monkeypatch, todo, left(in_ingress=False)) == ["clear", "fail"]
    joined = manager("rk2", (node("rk2"), node("rk3")), overlays=(INGRESS,), in_ingress=False)
    assert steps(monkeypatch, todo, joined) == ["clear"], "its networks are the site's affair"


@pytest.mark.parametrize(("spec", "on_disk"), [(True, False), (False, True), (False, False)])
def test_a_recovery_goes_by_the_lock_that_the_manager_or_its_disk_tells_of(
    monkeypatch: pytest.MonkeyPatch, spec: bool, on_disk: bool
) -> None:
    """A moment after a forcing, the disk has no lock yet; restarted then, it would be locked."""
    nodes = (node("rk2"), node("rk1", state="down", reachability=""))
    own = manager("rk2", nodes, spec=SwarmSpec(0, autolock=spec), in_ingress=True)
    observed, remaining = everywhere(rk2=(own, member("rk2", locked=on_disk)))
    says = {swarm_facts.State: observed, swarm_facts.StateOnDisk: remaining}
    monkeypatch.setattr(recover, "observe_all", says.__getitem__)
    monkeypatch.setattr(recover, "given", {}.get)
    monkeypatch.setattr(force, "only_on", lambda name, findings: findings)
    monkeypatch.setattr(force, "left_out", lambda names, what: [])
    _, plan = recover._recovery(SETTINGS, [KEY]).plan
    assert plan == ContinueAlone("swarm-1", autolock=spec or on_disk)


@pytest.fixture
def proposed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What a restore of rk2 proposes, by what the host says.

    declared: unlock keys in the file; named: a file with one; keys: all that are at hand.
    unlocked: why the backup's state could not be unlocked.
    """

    def proposes(
        own: Membership,
        about: Any = BACKUP,
        declared: tuple[str, ...] = (),
        *,
        settings: Settings = SETTINGS,
        named: str | None = None,
        keys: tuple[str, ...] = (OTHER,),
        unlocked: Refusal | None = None,
        **disk: Any,
    ) -> Proposal[ContinueAlone | None]:
        observed, remaining = everywhere(rk2=(own, member("rk2", **disk)))
        says = {swarm_facts.State: observed, swarm_facts.StateOnDisk: remaining}
        monkeypatch.setattr(restore, "observe_all", says.__getitem__)
        monkeypatch.setattr(restore, "observe_on", lambda name, fact: fingerprint(KEY))
        monkeypatch.setattr(restore, "current_host", lambda: SimpleNamespace(name="rk2"))
        monkeypatch.setattr(force, "only_on", lambda name, findings: findings)
        monkeypatch.setattr(force, "left_out", lambda names, what: [])
        monkeypatch.setattr(restore, "given", {"unlock": named}.get)
        opened = SimpleNamespace(about=about, state=b"")
        monkeypatch.setattr(backup_file, "opened", lambda file, identity: opened)
        monkeypatch.setattr(backup_file, "unlocked", lambda found, keys: unlocked or found)
        monkeypatch.setattr(backup_file, "unlock_keys", lambda settings: keys)
        monkeypatch.setattr(backup_file, "declared_keys", lambda settings: declared)
        monkeypatch.setattr(backup_file, "origin", lambda *_: (True, []))
        found: list[Proposal[ContinueAlone | None]] = []
        monkeypatch.setattr(restore, "confirmed", lambda propose: found.append(propose()))
        assert list(inspect.unwrap(restore.restored)(settings)) == []
        return found[0]

    return proposes


def test_what_is_left_over_of_a_restore_is_no_loss_to_be_confirmed(proposed: Any) -> None:
    about = replace(BACKUP, availability="active")
    rest = proposed(left(in_ingress=False), BACKUP)
    assert (rest.word, rest.consequence) == ("", "")
    assert rest.plan == ContinueAlone("swarm-1", autolock=False, attach=True)
    since = proposed(left(in_ingress=False, spec=SwarmSpec(0, autolock=True)), BACKUP)
    assert since.plan == replace(rest.plan, autolock=True), "its engine would come back locked"
    drained = proposed(left(), about)
    assert drained.word == "rk2", "its owner may have drained it"
    assert drained.consequence.startswith("rk2 takes tasks again. If you drained it yourself")
    assert drained.plan == ContinueAlone("swarm-1", autolock=False, availability="active")
    whole = proposed(manager("rk2"), about)
    assert whole.word == "rk2"
    assert whole.plan == ContinueAlone("swarm-1", False, force=True, availability="active")
    lost = (node("rk2"), node("rk1", state="down", reachability=""))
    assert proposed(manager("rk2", lost), about).word == "rk2"


def test_the_only_manager_is_awaited_without_a_question(proposed: Any) -> None:
    about = replace(BACKUP, managers=BACKUP.managers[1:2])
    for own in (Membership("stopped"), manager("rk2", remote_managers=itself("rk2"))):
        rest = proposed(own, about)
        awaited = ContinueAlone("swarm-1", autolock=False, awaited=True)
        assert (rest.plan, rest.word) == (awaited, "")


def test_a_survivor_keeps_its_own_state_and_its_lock(proposed: Any) -> None:
    for about in (BACKUP, replace(BACKUP, autolock=True)):
        asked = proposed(manager("rk2"), about, locked=True)
        assert asked.plan == ContinueAlone("swarm-1", True, force=True, take_lock_off=True)
        assert asked.consequence.startswith("rk2 already holds this swarm's state")
    assert proposed(FRESH, BACKUP, state=False).consequence.startswith("the swarm of 2026-11-25")


def test_the_lock_of_a_survivor_is_taken_off_before_it_is_forced_unless_it_leads(
    proposed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that leads locks its state again, and forced then it drops out."""
    plan = proposed(manager("rk2"), locked=True).plan
    told: list[str] = []
    monkeypatch.setattr(restore, "confirmed", lambda propose: plan)
    monkeypatch.setattr(restore, "progress", told.append)
    monkeypatch.setattr(force, "progress", told.append)
    steps = iter(inspect.unwrap(restore.restored)(SETTINGS))
    taken_off, forced = next(steps), next(steps)
    assert isinstance(taken_off, FunctionCommand)
    assert taken_off.args[0] is force.take_lock_off
    assert force.UNLESS_IT_ANSWERS in str(forced.get_raw_value())
    assert told[0] == "taking the lock off the state"


def test_a_backup_that_cannot_be_unlocked_stops_only_a_restore_that_puts_it_back(
    proposed: Any,
) -> None:
    """A survivor's key may have been rotated since, and that of the backup's time be gone."""
    locked, refused = replace(BACKUP, autolock=True), Refusal("the swarm's restore", "another key")
    survivor = proposed(manager("rk2"), locked, unlocked=refused, locked=True)
    assert survivor.plan == ContinueAlone("swarm-1", True, force=True, take_lock_off=True)
    assert refused not in survivor.findings
    put_back = proposed(FRESH, locked, unlocked=refused, state=False)
    assert (put_back.plan, put_back.findings) == (None, [refused])


def test_a_survivor_whose_lock_an_interrupted_run_took_off_keeps_its_autolock(
    proposed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its backup is from before autolock, so nothing but the owner says that it has one."""
    swarm = SETTINGS.swarm.model_copy(update={"autolock": True})
    autolocked = SETTINGS.model_copy(update={"swarm": swarm})
    survivor, forced = manager("rk2"), ContinueAlone("swarm-1", autolock=True, force=True)
    assert proposed(survivor, named="key").plan == forced
    assert proposed(survivor, settings=autolocked).plan == forced
    without = replace(forced, autolock=False)
    assert proposed(survivor).plan == without, "nothing says that it is autolocked"
    assert proposed(survivor, settings=autolocked, keys=()).plan == without
    put_back = proposed(FRESH, settings=autolocked, named="key", state=False).plan
    assert put_back == replace(without, put_back=True), "it is as it was at its backup"
    rest = proposed(left(), replace(BACKUP, availability="active"), named="key").plan
    assert not rest.autolock


def test_a_survivor_is_forced_only_while_it_does_not_answer(
    proposed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for own, disk, unless in (
        (manager("rk2"), {}, force.UNLESS_IT_ANSWERS),
        (FRESH, {"state": False}, force.UNLESS_OTHERS_ANSWER),
    ):
        plan = proposed(own, **disk).plan
        monkeypatch.setattr(restore, "confirmed", lambda propose, plan=plan: plan)
        monkeypatch.setattr(restore, "rebuilt", lambda state: state)
        for module in (restore, force):
            monkeypatch.setattr(module, "progress", lambda message: None)
        texts = (
            str(step.get_raw_value()) for step in inspect.unwrap(restore.restored)(SETTINGS) or ()
        )
        assert unless in next(text for text in texts if "/swarm/init" in text)


def test_the_restored_swarms_unlock_key_is_looked_for_wherever_the_owner_keeps_it(
    proposed: Any,
) -> None:
    locked = replace(BACKUP, autolock=True)
    own = left(spec=SwarmSpec(0, autolock=True))

    def told(own: Membership, about: Any, declared: tuple[str, ...] = ()) -> list[str]:
        return [finding.what for finding in proposed(own, about, declared, locked=True).findings]

    assert told(own, locked) == ["the swarm's state", "the swarm's unlock key"]
    assert told(own, locked, (KEY,)) == ["the swarm's state"]
    assert told(own, BACKUP) == ["the swarm's state"]
    assert told(left(spec=SwarmSpec(0, autolock=False)), locked) == ["the swarm's state"]
