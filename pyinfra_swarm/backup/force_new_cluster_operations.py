"""One manager goes on alone: forced, the lost ones cleared, its networks and its lock back."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyinfra.api import Host, State, StringCommand

from pyinfra_swarm.backup import backup_file
from pyinfra_swarm.backup.offline_unlock import NotUnlocked, fitting, unlocked
from pyinfra_swarm.backup.save_operations import ENGINE
from pyinfra_swarm.engine.api import API, RESTART, UNLESS_GONE, WITHIN
from pyinfra_swarm.engine.unlock_key import fingerprint
from pyinfra_swarm.keys.facts import UnlockKey
from pyinfra_swarm.keys.unlock_operations import wait_for_networks
from pyinfra_swarm.networks.plan import ingress_of
from pyinfra_swarm.nodes import facts as swarm_facts
from pyinfra_swarm.run import reporting
from pyinfra_swarm.run.answer import NoAnswer
from pyinfra_swarm.run.confirmation import Proposal
from pyinfra_swarm.run.connection import UNREACHABLE, read, why
from pyinfra_swarm.run.converge import (
    Commands,
    call,
    current_host,
    fail,
    observe,
    only_on,
    progress,
    script,
    still_ours,
)
from pyinfra_swarm.run.findings import Refusal, changes, refusals
from pyinfra_swarm.run.limit import left_out
from pyinfra_swarm.run.pyinfra_internals import CommandOutput
from pyinfra_swarm.run.shell import arrives_whole, with_values

if TYPE_CHECKING:
    from pyinfra_swarm.run.findings import Finding
    from pyinfra_swarm.settings import Settings


@dataclass(frozen=True)
class Forced:
    """What makes the swarm go on with one manager.

    force: a new cluster has to be forced; put_back: the state comes out of the backup first.
    cluster: the swarm's id; autolock: it is autolocked afterwards; locked: its state is now.
    """

    force: bool
    cluster: str
    autolock: bool
    put_back: bool = False
    locked: bool = False


def proposal(
    part: str, findings: list[Finding], target: str, plan: Forced, word: str, consequence: str
) -> Proposal[Forced | None]:
    """What is told on this host, refusals on every one, and what is asked before it is done."""
    refused: list[Finding] = [*refusals(findings)]
    if changes(findings) and not refused:
        refused = left_out([target], "the manager that the swarm goes on from")
    told = refused or only_on(target, findings)
    if refused or not changes(findings):
        return Proposal(part, told, None)
    return Proposal(part, told, plan, word, consequence)


def go_on_alone(
    settings: Settings,
    todo: Forced,
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
            yield call(take_lock_off, settings)
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
        if observe(UnlockKey) not in {fingerprint(key) for key in unlock_keys}:
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


def take_lock_off(state: State, host: Host, settings: Settings) -> bool:
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
        reporting.failed(host, f"the node's key could not be read: {error}; nothing was changed")
        return False
    except NotUnlocked as error:
        reporting.failed(host, f"the state could not be unlocked: {error}; nothing was changed")
        return False
    except UNREACHABLE as error:
        reporting.failed(
            host,
            f"no answer while the lock was taken off ({why(error)}). The host "
            "starts its engine by itself; see that it runs, and run the same command again",
        )
        return False
    if not done:
        reporting.failed(host, f"the lock could not be taken off: {output.stderr.strip()}")
    return bool(done)


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


ANSWERS = (
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


OTHERS_ANSWER = (
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
