"""A swarm restored from a backup on a fresh host."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pyinfra_swarm.backup import backup_file
from pyinfra_swarm.backup.archive import Backup, rebuilt
from pyinfra_swarm.backup.engine_files import ENGINE
from pyinfra_swarm.backup.force_new_cluster import (
    Attach,
    AwaitAnswer,
    AwaitLock,
    ContinueAlone,
    ForceNewCluster,
    PutStateBack,
    TakeLockOff,
    continuing_alone,
)
from pyinfra_swarm.backup.force_new_cluster_operations import (
    UNLESS_IT_ANSWERS,
    UNLESS_OTHERS_ANSWER,
    continue_alone,
    proposal,
    take_lock_off,
)
from pyinfra_swarm.backup.origin import asked_before_restore
from pyinfra_swarm.backup.restore import (
    locks_when_restarted,
    plan_restore,
    restore_target,
    still_autolocked,
)
from pyinfra_swarm.engine.unlock_key import fingerprint
from pyinfra_swarm.keys.facts import UnlockKey
from pyinfra_swarm.nodes import facts as swarm_facts
from pyinfra_swarm.nodes.membership import Membership
from pyinfra_swarm.run.confirmation import Proposal, confirmed
from pyinfra_swarm.run.converge import (
    Commands,
    call,
    current_host,
    given,
    job,
    observe_all,
    observe_on,
    progress,
    report,
    script,
)
from pyinfra_swarm.run.findings import Finding, Refusal, changes
from pyinfra_swarm.run.onhost import program

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings


@job("restore")
def restored(settings: Settings) -> Commands:
    """The swarm's state put back from a backup on a fresh host; the swarm continues there.

    ``--data file=PATH`` names the backup, ``--data identity=PATH`` the private key that opens it.
    ``--data host=rk1`` names the host; else it is the one at the backup's address. ``--data
    gone=rk2,rk3`` says that silent hosts will not come back as they were. ``--data
    unlock=PATH`` names a file with the unlock key of an autolocked swarm; else it is the one in
    the backup, or one in the file that is declared for it. A manager that has kept its state
    continues with that, and nothing of the backup is put back.

    **Example:**

    .. code:: python

        restore.restored(load(), name="Restore: the swarm's state from a backup", _timeout=600)
    """
    me = current_host()
    opened = backup_file.opened(given("file") or "", given("identity") or "")
    unlock = backup_file.unlock_keys(settings)
    gone = [name for name in (given("gone") or "").split(",") if name]
    for problem in (opened, unlock):
        if isinstance(problem, Refusal):
            report("restore", [problem])
    assert not isinstance(opened, Refusal)
    assert not isinstance(unlock, Refusal)
    backup, unlocked = opened.about, backup_file.unlocked(opened, unlock)
    target = restore_target(settings, backup, given("host"))
    if isinstance(target, Refusal):
        report("restore", [target])
        return

    def propose() -> Proposal[ContinueAlone | None]:
        observed, remaining = observe_all(swarm_facts.State), observe_all(swarm_facts.StateOnDisk)
        own = observed[target.name]
        recorded, origin = backup_file.origin(settings, given("file") or "", backup)
        findings = origin + plan_restore(
            settings,
            observed,
            remaining,
            backup,
            target,
            gone,
            unlock_key=bool(unlock),
            another_key=_has_another_key(
                settings, observed[target.name], backup, target.name, unlock
            ),
        )
        if isinstance(unlocked, Refusal) and any(
            isinstance(step, PutStateBack) for step in findings
        ):
            findings.append(unlocked)
        kinds = {*map(type, findings)}
        autolock = still_autolocked(backup, own) or _survivor_locks(kinds, settings, unlock)
        if Attach in kinds and own is not None:
            autolock = autolock or locks_when_restarted(backup, own)
        one = proposal(
            "restore",
            findings,
            target.name,
            continuing_alone(findings, cluster=backup.cluster, autolock=autolock),
            *asked_before_restore(backup, target.name, findings, recorded=recorded),
        )
        if {*map(type, changes(findings))} <= {Attach, AwaitAnswer, AwaitLock}:
            one = replace(one, word="", consequence="")  # nothing is lost by what is left over
        return one

    todo = confirmed(propose)
    if todo is None:
        return
    if me.name != target.name:
        me.noop(f"the backup is restored on {target.name}")
        return
    if todo.put_back:
        progress(f"putting the state of {backup.time} back")
        assert not isinstance(unlocked, Refusal)  # reported before
        state = rebuilt(unlocked.state)
        text = put_back_script(hashlib.sha256(state).hexdigest())
        yield script(text, stdin=base64.encodebytes(state).decode(), timeout=300)
    if todo.take_lock_off:
        progress("taking the lock off the state")
        yield call(take_lock_off, settings)
    # A manager that leads locks its state at once, and forced then it drops out of the swarm.
    unless = UNLESS_OTHERS_ANSWER if todo.put_back else UNLESS_IT_ANSWERS
    yield from continue_alone(settings, todo, target.address, unless, unlock)


def _survivor_locks(
    steps: Collection[type[Finding]], settings: Settings, unlock_keys: Sequence[str]
) -> bool:
    """Whether a survivor that is forced is autolocked, though its swarm was not at the backup.

    An interrupted run has left its state without its lock. Then it is autolocked if a key is named,
    or autolock is declared, as in a recovery.
    """
    if TakeLockOff in steps:
        return True
    if ForceNewCluster not in steps or PutStateBack in steps or not unlock_keys:
        return False
    return given("unlock") is not None or settings.swarm.autolock


def _has_another_key(
    settings: Settings,
    own: Membership | None,
    backup: Backup,
    target: str,
    unlock_keys: Sequence[str],
) -> bool:
    """Whether the restored swarm answers, and its unlock key is in none of the owner's places."""
    if own is None or not own.controls or own.node != backup.node:
        return False
    if not still_autolocked(backup, own):
        return False
    known = {fingerprint(key) for key in (*unlock_keys, *backup_file.declared_keys(settings))}
    return observe_on(target, UnlockKey) not in known


def put_back_script(digest: str) -> str:
    """Shell that puts the state on standard input, an archive of this digest, in its place."""
    return program(__file__, "put_state_back.sh", using=[ENGINE], digest=digest)
