"""Tasks that still have an old version, while their services have the current one already.

The managers call an update completed as soon as the new tasks run. The old ones are still ending
then: they leave the routing mesh, get SIGTERM two seconds later, and may go on for the service's
``stop_grace_period``. Meanwhile they answer requests, and use the value that they were given.

Source: moby ``daemon/cluster/executor/container/controller.go`` (``Shutdown``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from pyinfra_swarm.run.findings import Notice
from pyinfra_swarm.run.printable import quoted
from pyinfra_swarm.run.wording import counted, listed
from pyinfra_swarm.secrets.objects import Key, Seen, lines
from pyinfra_swarm.services.service import Task
from pyinfra_swarm.services.verdict import seconds_of

STOP_GRACE_PERIOD = 10.0
"""Seconds that a task may go on after SIGTERM where its service does not say."""

BESIDES = 20.0
"""Seconds for what comes before and after: the way out of the mesh, a busy node's word of it."""


def ending(
    tasks: Iterable[Task], seen: Seen, keys: Iterable[Key], old: Collection[str] = ()
) -> tuple[Task, ...]:
    """The tasks that are told to end and have not, of those that have an old version.

    keys: the secrets and configs that are looked for; old: ids of what was used instead of them.
    """
    outdated = {*old}
    for line in lines(seen.objects, keys).values():
        outdated |= {one.id for one in line.versions if one != line.current}
    return tuple(
        task
        for task in tasks
        if task.node and not task.wanted and not task.ended
        if outdated & {one.id for one in task.references}
    )


def patience(tasks: Iterable[Task]) -> float:
    """Seconds that these may take to end, one at least, where their nodes do as they are told."""
    path = ("ContainerSpec", "StopGracePeriod")
    given = (seconds_of(task.template, *path) or STOP_GRACE_PERIOD for task in tasks)
    return max(given) + BESIDES


def sentence(tasks: Sequence[Task], seen: Seen) -> str:
    """How many there are, and of which services, for the log."""
    return f"{counted(len(tasks), 'old task')} of {listed(_services(tasks, seen))}"


def notice(tasks: Sequence[Task], seen: Seen) -> Notice:
    """What is said of tasks that have not ended in time, such as those of a node that is down."""
    were, have = ("was", "has") if len(tasks) == 1 else ("were", "have")
    names = _services(tasks, seen)
    return Notice(
        sentence(tasks, seen),
        f"{were} told to stop, and {have} not been seen to stop: the old value may still be in use",
        remedy=f"Keep the old value valid until `docker service ps {' '.join(map(quoted, names))}` "
        "on a manager shows none of them running",
    )


def _services(tasks: Iterable[Task], seen: Seen) -> list[str]:
    names = {user.id: user.name for user in seen.users}
    return sorted({names.get(task.service, task.service) for task in tasks})
