"""A swarm that has lost its quorum, recovered from the manager that is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pyinfra_swarm.backup import backup_file
from pyinfra_swarm.backup.force_new_cluster import (
    ContinueAlone,
    continuing_alone,
    what_is_lost,
)
from pyinfra_swarm.backup.force_new_cluster_operations import (
    UNLESS_IT_ANSWERS,
    continue_alone,
    proposal,
    take_lock_off,
)
from pyinfra_swarm.backup.recover import plan_recovery, recovery_target
from pyinfra_swarm.nodes import facts as swarm_facts
from pyinfra_swarm.run.confirmation import Proposal, confirmed
from pyinfra_swarm.run.converge import (
    Commands,
    call,
    current_host,
    given,
    job,
    observe_all,
    progress,
    report,
)
from pyinfra_swarm.run.findings import Refusal

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings


@job("recover")
def recovered(settings: Settings) -> Commands:
    """A swarm that has lost its quorum for good continues with the one manager that is left.

    ``--data host=rk1`` names the manager; else it is the only one that answers. ``--data
    unlock=PATH`` names a file with the unlock key of an autolocked swarm; else it is the one that
    is declared for it.

    **Example:**

    .. code:: python

        recover.recovered(load(), name="Recover: with the manager that is left", _timeout=600)
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
    if todo.take_lock_off:
        progress("taking the lock off the state")
        yield call(take_lock_off, settings)
    address = settings.host(target).address
    yield from continue_alone(settings, todo, address, UNLESS_IT_ANSWERS, unlock)


def _recovery(
    settings: Settings, unlock: Sequence[str]
) -> Proposal[tuple[str, ContinueAlone | None]]:
    """Which manager continues, and what that takes."""
    observed, remaining = observe_all(swarm_facts.State), observe_all(swarm_facts.StateOnDisk)
    target = recovery_target(settings, observed, remaining, given("host"))
    if isinstance(target, Refusal):
        return Proposal("recover", [target], ("", None))
    findings = plan_recovery(settings, observed, remaining, target, unlock_key=bool(unlock))
    remains = remaining[target.name]
    # An interrupted run has left the state without its lock. Then it is autolocked if a key is
    # named, or autolock is declared.
    expected = given("unlock") is not None or settings.swarm.autolock
    own = observed[target.name]
    locked = (remains is not None and remains.locked) or (
        own is not None and own.spec is not None and own.spec.autolock
    )
    alone = continuing_alone(
        findings,
        cluster=remains.cluster if remains else "",
        autolock=locked or (expected and bool(unlock)),
    )
    one = proposal(
        "recover",
        findings,
        target.name,
        alone,
        target.name,
        what_is_lost(findings, target.name),
    )
    if not alone.force:  # the rest of an earlier recovery is cleared: nothing is lost by that
        one = replace(one, word="", consequence="")
    return Proposal(one.part, one.findings, (target.name, one.plan), one.word, one.consequence)
