"""How an update of a service stands, from what a manager says of the service and its tasks.

An update is done where what runs is what was asked for. The managers' own word is needed for that,
and not enough (swarmkit ``manager/orchestrator/update/updater.go``):

- ``UpdateStatus`` is ``None`` right after an update, and stays so where no task has to be replaced:
  no replicas, other labels, another number of replicas, a new service.
- A rollback puts another specification in place. One that fails itself (``rollback_paused``) is
  called ``completed`` in the end where the service's rollback is to be rolled back on failure.
- With the failure action ``continue``, or some failures allowed, ``completed`` is said of tasks
  that fail over and over.
- A task that no node may run, or whose image is pulled for ever, leaves it ``updating`` for ever.

Which tasks are new is known by what they are made of; a task does not say for which version of the
service it was made.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pyinfra_swarm.run.wording import counted
from pyinfra_swarm.services.cause import NOTHING, Cause, cause_of, ended_early
from pyinfra_swarm.services.service import TASK_STATES, Service, Spec, Task

By = Literal["paused", "rolled back", "timeout", "superseded"]

ANOTHER_NODE = 60.0
"""Seconds that a task may wait for a node that may run it."""

TO_RUN = 120.0
"""Seconds that a task may take for anything that is not named here."""

TO_PULL = 600.0
"""Seconds that a task may take to have its image, on a slow line."""

TO_BE_HEALTHY = 300.0
"""Seconds that a task may take for its health check, and more where the service says so."""

TRIES, TO_TRY = 3, 30.0
"""How often nodes may refuse the same place's task, and for how many seconds they may go on so."""

SETTLED = 5.0
"""Seconds without news after which tasks count as running; the engine's own monitor period."""

_RUNNING = TASK_STATES.index("running")
_PAUSES: tuple[tuple[str, ...], ...] = (
    ("UpdateConfig", "Delay"),
    ("UpdateConfig", "Monitor"),
    ("RollbackConfig", "Delay"),
    ("RollbackConfig", "Monitor"),
    ("TaskTemplate", "RestartPolicy", "Delay"),
    ("TaskTemplate", "ContainerSpec", "StopGracePeriod"),
)
_STATES_OF_AN_END = ("completed", "rollback_completed", "")


@dataclass(frozen=True)
class Asked:
    """What was asked of a service, and what has been seen of it since.

    spec: what is to run, as the engine has it; before: what ran before, which a rollback brings
    back. version: the service's before the update; tasks that have not changed since then are not
    of it. since: the moment of the last progress; quiet: of the last news of any kind.
    reached, news: what these were; back: the service has no longer what was asked for.
    """

    spec: Spec = field(repr=False)
    version: int
    since: float
    quiet: float
    before: Spec | None = field(repr=False)
    reached: int = 0
    back: bool = False
    news: object = None

    @staticmethod
    def now(spec: Spec, version: int, now: float, before: Spec | None = None) -> Asked:
        """An update that begins now."""
        return Asked(spec, version, now, now, before)


@dataclass(frozen=True)
class Waiting:
    """It goes on.

    running: new tasks that run; wanted: how many there are to be, 0 if unknown. trouble: why a new
    task does not come up, which the managers try again; "" where none has failed.
    """

    running: int
    wanted: int
    rolling_back: bool = False
    trouble: str = ""

    def sentence(self) -> str:
        """What is seen, for the log."""
        if self.rolling_back:
            return "the managers are rolling it back"
        if not self.wanted:
            return f"{counted(self.running, 'new task')} {'runs' if self.running == 1 else 'run'}"
        running = min(self.running, self.wanted)  # more, while one takes another's place
        runs = "runs" if running == 1 else "run"
        return f"{running} of {counted(self.wanted, 'new task')} {runs}"


@dataclass(frozen=True)
class Completed:
    """What was asked for is in place. running: how many tasks run."""

    running: int


@dataclass(frozen=True)
class Failed:
    """It has not come to its end.

    by: the managers ``paused`` it or have ``rolled back`` by themselves; it has made no progress
    for too long (``timeout``); somebody else has changed the service meanwhile (``superseded``).
    """

    by: By
    cause: Cause

    def sentence(self) -> str:
        """What has happened and why, in one line without its end."""
        words = {
            "paused": "the managers have paused the update",
            "rolled back": "it was rolled back",
            "timeout": "the update does not come to its end",
            "superseded": "somebody else has changed the service meanwhile",
        }[self.by]
        return words if self.by == "superseded" else f"{words}: {self.cause.sentence()}"


Verdict = Waiting | Completed | Failed


def judge(asked: Asked, service: Service, tasks: Sequence[Task], now: float) -> Verdict:
    """How the update stands.

    asked: as :func:`follow` has kept it, of all that was seen until now. tasks: the service's, all
    that the managers have. now: seconds, of the clock that ``asked`` goes by.
    """
    state = service.update.state if service.update else ""
    mine = [task for task in tasks if made_of(asked.spec, task) and task.version > asked.version]
    cause = cause_of(mine, _named(service))
    if not same_spec(service.spec, asked.spec):
        back = state.startswith("rollback") or (
            asked.before is not None and same_spec(service.spec, asked.before)
        )
        if not back:
            return Failed("superseded", NOTHING)
        if state == "rollback_started" and not _too_long(asked, tasks, now):
            return Waiting(0, 0, rolling_back=True)
        return Failed("rolled back", cause)
    if state in ("paused", "rollback_paused"):
        return Failed("paused", cause)
    if state in _STATES_OF_AN_END and _in_place(asked, service, tasks, now):
        return Completed(len(_running(asked.spec, service, tasks)))
    if _too_long(asked, tasks, now) or _refused(asked, mine, now):
        return Failed("timeout", cause)
    running, wanted = _running(asked.spec, service, tasks), _wanted(service, tasks)
    in_trouble = len(running) < wanted and cause.kind not in ("not yet", "unknown")
    return Waiting(len(running), wanted, trouble=cause.words if in_trouble else "")


def follow(asked: Asked, service: Service, tasks: Sequence[Task], now: float) -> Asked:
    """Keep what is seen now, for :func:`judge`.

    Progress is only what was not reached before: a task that fails over and over is none.
    """
    mine = [task for task in tasks if made_of(service.spec, task) and task.version > asked.version]
    at = sum(_reached(mine).values())
    back = not same_spec(service.spec, asked.spec)
    further = at > asked.reached or back != asked.back
    news = (
        service.update.state if service.update else "",
        frozenset(task.id for task in _running(asked.spec, service, tasks)),
        frozenset(task.id for task in mine if ended_early(task)),
    )
    return replace(
        asked,
        back=back,
        reached=at if further else asked.reached,
        since=now if further else asked.since,
        news=news,
        quiet=now if news != asked.news else asked.quiet,
    )


def rolled_back_since(service: Service, version: int) -> bool:
    """Whether the managers roll back, or have rolled back, an update that came after a version.

    An update begins without a state (swarmkit ``manager/controlapi/service.go``), so whatever state
    there is belongs to the last one.
    """
    state = service.update.state if service.update else ""
    return service.version > version and state.startswith("rollback")


def cause_of_rollback(service: Service, tasks: Sequence[Task], version: int) -> Cause:
    """Why an update that came after a version was rolled back; service: as it is since."""
    of_it = [one for one in tasks if one.version > version and not made_of(service.spec, one)]
    return cause_of(of_it, _named(service))


def made_of(spec: Spec, task: Task) -> bool:
    """Whether a task is made of what a specification says.

    But for the placement: a task that is on a node which still may run it is not replaced. For the
    runtime, which a task does not repeat (seen with 28.5.2). And for networks where the
    specification has them in their old place, beside the template.
    """
    left_out = {"Placement", "Runtime", *(["Networks"] if spec.get("Networks") else [])}
    template = spec.get("TaskTemplate") or {}
    one, other = (
        _plain({key: value for key, value in each.items() if key not in left_out})
        for each in (template, task.template)
    )
    return bool(one == other)


def same_spec(one: Spec, other: Spec) -> bool:
    """Whether two specifications say the same; what is left out and what is empty is the same."""
    return bool(_plain(one) == _plain(other))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        plain = {key: _plain(one) for key, one in value.items()}
        return {key: one for key, one in plain.items() if one not in (None, "", {}, [])}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value


def _named(service: Service) -> str:
    """The task that the managers' message names: “… termination of task ID”."""
    found = re.search(r"\btask ([0-9a-z]{25})\b", service.update.message if service.update else "")
    return found[1] if found else ""


def _place(task: Task) -> tuple[int, str]:
    """A task's place: its number among the replicas, or its node where it has one on each."""
    return (task.slot, "" if task.slot else task.node)


def _reached(tasks: Sequence[Task]) -> dict[tuple[int, str], int]:
    """How far the tasks have come, at best, in each place."""
    best: dict[tuple[int, str], int] = {}
    for task in tasks:
        at = min(TASK_STATES.index(task.state), _RUNNING) if not task.failed else 0
        best[_place(task)] = max(best.get(_place(task), 0), at + 1)
    return best


def _running(spec: Spec, service: Service, tasks: Sequence[Task]) -> list[Task]:
    """The tasks that run and are to run, of those that are asked for."""
    return [
        task
        for task in tasks
        if task.wanted
        and task.state == "running"
        and made_of(spec, task)
        and task.iteration == service.iteration
    ]


def _wanted(service: Service, tasks: Sequence[Task]) -> int:
    """How many tasks there are to be; of one on each node, as far as the managers have begun."""
    if service.replicas is not None:
        return service.replicas
    return len({_place(task) for task in tasks if task.wanted})


def _in_place(asked: Asked, service: Service, tasks: Sequence[Task], now: float) -> bool:
    """Whether what runs is what is asked for, where the managers have no more to do."""
    if service.replicas == 0 and not any(task.wanted for task in tasks):
        return True
    settled = now - asked.quiet >= max(SETTLED, seconds_of(asked.spec, "UpdateConfig", "Monitor"))
    if service.is_job:
        return _job_in_place(service, tasks, settled)
    running = _running(asked.spec, service, tasks)
    if len({_place(task) for task in running}) < _wanted(service, tasks):
        return False
    if any(task.wanted and not made_of(asked.spec, task) for task in tasks):
        return False
    failures = any(
        ended_early(task)
        for task in tasks
        if made_of(asked.spec, task) and task.version > asked.version
    )
    said = service.update is not None
    return settled or (said and not failures)


def _job_in_place(service: Service, tasks: Sequence[Task], settled: bool) -> bool:
    """Whether a job has ended well, or runs; how long it may take, its owner knows alone."""
    mine = [task for task in tasks if task.iteration == service.iteration]
    done = sum(task.state == "complete" for task in mine)
    if service.replicas is not None and done >= service.replicas:
        return True
    busy = [task for task in mine if task.wanted and task.state not in ("running", "complete")]
    return settled and not busy and not any(task.failed for task in mine)


def _too_long(asked: Asked, tasks: Sequence[Task], now: float) -> bool:
    return now - asked.since > patience(asked.spec, tasks)


def _refused(asked: Asked, mine: Sequence[Task], now: float) -> bool:
    """Whether nodes refuse to begin a task over and over: for its image, or what it mounts.

    A program that has begun and fails may wait for another one; this does not mend itself.
    """
    tries = Counter(_place(task) for task in mine if task.state == "rejected")
    return now - asked.since > TO_TRY and max(tries.values(), default=0) >= TRIES


def patience(spec: Spec, tasks: Sequence[Task]) -> float:
    """Seconds without progress after which an update counts as failed.

    It depends on what the tasks are at, and on the pauses that the specification asks for.
    """
    states = {task.state for task in tasks if task.wanted}
    limit = TO_RUN
    if "preparing" in states:
        limit = TO_PULL
    elif "starting" in states:
        limit = TO_BE_HEALTHY + _health(spec)
    elif "pending" in states:
        limit = ANOTHER_NODE
    return limit + sum(seconds_of(spec, *path) for path in _PAUSES)


def _health(spec: Spec) -> float:
    """Seconds until a health check has failed, as far as the specification says so."""
    check = ("TaskTemplate", "ContainerSpec", "Healthcheck")
    each = seconds_of(spec, *check, "Interval") + seconds_of(spec, *check, "Timeout")
    retries = _number(_at(spec, *check, "Retries"))
    return seconds_of(spec, *check, "StartPeriod") + each * max(retries, 1)


def seconds_of(spec: Spec, *path: str) -> float:
    """A length of time, which the engine gives in nanoseconds."""
    return _number(_at(spec, *path)) / 1e9


def _at(value: Any, *path: str) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
