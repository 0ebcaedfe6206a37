"""A swarm restored from a backup on a fresh host."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

from pyinfra_swarm.backup import backup_file
from pyinfra_swarm.backup.archive import written_anew
from pyinfra_swarm.backup.force_new_cluster_operations import (
    OTHERS_ANSWER,
    Forced,
    go_on_alone,
    proposal,
)
from pyinfra_swarm.backup.origin import asked_before_restore
from pyinfra_swarm.backup.restore import plan_restore, restore_target
from pyinfra_swarm.backup.save_operations import ENGINE
from pyinfra_swarm.engine.api import updating
from pyinfra_swarm.nodes import facts as swarm_facts
from pyinfra_swarm.run.confirmation import Proposal, confirmed
from pyinfra_swarm.run.converge import (
    Commands,
    current_host,
    given,
    job,
    observe_all,
    progress,
    report,
    script,
)
from pyinfra_swarm.run.findings import Refusal, changes
from pyinfra_swarm.run.shell import with_values

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings


@job("restore")
def restored(settings: Settings) -> Commands:
    """The swarm's state out of a backup, on a fresh host; the swarm goes on from there.

    + settings: the cluster's settings

    ``--data file=PATH`` names the backup, ``--data identity=PATH`` the private key that opens it.
    ``--data host=rk1`` names the host; else it is the one at the backup's address. ``--data
    gone=rk2,rk3`` says of silent hosts that they will not come back as they were. ``--data
    unlock=PATH`` names a file with the unlock key of an autolocked swarm; else it is the one in
    the backup, or one that the file keeps that is declared for it.

    **Example:**

    .. code:: python

        recovery.restored(load(), name="Restore: the swarm's state from a backup", _timeout=600)
    """
    me = current_host()
    opened = backup_file.opened(given("file") or "", given("identity") or "")
    unlock = backup_file.unlock_keys(settings)
    if not isinstance(opened, Refusal) and not isinstance(unlock, Refusal):
        opened = backup_file.unlocked(opened, unlock)
    gone = [name for name in (given("gone") or "").split(",") if name]
    for problem in (opened, unlock):
        if isinstance(problem, Refusal):
            report("restore", [problem])
    assert not isinstance(opened, Refusal)
    assert not isinstance(unlock, Refusal)
    backup, state = opened.about, opened.state
    target = restore_target(settings, backup, given("host"))
    if isinstance(target, Refusal):
        report("restore", [target])
        return

    def propose() -> Proposal[Forced | None]:
        observed, remaining = observe_all(swarm_facts.State), observe_all(swarm_facts.StateOnDisk)
        ours, origin = backup_file.origin(settings, given("file") or "", backup)
        findings = origin + plan_restore(
            settings,
            observed,
            remaining,
            backup,
            target,
            gone,
            unlock_key=bool(unlock),
        )
        told = {finding.what for finding in changes(findings)}
        return proposal(
            "restore",
            findings,
            target.name,
            Forced(
                force="the swarm" in told,
                put_back="the swarm's state" in told,
                cluster=backup.cluster,
                autolock=backup.autolock,
            ),
            *asked_before_restore(backup, target.name, ours=ours),
        )

    todo = confirmed(propose)
    if todo is None:
        return
    if me.name != target.name:
        me.noop(f"the backup is restored on {target.name}")
        return
    if todo.put_back:
        progress(f"putting the state of {backup.time} back")
        state = written_anew(state)
        text = with_values(_PUT_BACK, digest=hashlib.sha256(state).hexdigest())
        yield script(text, stdin=base64.encodebytes(state).decode(), timeout=300)
    yield from go_on_alone(settings, todo, target.address, OTHERS_ANSWER, unlock)
    if backup.availability:  # in the state it is drained, as it was for its backup
        update = updating(["--availability", backup.availability])
        yield script(f"node=$(docker info --format '{{{{.Swarm.NodeID}}}}')\n{update}")


_PUT_BACK = f"""\
{ENGINE}
root=/var/lib/docker
fresh() {{
  [ ! -s $root/swarm/docker-state.json ] || {{
    echo "there is a swarm's state already" >&2; exit 1; }}
}}
fresh
umask 077
mkdir -p $root
rm -rf $root/.swarm-restore /run/pyinfra-swarm-restore.*; mkdir $root/.swarm-restore
work=$(mktemp -d /run/pyinfra-swarm-restore.XXXXXX)
trap 'rm -rf $root/.swarm-restore "$work"' EXIT
base64 -d > "$work/state"
[ "$(sha256sum < "$work/state")" = "$digest  -" ] || {{
  echo "the state has not arrived whole" >&2; exit 1; }}
tar -C $root/.swarm-restore -xzpf "$work/state"
rm -rf "$work"
trap 'rm -rf $root/.swarm-restore; start_engine' EXIT
stop_engine
fresh  # it may have joined one until it was stopped
rm -rf $root/swarm
mv $root/.swarm-restore/swarm $root/swarm
sync
"""
"""Shell: the state from standard input takes its place in one step, and the engine is started.

What arrives stays in memory (``/run``): it may be unlocked, and flash does not forget.
"""
