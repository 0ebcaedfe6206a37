"""How the steps of :mod:`secrets.plan` are carried out, by the manager that acts for the swarm.

Each looks again before it changes anything: between the plan and its turn other steps were carried
out, and anybody may have changed a service meanwhile.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from pyinfra.api import Host, State

from pyinfra_swarm.engine.api import API
from pyinfra_swarm.run import clock, no_answer, reporting
from pyinfra_swarm.run.converge import Unobserved, pause, progress
from pyinfra_swarm.run.findings import Notice
from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.run.script import Outcome, quietly
from pyinfra_swarm.secrets import observing, old_tasks
from pyinfra_swarm.secrets.digest import seal
from pyinfra_swarm.secrets.facts import Objects
from pyinfra_swarm.secrets.objects import (
    SEALED,
    TURN,
    VERSION,
    WITHDRAWN,
    Key,
    Object,
    Seen,
)
from pyinfra_swarm.secrets.plan import flipped, unneeded
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
from pyinfra_swarm.services import operations as services
from pyinfra_swarm.services.ended import Ended
from pyinfra_swarm.services.listing_operations import as_listed
from pyinfra_swarm.services.service import Task
from pyinfra_swarm.services.verdict import Failed
from pyinfra_swarm.settings.labels import NAME

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings

PART = "secrets"
AGAIN = "Run the same command again: it looks again, and goes on from there"


def _look(host: Host) -> Seen:
    """What this manager says now. Raises ``Unobserved``."""
    return as_listed(host, Objects)


# Versions
# --------


def create(state: State, host: Host, settings: Settings, step: Create) -> bool:
    """Create a version. Its value goes to the engine in the body of one request."""
    value = observing.value(settings, step.key)
    sealed, name = seal(value), step.key.versioned(step.version)
    data = base64.b64encode(value.data).decode()
    body: dict[str, object] = {
        "Name": name,
        "Labels": {
            NAME: step.key.name,
            VERSION: str(step.version),
            TURN: str(step.turn),
            SEALED: sealed,
        },
        "Data": data,
    }
    declared = observing.declared(settings)[step.key]
    if declared.kind == "config" and declared.template:
        body["Templating"] = {"Name": "golang"}
    ask = program(__file__, "create.sh", using=[API], kind=f"{step.key.kind}s")
    outcome = quietly(host, ask, stdin=json.dumps(body), hidden=[data, *_texts(value.data)])
    if outcome.done:
        return True
    # Whoever saw no answer does not know whether the engine has done it: the seal is ours alone.
    if any(one.sealed == sealed for one in _look(host).objects):
        return True
    return _failed(host, f"creating {step.key.kind} {name}", outcome)


def _texts(data: bytes) -> list[str]:
    """The value as an error could repeat it, unless it is so short that it says nothing."""
    text = data.decode(errors="replace")
    return [text] if len(text) > 3 else []


def set_labels(state: State, host: Host, step: MakeCurrent | Withdraw) -> bool:
    """Make a version the current one again, or take it back: both are labels."""
    found = _object(_look(host), step.id)
    if found is None:
        return _gone(host, str(step.key))
    labels = {key: text for key, text in found.labels.items() if key != WITHDRAWN}
    match step:
        case MakeCurrent(turn=turn):
            labels[TURN] = str(turn)
        case Withdraw():
            labels[WITHDRAWN] = str(int(time.time()))
    ask = program(
        __file__,
        "set_labels.sh",
        using=[API],
        kind=f"{found.kind}s",
        id=found.id,
        index=str(found.index),
    )
    body = json.dumps({"Name": found.name, "Labels": labels})
    outcome = quietly(host, ask, stdin=body)
    return outcome.done or _failed(host, f"writing the labels of {found.name}", outcome)


def remove(state: State, host: Host, settings: Settings, asked: Asked, step: Remove) -> bool:
    """Remove an old version, unless something could need it by now. Nothing fails by that."""
    seen = _look(host)
    tasks = observing.tasks_use(host, seen)
    wanted = observing.wanted(settings, seen, asked)
    going = [
        one.id
        for each in wanted
        if each.key == step.key
        for one in unneeded(each, seen, tasks, asked=asked)
    ]
    if step.id not in going:
        if _object(seen, step.id) is not None:
            reporting.report(host, PART, [_kept(step, "something could need it still")])
        return True
    ask = program(__file__, "remove.sh", using=[API], kind=f"{step.key.kind}s", id=step.id)
    outcome = quietly(host, ask)
    if outcome.silent:
        return _failed(host, f"removing {step.name}", outcome)
    if not outcome.done:
        reporting.report(host, PART, [_kept(step, outcome.problem)])
    return True


def _kept(step: Remove, why: str) -> Notice:
    return Notice(
        f"{step.key.kind} {step.name}",
        f"is an old version, and stays: {why}",
        remedy="The next run looks again",
    )


def _object(seen: Seen, id: str) -> Object | None:
    return next((one for one in seen.objects if one.id == id), None)


# Services
# --------


def flip(state: State, host: Host, step: Flip) -> bool:
    """Give a service the current versions, and see it through to its end."""
    for _ in range(_TRIES):
        seen = _look(host)
        service = services.read(host, step.id)
        if service is None:
            return True  # it was removed meanwhile
        spec = flipped(service.spec, seen, step)
        if spec is None:
            return True  # somebody else has done it
        ended = services.update(host, service, spec, doing=f"flipping it to {step.expected}")
        if not ended.overtaken:
            break
    return ended.done or _not_done(host, ended)


_TRIES = 3
"""How often a flip is tried where somebody else changes the service at the same time."""


def see_through(state: State, host: Host, step: Await) -> bool:
    """Wait for an update that was begun before; put the service back if it fails and was ours."""
    service = services.read(host, step.id)
    if service is None:
        return True
    ended = services.await_update(host, service, 0)
    match ended.outcome:
        case Failed(by="paused" | "timeout") if step.ours and ended.seen and ended.seen.previous:
            back = services.put_back(host, ended.seen, ended.seen.previous)
            ended = Ended(ended.name, ended.outcome, back.outcome, back.seen)
    return ended.done or _not_done(host, ended)


def old_tasks_end(
    state: State,
    host: Host,
    steps: Sequence[Flip | Await | AwaitOldTasks],
    adopted: Collection[Key] = (),
    down: Collection[str] = (),
) -> bool:
    """Wait until no task of these services has an old version, or name those that still have.

    Whoever takes the old value away after the run does not meet anybody who uses it. Nothing fails
    by it, and a task on a node that is down is not waited for: it is said to run until the node is
    back. adopted: keys of which an object that is not ours counts as an old version. down: ids of
    nodes, as the managers listed them when the run looked.
    """
    names = {step.id: step.service for step in steps}
    told_of = {id for step in steps if isinstance(step, AwaitOldTasks) for id in step.not_awaited}
    flipped_from = frozenset(id for step in steps if isinstance(step, Flip) for id in step.old)
    begun, told = clock.now(), ""
    away: list[Task] = []
    left: list[Task] = []
    seen: Seen | None = None
    while True:
        try:
            seen = seen or _look(host)
            there = [user.id for user in seen.users if user.id in names]
            old = flipped_from | old_tasks.outdated(seen.objects, adopted)
            ending = old_tasks.ending(observing.tasks_of(host, there), old)
            ours = [task for task in ending if task.id not in told_of]
            (away, left), problem = old_tasks.apart(ours, down), ""
        except Unobserved as unobserved:
            seen, problem = None, str(unobserved)
        waited = clock.now() - begun
        patience = max(old_tasks.patience(left), services.SILENT if problem else 0)
        if not (left or problem) or waited > patience:
            found = old_tasks.left_running(away, left, names)
            if problem:
                found = [old_tasks.unseen([*names.values()], problem)]
            reporting.report(host, PART, found)
            return True
        if left and (said := old_tasks.sentence(left, names)) != told:
            progress(f"waiting for {said} to stop: until then the old value is in use")
            told = said
        pause(_LOOK_AGAIN)


_LOOK_AGAIN = 1.0
"""Seconds between two looks at tasks that are ending."""


def _not_done(host: Host, ended: Ended) -> bool:
    reporting.failed(
        host,
        f"{ended.sentence()}. Services that come after it were left as they are, and no version "
        "was removed. Fix the cause, and run the same command again: it goes on from there",
    )
    return False


def _failed(host: Host, doing: str, outcome: Outcome) -> bool:
    if outcome.silent:
        words = no_answer.on_another_host(doing, host.name, outcome.problem)
    else:
        words = f"{doing} failed: {outcome.problem}. {AGAIN}"
    reporting.failed(host, words)
    return False


def _gone(host: Host, what: str) -> bool:
    reporting.failed(host, f"{what}: the version has been removed meanwhile. {AGAIN}")
    return False
