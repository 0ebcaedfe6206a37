"""A swarm restored from a backup on a fresh host, or recovered from the manager that is left."""

from __future__ import annotations

import base64
import getpass
import hashlib
import json
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pyinfra.api import Host, State, StringCommand

from cluster import age_encryption
from cluster.age_encryption import NotOpened
from cluster.backup import Archive, Unusable, unpack
from cluster.findings import Refusal, changes, refusals
from cluster.locked_state import NotUnlocked, fitting, node_key_in, unlocked, unlocked_state
from cluster.overlays import ingress_of
from cluster.paths import from_user
from cluster.recovery import plan_recovery, plan_restore, recovery_target, restore_target
from cluster.shell import arrives_whole
from cluster.unlock_key import fingerprint
from facts import swarm as swarm_facts
from operations import key_file, story
from operations.autolock import wait_for_networks
from operations.backup import ENGINE
from operations.confirmation import confirmed
from operations.connection import UNREACHABLE, why
from operations.converge import (
    Commands,
    call,
    converges,
    current_host,
    fail,
    given,
    observe,
    observe_all,
    progress,
    script,
    tell,
)
from operations.engine_api import API, RESTART, UNLESS_GONE, updated
from operations.pyinfra_internals import CommandOutput
from operations.topology import left_out

if TYPE_CHECKING:
    from cluster.findings import Finding
    from cluster.settings import Settings


@converges("restore")
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
    opened = _open(given("file") or "", given("identity") or "")
    unlock = _unlock_keys(settings)
    if not isinstance(opened, Refusal) and not isinstance(unlock, Refusal):
        opened = _unlocked(opened, unlock)
    gone = [name for name in (given("gone") or "").split(",") if name]
    for problem in (opened, unlock):
        if isinstance(problem, Refusal):
            tell("restore", [problem])
    assert not isinstance(opened, Refusal)
    assert not isinstance(unlock, Refusal)
    backup, state = opened.about, opened.state
    target = restore_target(settings, backup, given("host"))
    if isinstance(target, Refusal):
        tell("restore", [target])
        return
    observed, remaining = observe_all(swarm_facts.State), observe_all(swarm_facts.Kept)
    findings = plan_restore(
        settings,
        observed,
        remaining,
        backup,
        target,
        gone,
        unlock_key=bool(unlock),
    )
    if not _told("restore", findings, target.name):
        return
    confirmed(
        target.name,
        f"the swarm of {backup.time} goes on from {target.name}: what has changed since is lost, "
        "and none of its old managers may come back with its state",
    )
    if me.name != target.name:
        me.noop(f"the backup is restored on {target.name}")
        return
    told = {finding.what for finding in changes(findings)}
    if "the swarm's state" in told:
        progress(f"putting the state of {backup.time} back")
        digest = hashlib.sha256(state).hexdigest()
        yield script(
            f"digest={digest}\n{_PUT_BACK}", stdin=base64.encodebytes(state).decode(), timeout=300
        )
    yield from _go_on_alone(
        settings,
        backup.cluster,
        target.address,
        force="the swarm" in told,
        autolock=backup.autolock,
        unlock_keys=unlock,
    )
    if backup.availability:  # in the state it is drained, as it was for its backup
        mine = "$(docker info --format '{{.Swarm.NodeID}}')"
        yield script(updated(mine, ["--availability", backup.availability]))


@converges("recover")
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
    observed, remaining = observe_all(swarm_facts.State), observe_all(swarm_facts.Kept)
    target = recovery_target(settings, observed, remaining, given("host"))
    if isinstance(target, Refusal):
        tell("recover", [target])
        return
    unlock = _unlock_keys(settings)
    if isinstance(unlock, Refusal):
        tell("recover", [unlock])
    assert not isinstance(unlock, Refusal)
    findings = plan_recovery(settings, observed, remaining, target, unlock_key=bool(unlock))
    if not _told("recover", findings, target.name):
        return
    told = [finding.what for finding in changes(findings)]
    force = "the swarm" in told
    if force:
        lost = ", ".join(what.removeprefix("node ") for what in told if what.startswith("node "))
        confirmed(
            target.name,
            f"the swarm goes on with {target.name} alone: what the others had agreed on and it has "
            f"not heard of is lost, and {lost or 'the other managers'} must never come back with "
            "its old state",
        )
    if me.name != target.name:
        me.noop(f"the swarm is recovered on {target.name}")
        return
    remains = remaining[target.name]
    assert remains is not None  # plan_recovery has seen it
    if force and remains.locked:
        progress("taking the lock off the state")
        yield call(_take_lock_off, settings)
    # A run that was interrupted has left the state without its lock: then who names a key, or
    # declares autolock, says that the swarm has one.
    said = given("unlock") is not None or settings.swarm.autolock
    yield from _go_on_alone(
        settings,
        remains.cluster,
        target.address,
        force=force,
        autolock=remains.locked or (said and bool(unlock)),
        unlock_keys=unlock,
    )


def _told(part: str, findings: list[Finding], target: str) -> bool:
    """Tell what is found: refusals on every host, else on the one that it is about."""
    refused: list[Finding] = [*refusals(findings)]
    if changes(findings) and not refused:
        refused = left_out([target], "the manager that the swarm goes on from")
    tell(part, refused or (findings if current_host().name == target else []))
    return bool(changes(findings))


def _go_on_alone(
    settings: Settings,
    cluster: str,
    address: str,
    *,
    force: bool,
    autolock: bool,
    unlock_keys: Iterable[str],
) -> Commands:
    """Force a new cluster, clear the ghosts, and see that all is as it was: networks, lock."""
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
        yield script(f"{API}{_FORCE}", stdin=json.dumps(body), timeout=180)
    progress("clearing the entries of the managers that are lost")
    clear = script(f"cluster={cluster} address={address}\n{_CLEAR}", timeout=300)
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


# What is read on this side
# -------------------------


@cache
def _open(file: str, identity: str) -> Archive | Refusal:
    """The backup, decrypted in memory, once a run."""
    if not age_encryption.available():
        return _refused("pyrage, which decrypts it, is not installed", age_encryption.INSTALL)
    try:
        encrypted = from_user(file).read_bytes()
        key = from_user(identity).read_bytes()
    except OSError as error:
        return _refused(f"{error.filename} cannot be read: {error.strerror}", "")
    try:
        return unpack(age_encryption.decrypt(encrypted, key, lambda: _passphrase(identity)))
    except NotOpened as error:
        return _refused(f"{file} could not be opened: {error}", "Name the key it was encrypted to")
    except Unusable as error:
        return _refused(f"{file} cannot be used: {error}", "Take another backup")


def _passphrase(identity: str) -> str | None:
    if not sys.stdin.isatty():
        return None
    return getpass.getpass(f"Passphrase of {identity}: ")


def _unlock_keys(settings: Settings) -> tuple[str, ...] | Refusal:
    """Keys that may open a locked state: of a file that was named, the backup, a declared file."""
    named = given("unlock")
    if named is not None:
        found = _keys_in(from_user(named))
        if found == ():
            return _refused(f"{named} holds no unlock key (SWMKEY-…)", "")
        return found
    if given("file"):
        opened = _open(given("file") or "", given("identity") or "")
        if not isinstance(opened, Refusal) and opened.unlock_key:
            return (opened.unlock_key,)
    path = settings.swarm.unlock_key_path
    if path is None or key_file.look(path).problem:
        return ()
    return tuple(key_file.keys(path))


def _keys_in(path: Path) -> tuple[str, ...] | Refusal:
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        return _refused(f"{path} cannot be read ({type(error).__name__})", "")
    return tuple(re.findall(r"SWMKEY-1-[A-Za-z0-9+/=]+", text))


def _unlocked(archive: Archive, unlock_keys: Sequence[str]) -> Archive | Refusal:
    """The backup with its state unlocked, where it is locked and there is a key."""
    if not unlock_keys:
        return archive
    try:
        key = fitting(node_key_in(archive.state), unlock_keys)
        return replace(archive, state=unlocked_state(archive.state, key))
    except NotUnlocked as error:
        return _refused(f"the state could not be unlocked: {error}", "Name the key of that time")


def _take_lock_off(state: State, host: Host, settings: Settings) -> bool:
    """The node's private key passes through this program's memory, and is nowhere else."""

    def run(text: str, stdin: str | None = None) -> tuple[bool, CommandOutput]:
        more = {}
        if stdin is not None:
            text, sent = arrives_whole(text, stdin)
            more = {"_stdin": sent}
        return host.run_shell_command(
            StringCommand(f"set -eu\n{text}"),
            print_output=False,
            print_input=False,
            _sudo=True,
            _timeout=300,
            **more,
        )

    unlock_keys = _unlock_keys(settings)
    assert not isinstance(unlock_keys, Refusal)  # told before
    try:
        done, output = run(_READ_KEY)
        if done:
            # Read line by line, the file's last empty line may be lost: the host says its digest.
            digest, *lines = output.stdout_lines
            locked = "".join(f"{line}\n" for line in lines).encode()
            key = unlocked(locked, fitting(locked, unlock_keys)).decode()
            done, output = run(f"digest={digest}\n{_REPLACE_KEY}", key)
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


def _refused(reason: str, remedy: str) -> Refusal:
    return Refusal("the swarm's restore", reason, remedy=remedy)


# On the host
# -----------

_PUT_BACK = f"""\
{ENGINE}
root=/var/lib/docker
[ ! -s $root/swarm/docker-state.json ] || {{ echo "there is a swarm's state already" >&2; exit 1; }}
umask 077
mkdir -p $root
rm -rf $root/.swarm-restore; mkdir $root/.swarm-restore
trap 'rm -rf $root/.swarm-restore' EXIT
base64 -d > $root/.swarm-restore/state
[ "$(sha256sum < $root/.swarm-restore/state)" = "$digest  -" ] || {{
  echo "the state has not arrived whole" >&2; exit 1; }}
tar -C $root/.swarm-restore -xzpf $root/.swarm-restore/state
trap 'rm -rf $root/.swarm-restore; start_engine' EXIT
stop_engine
rm -rf $root/swarm
mv $root/.swarm-restore/swarm $root/swarm
sync
"""
"""Shell: the state from standard input takes its place in one step, and the engine is started."""

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
