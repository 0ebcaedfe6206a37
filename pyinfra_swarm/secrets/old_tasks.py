"""Tasks that still have an old version, while their services have the current one already.

The managers call an update completed as soon as the new tasks run. The old ones are still ending
then: they leave the routing mesh, get SIGTERM two seconds later, and may go on for the service's
``stop_grace_period``. Meanwhile they answer requests, and use the value that they were given.

Source: moby ``daemon/cluster/executor/container/controller.go`` (``Shutdown``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from pyinfra_swarm.run.findings import Finding, Notice, Remark
from pyinfra_swarm.run.printable import quoted
from pyinfra_swarm.run.wording import counted, listed
from pyinfra_swarm.secrets.objects import Key, Line, Object, User, lines
from pyinfra_swarm.secrets.steps import AwaitOldTasks
from pyinfra_swarm.services.service import Task
from pyinfra_swarm.services.verdict import seconds_of

STOP_GRACE_PERIOD = 10.0
"""Seconds that a task may go on after SIGTERM where its service does not say."""

BESIDES = 20.0
"""Seconds for what comes before and after: the way out of the mesh, a busy node's word of it."""


def outdated(objects: Iterable[Object], adopted: Collection[Key] = ()) -> frozenset[str]:
    """The ids of what is not the current version, and of what counts as an old one.

    adopted: keys of which an object that is not ours counts as an old version.
    """
    every = lines(objects, adopted)
    ours = {one.id for line in every.values() for one in line.versions if one != line.current}
    return frozenset(ours | {plain.id for key in adopted if (plain := _replaced(every[key]))})


def with_old_ones(objects: Iterable[Object], adopted: Collection[Key] = ()) -> frozenset[str]:
    """The ids of all versions of which another one is there, or was adopted.

    Who uses one of these may have tasks that use an old one still.
    """
    every = lines(objects, adopted)
    return frozenset(
        one.id
        for key, line in every.items()
        if len(line.versions) > 1 or (key in adopted and _replaced(line))
        for one in line.versions
    )


def _replaced(line: Line) -> Object | None:
    """The object that is not ours, where a version of ours has taken its place."""
    return line.plain if line.current else None


def ending(tasks: Iterable[Task], old: Collection[str]) -> tuple[Task, ...]:
    """The tasks that are told to end and have not, of those that use one of these.

    old: ids of secrets and configs.
    """
    return tuple(
        task
        for task in tasks
        if task.node and not task.wanted and not task.ended
        if any(one.id in old for one in task.references)
    )


def patience(tasks: Iterable[Task]) -> float:
    """Seconds that these may take to end where their nodes do as they are told."""
    path = ("ContainerSpec", "StopGracePeriod")
    given = (seconds_of(task.template, *path) or STOP_GRACE_PERIOD for task in tasks)
    return max(given, default=STOP_GRACE_PERIOD) + BESIDES


def findings(
    tasks: Sequence[Task], users: Iterable[User], now: float, down: Collection[str] = ()
) -> list[Finding]:
    """What is to be done about tasks that end, of services that have the current version already.

    They are waited for, but for those that have had the time to end, or whose node is down: these
    are told, the latter without being a difference. now: in seconds since 1970; down: ids of nodes,
    as the managers list them.
    """
    found: list[Finding] = []
    for user in sorted(users, key=lambda one: one.name):
        mine = [task for task in tasks if task.service == user.id]
        away, there = apart(mine, down)
        late = [task for task in there if _had_its_time(task, user, now)]
        found += left_running(away, late, {user.id: user.name})
        if len(late) < len(there):
            found.append(
                AwaitOldTasks(
                    f"old tasks of service {user.name}",
                    "are still stopping, and use the old value until they have stopped",
                    expected="stopped",
                    found=counted(len(there) - len(late), "task"),
                    id=user.id,
                    service=user.name,
                    not_awaited=tuple(task.id for task in [*away, *late]),
                )
            )
    return found


def _had_its_time(task: Task, user: User, now: float) -> bool:
    """Whether a task was told to stop so long ago that it is not expected to say so any more.

    The engine forgets the end of an update with the next one, and keeps what it wrote of the task.
    """
    told = [when for when in (task.updated, user.ended) if when is not None]
    return bool(told) and now - min(told) > patience([task])


def sentence(tasks: Sequence[Task], names: Mapping[str, str]) -> str:
    """How many there are, and of which services, for the log. names: of the services, by id."""
    return f"{counted(len(tasks), 'old task')} of {listed(_services(tasks, names))}"


def apart(tasks: Iterable[Task], down: Collection[str]) -> tuple[list[Task], list[Task]]:
    """The tasks of nodes that are down, and the others. down: ids of nodes."""
    away: list[Task] = []
    there: list[Task] = []
    for task in tasks:
        (away if task.node in down else there).append(task)
    return away, there


def left_running(
    away: Sequence[Task], late: Sequence[Task], names: Mapping[str, str]
) -> list[Finding]:
    """What is said of tasks that are not waited for, or not any more.

    away: those of nodes that are down. The managers have them running until the node is back, or
    for a day; nothing can be done about that but for the node, which is told as a node that is
    down. late: the others. names: of the services, by id.
    """
    found: list[Finding] = []
    if away:
        found.append(_told(Remark, away, names, ", since the node is down"))
    if late:
        found.append(_told(Notice, late, names))
    return found


def _told(
    kind: type[Notice | Remark], tasks: Sequence[Task], names: Mapping[str, str], why: str = ""
) -> Finding:
    were, have = ("was", "has") if len(tasks) == 1 else ("were", "have")
    return kind(
        sentence(tasks, names),
        f"{were} told to stop, and {have} not been seen to stop{why}: the old value may still be "
        "in use",
        remedy=_keep(_services(tasks, names)),
    )


def unseen(services: Collection[str], problem: str) -> Notice:
    """What is said where a manager does not tell of the tasks. services: their names."""
    return Notice(
        f"old tasks of {listed(sorted(services))}",
        f"could not be seen to stop: the old value may still be in use ({problem})",
        remedy=_keep(services),
    )


def _keep(services: Iterable[str]) -> str:
    return (
        "Keep the old value valid until "
        f"`docker service ps {' '.join(map(quoted, sorted(services)))}` on a manager shows none of "
        "them running"
    )


def _services(tasks: Iterable[Task], names: Mapping[str, str]) -> list[str]:
    return sorted({names.get(task.service, task.service) for task in tasks})
