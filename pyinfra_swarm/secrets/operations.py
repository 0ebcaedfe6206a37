"""Declared secrets and configs in the swarm, and every service with the current version."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from pyinfra_swarm.nodes.membership import acting_manager, view
from pyinfra_swarm.nodes.observing import (
    acting_left_out,
    may_be_left,
    memberships,
    without_a_manager,
)
from pyinfra_swarm.run import records
from pyinfra_swarm.run.command_line import is_run_of
from pyinfra_swarm.run.converge import (
    Commands,
    call,
    converges,
    current_host,
    given,
    observe,
    report,
)
from pyinfra_swarm.run.findings import Finding, changes, refusals, unhandled
from pyinfra_swarm.secrets import (
    facts,
    names_operations,
    observing,
    old_tasks,
    steps_operations,
)
from pyinfra_swarm.secrets.names import WriteNames
from pyinfra_swarm.secrets.objects import Seen
from pyinfra_swarm.secrets.plan import measures, names_after, plan
from pyinfra_swarm.secrets.steps import (
    Asked,
    Await,
    AwaitOldTasks,
    Create,
    Flip,
    MakeCurrent,
    Remove,
    Withdraw,
)

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings

PART = "secrets"


@converges("secrets")
def as_declared(settings: Settings) -> Commands:
    """A version of each declared secret and config, and all services with the current ones.

    Where nothing is declared it asks nothing, unless the swarm has one of ours still, or
    ``deploys/secrets.py`` is what was called.
    ``--data secret=NAME`` limits it to one, and uses a version again that was taken back.
    ``--data back=yes`` with it takes the current version back. ``--data names=FILE`` writes the
    current versions' names to a file here.

    + settings: of them ``secrets`` and ``configs``
    """
    asked = Asked(given("secret") or "", back=given("back") is not None)
    alone = is_run_of("secrets")
    declared = settings.secrets or settings.configs
    if not (declared or alone or may_be_left(settings, "secrets", "configs")):
        report(PART, [])
        return
    observed = memberships()
    acting = acting_manager(settings, observed)
    if acting is None:
        what = "no secret or config is created"
        to_come = partial(_to_come, settings, asked)
        report(PART, without_a_manager(settings, observed, what, to_come))
        return
    if alone:
        report(PART, acting_left_out(settings, observed))
    if current_host().name != acting:
        report(PART, [])
        return
    seen = observe(facts.Objects)
    wanted = observing.wanted(settings, seen, asked)
    tasks = observing.unended(current_host(), wanted, seen, asked)
    adopted = observing.adopted(wanted)
    now, cluster = time.time(), view(settings, observed)
    down = {node.id for node in (cluster and cluster.nodes) or () if node.state == "down"}
    findings = plan(
        wanted,
        seen,
        asked=asked,
        living=observing.used_by(tasks),
        ending=old_tasks.ending(tasks, old_tasks.outdated(seen.objects, adopted)),
        down=down,
        now=now,
    )
    if not refusals(findings):
        names = names_after(wanted, seen, asked)
        findings += names_operations.planned(given("names") or "", names)
    keys = [one.key for one in wanted]
    records.measure(PART, "secrets and configs", lambda: measures(keys, seen, now))
    report(PART, findings)
    steps = changes(findings)
    replacing = [step for step in steps if isinstance(step, Flip | Await | AwaitOldTasks)]
    for step in steps:
        match step:
            case Create():
                yield call(steps_operations.create, settings, step)
            case MakeCurrent() | Withdraw():
                yield call(steps_operations.set_labels, step)
            case Await():
                yield call(steps_operations.see_through, step)
            case Flip():
                yield call(steps_operations.flip, step)
            case AwaitOldTasks():
                pass  # those of all services are awaited together
            case Remove():
                yield call(steps_operations.remove, settings, asked, step)
            case WriteNames():
                yield call(names_operations.write, step)
            case _:
                raise unhandled(step)
        if replacing and step is replacing[-1]:
            yield call(steps_operations.old_tasks_end, replacing, adopted, down)


def _to_come(settings: Settings, asked: Asked) -> list[Finding]:
    """What will be created in a swarm that is only planned."""
    nothing = Seen()
    wanted = observing.wanted(settings, nothing, asked)
    return plan(wanted, nothing, asked=asked, now=time.time())
