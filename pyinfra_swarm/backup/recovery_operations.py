"""A swarm restored from a backup on a fresh host, or recovered from the manager that is left."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pyinfra.api import Host, State, StringCommand

from pyinfra_swarm.backup import file as backup_file
from pyinfra_swarm.backup.archive import written_anew
from pyinfra_swarm.backup.locked_state import NotUnlocked, fitting, unlocked
from pyinfra_swarm.backup.operations import ENGINE
from pyinfra_swarm.backup.record import asked_before_restore
from pyinfra_swarm.backup.recovery import (
    plan_recovery,
    plan_restore,
    recovery_target,
    restore_target,
)
from pyinfra_swarm.engine.api import API, RESTART, UNLESS_GONE, WITHIN, updating
from pyinfra_swarm.keys.autolock_operations import wait_for_networks
from pyinfra_swarm.keys.unlock_key import fingerprint
from pyinfra_swarm.networks.plan import ingress_of
from pyinfra_swarm.nodes import facts as swarm_facts
from pyinfra_swarm.run import story
from pyinfra_swarm.run.answer import NoAnswer
from pyinfra_swarm.run.confirmation import Proposal, confirmed
from pyinfra_swarm.run.connection import UNREACHABLE, read, why
from pyinfra_swarm.run.converge import (
    Commands,
    call,
    current_host,
    fail,
    given,
    job,
    observe,
    observe_all,
    progress,
    report,
    script,
    still_ours,
)
from pyinfra_swarm.run.findings import Refusal, changes, refusals
from pyinfra_swarm.run.pyinfra_internals import CommandOutput
from pyinfra_swarm.run.shell import arrives_whole, with_values
from pyinfra_swarm.swarm.stage_operations import left_out

if TYPE_CHECKING:
    from pyinfra_swarm.run.findings import Finding
    from pyinfra_swarm.settings.model import Settings


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

    def propose() -> Proposal[_Forced | None]:
        observed, remaining = observe_all(swarm_facts.State), observe_all(swarm_facts.Kept)
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
        return _proposal(
            "restore",
            findings,
            target.name,
            _Forced(
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
    yield from _go_on_alone(settings, todo, target.address, _OTHERS_ANSWER, unlock)
    if backup.availability:  # in the state it is drained, as it was for its backup
        update = updating(["--availability", backup.availability])
        yield script(f"node=$(docker info --format '{{{{.Swarm.NodeID}}}}')\n{update}")


@dataclass(frozen=True)
class _Forced:
    """What makes the swarm go on with one manager.

    force: a new cluster has to be forced; put_back: the state comes out of the backup first.
    cluster: the swarm's id; autolock: it is autolocked afterwards; locked: its state is now.
    """

    force: bool
    cluster: str
    autolock: bool
    put_back: bool = False
    locked: bool = False


@job("recover")
def recovered(settings: Settings) -> Commands:
    """A swarm that has lost its quorum for good goes on with the one manager that is left.

    + settings: the cluster's settings

    ``--data host=rk1`` names the manager; else it is the only one that answers. ``--data
    unlock=PATH`` names a file with the unlock key of an autolocked swarm; else it is the one that
    is declared for it.

    **Example:**

    .. code:: python

        recovery.recovered(load(), name="Recover: the swarm goes on alone", _timeout=600)
    """
    me = current_host()
    unlock = backup_file.unlock_keys(settings)
    if isinstance(unlock, Refusal):
        report("recover", [unlock])
    assert not isinstance(unlock, Refusal)
    target, todo = confirmed(lambda: _recovery(settings, unlock))
    if todo is None:
        return
    if me.name != target:
        me.noop(f"the swarm is recovered on {target}")
        return
    if todo.force and todo.locked:
        progress("taking the lock off the state")
        yield call(_take_lock_off, settings)
    address = settings.host(target).address
    yield from _go_on_alone(settings, todo, address, _ANSWERS, unlock)


def _recovery(settings: Settings, unlock: Sequence[str]) -> Proposal[tuple[str, _Forced | None]]:
    """Which manager goes on, and what that takes."""
    observed, remaining = observe_all(swarm_facts.State), observe_all(swarm_facts.Kept)
    target = recovery_target(settings, observed, remaining, given("host"))
    if isinstance(target, Refusal):
        return Proposal("recover", [target], ("", None))
    findings = plan_recovery(settings, observed, remaining, target, unlock_key=bool(unlock))
    told = [finding.what for finding in changes(findings)]
    remains = remaining[target.name]
    # A run that was interrupted has left the state without its lock: then who names a key, or
    # declares autolock, says that the swarm has one.
    said = given("unlock") is not None or settings.swarm.autolock
    locked = remains is not None and remains.locked
    force = _Forced(
        force="the swarm" in told,
        cluster=remains.cluster if remains else "",
        autolock=locked or (said and bool(unlock)),
        locked=locked,
    )
    lost = ", ".join(what.removeprefix("node ") for what in told if what.startswith("node "))
    one = _proposal(
        "recover",
        findings,
        target.name,
        force,
        target.name,
        f"the swarm goes on with {target.name} alone: what the others had agreed on and it has not "
        f"heard of is lost, and {lost or 'the other managers'} must never come back with its old "
        "state",
    )
    if not force.force:  # what is left of an earlier recovery is cleared: nothing is lost by that
        one = replace(one, word="", consequence="")
    return Proposal(one.part, one.findings, (target.name, one.plan), one.word, one.consequence)


def _proposal(
    part: str, findings: list[Finding], target: str, plan: _Forced, word: str, consequence: str
) -> Proposal[_Forced | None]:
    """What is told on this host, refusals on every one, and what is asked before it is done."""
    refused: list[Finding] = [*refusals(findings)]
    if changes(findings) and not refused:
        refused = left_out([target], "the manager that the swarm goes on from")
    told = refused or (findings if current_host().name == target else [])
    if refused or not changes(findings):
        return Proposal(part, told, None)
    return Proposal(part, told, plan, word, consequence)


def _go_on_alone(
    settings: Settings,
    todo: _Forced,
    address: str,
    must_not_be: str,
    unlock_keys: Iterable[str],
) -> Commands:
    """Force a new cluster, clear the ghosts, and see that all is as it was: networks, lock.

    must_not_be: shell, ended by itself where a new cluster must not be forced.
    """
    force, autolock = todo.force, todo.autolock
    if force:
        progress("forcing a new cluster out of what this manager knows")
        body = {
            "ForceNewCluster": True,
            "ListenAddr": "0.0.0.0:2377",
            "AdvertiseAddr": address,
            # The one thing of the swarm's specification that the engine takes from here and not
            # from the state: left out, autolock is turned off, and the unlock key is gone.
            "Spec": {"EncryptionConfig": {"AutoLockManagers": autolock}},
        }
        yield script(f"{API}{must_not_be}{_FORCE}", stdin=json.dumps(body), timeout=180)
    progress("clearing the entries of the managers that are lost")
    clear = script(with_values(_CLEAR, cluster=todo.cluster, address=address), timeout=300)
    yield clear
    if force and not _is_in_its_networks():
        progress("starting its engine once more: it has come into no overlay network")
        if autolock:
            yield call(_take_lock_off, settings)
        else:
            yield script(RESTART, timeout=300)
        yield clear
        if not _is_in_its_networks():
            yield fail(
                "the swarm goes on, but this manager is in no overlay network: published ports do "
                "not answer here. Look at `journalctl -u docker`, and restart it"
            )
    if autolock:
        yield script(_LOCKED_AGAIN, timeout=120)
        if observe(swarm_facts.UnlockKey) not in {fingerprint(key) for key in unlock_keys}:
            yield fail(
                "the swarm goes on, autolocked, with another unlock key than was at hand: "
                f"“sudo docker swarm unlock-key” on {current_host().name} prints it. Keep it: "
                "without it no manager comes back after a reboot"
            )
    progress(
        "it is the only manager now. To have the other hosts join, and managers promoted, type: "
        "pyinfra inventory.py deploys/site.py"
    )


def _is_in_its_networks() -> bool:
    """Whether this manager gets its end of the ingress network, if the swarm has one."""
    return ingress_of(observe(swarm_facts.State)) is None or wait_for_networks()


def _take_lock_off(state: State, host: Host, settings: Settings) -> bool:
    """The node's private key passes through this program's memory, and is nowhere else."""

    def run(text: str, stdin: str) -> tuple[bool, CommandOutput]:
        text, sent = arrives_whole(text, stdin)
        return host.run_shell_command(
            StringCommand(f"set -eu\n{text}"),
            print_output=False,
            print_input=False,
            _sudo=True,
            _timeout=300,
            _stdin=sent,
        )

    unlock_keys = backup_file.unlock_keys(settings)
    assert not isinstance(unlock_keys, Refusal)  # told before
    try:
        # Its last empty line may be lost on the way: the host says the file's digest.
        digest, *lines = read(host, f"set -eu\n{_READ_KEY}", timeout=300).split("\n")
        locked = "".join(f"{line}\n" for line in lines).encode()
        key = unlocked(locked, fitting(locked, unlock_keys)).decode()
        still_ours()
        done, output = run(with_values(_REPLACE_KEY, digest=digest), key)
    except NoAnswer as error:
        story.failed(host, f"the node's key could not be read: {error}; nothing was changed")
        return False
    except NotUnlocked as error:
        story.failed(host, f"the state could not be unlocked: {error}; nothing was changed")
        return False
    except UNREACHABLE as error:
        story.failed(
            host,
            f"no answer while the lock was taken off ({why(error)}). The host "
            "starts its engine by itself; see that it runs, and run the same command again",
        )
        return False
    if not done:
        story.failed(host, f"the lock could not be taken off: {output.stderr.strip()}")
    return bool(done)


# On the host
# -----------

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

_NODE_KEY = "/var/lib/docker/swarm/certificates/swarm-node.key"

_READ_KEY = f"sum=$(sha256sum < {_NODE_KEY}); echo ${{sum%% *}}; cat {_NODE_KEY}"
"""Shell: prints the digest of the node's private key, then the key."""

_REPLACE_KEY = f"""\
{ENGINE}
key={_NODE_KEY}
umask 077
trap 'rm -f $key.unlocked' EXIT
cat > $key.unlocked
trap 'rm -f $key.unlocked; start_engine' EXIT
stop_engine
[ "$(sha256sum < $key)" = "$digest  -" ] || {{
  echo "the engine has changed the key meanwhile; run again" >&2; exit 1; }}
sync $key.unlocked
mv -f $key.unlocked $key
"""
"""Shell: the unlocked key from standard input takes its place while the engine is stopped."""

_ANSWERS = (
    WITHIN
    + """\
answers() { api --max-time 20 http://localhost/nodes 2>/dev/null; }
! within 10 answers || {
  echo "this manager answers for the swarm, so there is a quorum again. Nothing was forced. Look" \
    "whether anything is missing: docker node ls" >&2
  exit 1; }
"""
)
"""Shell: ends where this manager answers for the swarm, as it does with a quorum only.

It runs on the host, in the same script as what it forbids: a switch may have come back a moment
ago. An engine that has just been started finds the others within seconds.
"""

_OTHERS_ANSWER = (
    WITHIN
    + """\
others() {
  api --max-time 20 http://localhost/nodes 2>/dev/null || return 1
  able='"ManagerStatus":{[^}]*"Reachability":"reachable"'
  [ "$(printf '%s' "$answer" | grep -o "$able" | wc -l)" -gt 1 ]
}
! within 10 others || {
  echo "other managers of this swarm answer. They would go on as a second swarm beside the" \
    "restored one, so nothing was forced. Make them leave, or switch them off" >&2
  exit 1; }
"""
)
"""Shell: ends where another manager has found the restored one."""

_FORCE = """\
api --max-time 120 --data-binary @- http://localhost/swarm/init || {
  echo "no new cluster was forced (the engine gets 120 s for it). What it says: journalctl -u" \
    "docker. If it does not answer at all: systemctl restart docker. Then run the same again" >&2
  exit 1; }
"""

_CLEAR = (
    UNLESS_GONE
    + """\
tell() { timeout 20 docker info --format "$1" 2>/dev/null; }
end=$(($(date +%s) + 120))
until [ "$(tell '{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}} {{.Swarm.Cluster.ID}}')" \
  = "active true $cluster" ]; do
  [ $(date +%s) -lt $end ] || {
    echo "it does not answer for swarm $cluster within 120 s: $(tell \
      '{{.Swarm.LocalNodeState}} {{.Swarm.Error}}')" >&2; exit 1; }
  sleep 1
done
[ "$(tell '{{.Swarm.NodeAddr}}')" = "$address" ] || {
  echo "the swarm knows it at $(tell '{{.Swarm.NodeAddr}}') instead of $address" >&2; exit 1; }
list='{{.ID}} {{.Spec.Role}} {{.Status.State}} {{if .ManagerStatus}}member{{end}}'
nodes=$(docker node ls -q)
listed=$(docker node inspect --format "$list" $nodes)
while read -r id role state member; do
  case "$role $state $member" in
    "manager ready "* | "worker "* | *" member") ;;
    *) unless_gone docker node rm --force "$id" || { echo "$said" >&2; exit 1; } ;;
  esac
done <<END
$listed
END
"""
)
"""Shell: waits until this manager answers for the swarm, then removes the ghosts.

Demoting them fails (“can't find manager in raft memberlist”), removing them works.
"""

_LOCKED_AGAIN = f"""\
end=$(($(date +%s) + 90))
until grep -qs 'BEGIN ENCRYPTED' {_NODE_KEY}; do
  [ $(date +%s) -lt $end ] || {{
    echo "the swarm goes on, but this manager's keys are not locked on its disk again after" \
      "90 s: see “docker swarm update --autolock=true”" >&2; exit 1; }}
  sleep 0.5
done
"""
"""Shell: the engine puts the lock back on the state a moment after it leads."""
