"""One manager continues alone: a new cluster is forced, and lost managers are cleared.

Afterwards its networks and its lock are as before.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

from pyinfra.api import Host, State

from pyinfra_swarm.backup import backup_file
from pyinfra_swarm.backup.engine_files import ENGINE, NODE_KEY
from pyinfra_swarm.backup.force_new_cluster import ContinueAlone, has_company
from pyinfra_swarm.backup.offline_unlock import NotUnlocked, fitting, unlocked
from pyinfra_swarm.engine.api import API, RESTART, WITHIN
from pyinfra_swarm.engine.unlock_key import fingerprint
from pyinfra_swarm.keys.attach_operations import restart_until_attached, wait_for_networks
from pyinfra_swarm.keys.facts import UnlockKey
from pyinfra_swarm.networks.plan import ingress_of
from pyinfra_swarm.nodes import facts as swarm_facts
from pyinfra_swarm.nodes.programs import REMOVE_NODE, updating
from pyinfra_swarm.run import reporting
from pyinfra_swarm.run.confirmation import Proposal
from pyinfra_swarm.run.converge import (
    Commands,
    Unobserved,
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
from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.run.script import quietly

if TYPE_CHECKING:
    from pyinfra_swarm.run.findings import Finding
    from pyinfra_swarm.settings import Settings


def proposal(
    part: str,
    findings: list[Finding],
    target: str,
    plan: ContinueAlone,
    word: str,
    consequence: str,
) -> Proposal[ContinueAlone | None]:
    """What this host reports, and what its owner is asked first. Every host reports a refusal."""
    refused: list[Finding] = [*refusals(findings)]
    if changes(findings) and not refused:
        refused = left_out([target], "the manager that the swarm continues from")
    reported = refused or only_on(target, findings)
    if refused or not changes(findings):
        return Proposal(part, reported, None)
    return Proposal(part, reported, plan, word, consequence)


def continue_alone(
    settings: Settings,
    todo: ContinueAlone,
    address: str,
    unless: str,
    unlock_keys: Iterable[str],
) -> Commands:
    """Force a new cluster, clear the managers that are lost, and restore what the manager had.

    That is its networks, its availability and its lock: in the state it was drained, as it was for
    the backup.

    address: this manager's. unless: a program that stops the script where a new cluster must not
    be forced.
    """
    if todo.force:
        progress("forcing a new cluster out of what this manager knows")
        yield script(force_script(unless), stdin=_request(address, todo.autolock), timeout=180)
    progress("clearing the entries of the managers that are lost")
    clear = script(clear_script(todo.cluster, address), timeout=300)
    yield clear
    if todo.awaited and _is_detached(forced=False) and not has_company(observe(swarm_facts.State)):
        yield fail(
            "this manager answers, and is attached to no overlay network: published ports do not "
            "answer here. Run the same command again: it restarts the engine"
        )
    if (todo.force or todo.put_back or todo.attach) and _is_detached(forced=todo.force):

        def restart(_: int) -> Commands:
            progress("restarting its engine: it is attached to no overlay network")
            if todo.autolock:  # without unlocking, which would detach it again
                yield call(take_lock_off, settings)
            else:
                yield script(RESTART, timeout=300)
            yield clear

        yield from restart_until_attached(
            1,
            restart,
            "the swarm continues, but this manager is attached to no overlay network: published "
            "ports do not answer here. Look at `sudo journalctl -u docker`, and restart it",
        )
    if todo.availability:
        update = updating(["--availability", todo.availability])
        yield script(f"node=$(docker info --format '{{{{.Swarm.NodeID}}}}')\n{update}")
    if todo.autolock:
        yield script(program(__file__, "await_lock.sh", key=NODE_KEY), timeout=120)
        if problem := _key_not_at_hand(unlock_keys):
            yield fail(
                f"the swarm continues, autolocked, {problem}: “sudo docker swarm unlock-key” on "
                f"{current_host().name} prints it. Keep it: without it no manager comes back after "
                "a reboot"
            )
    progress(
        "it is the only manager now. To have the other hosts join, and managers promoted, type: "
        "pyinfra inventory.py deploys/site.py"
    )


def _is_detached(*, forced: bool) -> bool:
    """Whether this manager is not attached to the ingress network, if the swarm has one.

    forced: a new cluster was forced just now; then a manager that does not say so is not attached.
    """
    if ingress_of(observe(swarm_facts.State)) is None or wait_for_networks():
        return False
    return forced or observe(swarm_facts.State).in_ingress is False


def _key_not_at_hand(unlock_keys: Iterable[str]) -> str:
    """Why none of these keys is known to be the one that the swarm has now; empty where one is."""
    try:
        fits = observe(UnlockKey) in {fingerprint(key) for key in unlock_keys}
    except Unobserved as unobserved:
        return f"and whether with an unlock key that was at hand is not known ({unobserved})"
    return "" if fits else "with another unlock key than was at hand"


def _request(address: str, autolock: bool) -> str:
    """The body of the request that forces a new cluster."""
    return json.dumps(
        {
            "ForceNewCluster": True,
            "ListenAddr": "0.0.0.0:2377",
            "AdvertiseAddr": address,
            # The only part of the swarm's specification that the engine takes from the request and
            # not from the state: left out, autolock is turned off, and the unlock key is gone.
            "Spec": {"EncryptionConfig": {"AutoLockManagers": autolock}},
        }
    )


UNLESS_IT_ANSWERS = program(__file__, "stop_if_it_answers.sh")
"""Shell: stops where this manager answers for the swarm."""

UNLESS_OTHERS_ANSWER = program(__file__, "stop_if_others_answer.sh")
"""Shell: stops where other managers of the swarm answer."""


def force_script(unless: str) -> str:
    """Shell that forces a new cluster, with the request on standard input."""
    return program(__file__, "force_new_cluster.sh", using=[API, WITHIN, unless])


def clear_script(cluster: str, address: str) -> str:
    """Shell that clears the managers that are lost, once this one answers for the swarm."""
    return program(
        __file__,
        "clear_lost_managers.sh",
        using=[REMOVE_NODE],
        cluster=cluster,
        address=address,
    )


def replace_key_script(digest: str) -> str:
    """Shell that puts the unlocked key, on standard input, in the place of one of this digest."""
    return program(__file__, "replace_node_key.sh", using=[ENGINE], key=NODE_KEY, digest=digest)


def take_lock_off(state: State, host: Host, settings: Settings) -> bool:
    """Take the lock off the state on the disk.

    The node's private key passes through this program's memory, and is nowhere else.
    """
    unlock_keys = backup_file.unlock_keys(settings)
    assert not isinstance(unlock_keys, Refusal)  # reported before
    read = quietly(host, _READ_KEY, timeout=300)
    if not read.done:
        problem = f"the node's key could not be read: {read.problem}; nothing was changed"
        reporting.failed(host, problem)
        return False
    try:
        # Its last empty line may be lost on the way: the host says the file's digest.
        digest, *lines = read.text.split("\n")
        locked = "".join(f"{line}\n" for line in lines).encode()
        key = unlocked(locked, fitting(locked, unlock_keys)).decode()
    except NotUnlocked as error:
        reporting.failed(host, f"the state could not be unlocked: {error}; nothing was changed")
        return False
    still_ours()
    outcome = quietly(host, replace_key_script(digest), stdin=key, timeout=300)
    if outcome.silent:
        reporting.failed(
            host,
            f"{outcome.problem} while the lock was taken off. The host starts its engine by "
            "itself; see that it runs, and run the same command again",
        )
    elif not outcome.done:
        reporting.failed(host, f"the lock could not be taken off: {outcome.problem}")
    return outcome.done


_READ_KEY = f"sum=$(sha256sum < {NODE_KEY}); echo ${{sum%% *}}; cat {NODE_KEY}"
"""Shell: prints the digest of the node's private key, then the key."""
