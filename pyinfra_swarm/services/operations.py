"""Services updated on the acting manager, awaited, explained, put back.

Each function runs within a command of an operation (:func:`run.converge.call`) and talks to one
manager: the acting one. What it sends and what it is told is shown nowhere, since a specification
may hold passwords; what it reports is made of the causes of :mod:`services.cause`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyinfra.api import Host

from pyinfra_swarm.run import clock
from pyinfra_swarm.run.connection import log_in_again
from pyinfra_swarm.run.converge import Unobserved, pause, progress, still_ours
from pyinfra_swarm.run.hidden import repeated
from pyinfra_swarm.run.printable import plain
from pyinfra_swarm.run.script import quietly
from pyinfra_swarm.services.cause import LINE_LIMIT, LOG_LINES, Cause
from pyinfra_swarm.services.ended import Ended, NotBegun, Unseen
from pyinfra_swarm.services.programs import awaiting_news, explaining, updating
from pyinfra_swarm.services.service import Service, Spec, Task, parse_service, parse_tasks
from pyinfra_swarm.services.verdict import (
    Asked,
    Completed,
    Failed,
    Waiting,
    cause_of_rollback,
    follow,
    judge,
    rolled_back_since,
    same_spec,
)

SECONDS = 5
"""That one look may wait for news, on the manager."""

SILENT = 180.0
"""Seconds after which a manager that gives no answer is not waited for any longer."""

PAUSE = 2
"""Seconds between two looks at a manager that gave no answer."""


def read(manager: Host, number: str) -> Service | None:
    """A service by its id, whole, as it is now; ``None`` where there is none.

    Raises :class:`run.converge.Unobserved` where the manager does not say.
    """
    seen = _look(manager, number, "")
    if isinstance(seen, _NotSeen):
        raise Unobserved(f"a service could not be read: {seen.problem}")
    return seen.service


def update(manager: Host, service: Service, spec: Spec, *, doing: str) -> Ended:
    """Update a service and await the end; where it fails, put back what the service had before.

    service: as it was read; if somebody has changed it since, nothing is done (see
    :attr:`ended.Ended.overtaken`). spec: what it is to have, whole. The login to the registry that
    the service was deployed with stays. doing: for the log, such as ``flipping it to db_v4``.

    Where the specification is what the service has already, nothing is sent: what there is is
    awaited. Raises :class:`run.converge.Overtaken` where another run has begun.
    """
    if same_spec(service.spec, spec):
        return await_update(manager, service, 0)
    progress(f"service {service.name}: {doing}")
    begun = _ask(manager, service, spec)
    if not isinstance(begun, Asked):
        return Ended(service.name, begun, seen=service)
    ended = _await(manager, service, begun)
    match ended.outcome:
        case Failed(by="paused" | "timeout") if ended.seen is not None:
            progress(f"service {service.name}: {ended.outcome.sentence()}. It is put back")
            back = put_back(manager, ended.seen, service.spec)
            return Ended(service.name, ended.outcome, back.outcome, back.seen)
    return ended


def await_update(manager: Host, service: Service, since_version: int) -> Ended:
    """Await the end of an update that was begun already: by another run, or by a stack's deploy.

    service: as it is after that was begun; what it is to have is what it has. since_version: the
    service's version before, 0 where it is not known or there was no service. A failure is told
    and not put back: :func:`put_back` does that. Where the managers have begun to roll it back
    since that version, the update has failed: what the service has is what it had before.
    """
    if since_version and rolled_back_since(service, since_version):
        return _rolled_back(manager, service, since_version)
    asked = Asked.now(service.spec, since_version, clock.now(), service.previous)
    return _await(manager, service, asked)


def put_back(manager: Host, service: Service, before: Spec) -> Ended:
    """Put a service back to what it had before, and await the end.

    service: as it was seen last. Where the managers have that specification as the previous one,
    they roll the service back themselves: tasks that were not replaced yet are left alone then.
    """
    if same_spec(service.spec, before):
        return await_update(manager, service, 0)
    rolls_back = service.previous is not None and same_spec(service.previous, before)
    begun = _ask(manager, service, before, roll_back=rolls_back)
    if not isinstance(begun, Asked):
        return Ended(service.name, begun, seen=service)
    return _await(manager, service, begun)


# Begun
# -----


def _ask(
    manager: Host, service: Service, spec: Spec, *, roll_back: bool = False
) -> Asked | NotBegun | Unseen:
    """Send an update; what was asked for as the engine has it, or why it was not begun."""
    still_ours()
    body = service.spec if roll_back else spec
    asked = Asked.now(spec, service.version, clock.now(), None if roll_back else service.spec)
    text = updating(service.id, service.version, roll_back=roll_back)
    outcome = quietly(manager, text, stdin=json.dumps(body), timeout=120)
    seen = _look(manager, service.id, "")
    if not isinstance(seen, _Seen):
        return Unseen(outcome.problem or seen.problem)
    now = seen.service
    if now is None:
        return NotBegun("there is no such service any more", overtaken=True)
    refused = _refusal(outcome.said)
    if refused or (not outcome.done and not same_spec(now.spec, spec)):
        return NotBegun(refused or outcome.problem, overtaken=now.version != service.version)
    # The engine's own form of it is what tasks and later looks are compared with. Where the
    # managers roll it back already, theirs is another one.
    rolled_back = now.update is not None and now.update.state.startswith("rollback")
    if roll_back or not rolled_back:
        return Asked.now(now.spec, asked.version, asked.since, asked.before)
    return asked


def _refusal(said: Mapping[str, Sequence[str]]) -> str:
    """The engine's words for why it did not take an update; "" where it did."""
    if "refused" not in said:
        return ""
    code, *lines = said["refused"] or ["?"]
    words = "\n".join(lines)
    try:
        message: Any = json.loads(words).get("message")
    except (ValueError, AttributeError):
        message = None
    return plain(message or f"the engine answered {code}: {words}", LINE_LIMIT)


# Awaited
# -------


@dataclass(frozen=True)
class _Seen:
    """What a manager says: the service (``None``: there is none), its tasks; known: its mark."""

    service: Service | None
    tasks: tuple[Task, ...]
    known: str


@dataclass(frozen=True)
class _NotSeen:
    problem: str


def _look(manager: Host, service: str, known: str) -> _Seen | _NotSeen:
    """A service and its tasks, as soon as they are not what is known, or after some seconds.

    A manager that gives no answer is asked again for a while: it may be the one that leads the
    others, or on its way up.
    """
    end = clock.now() + SILENT
    seconds = SECONDS if known else 0
    while True:
        outcome = quietly(manager, awaiting_news(service, known, seconds), timeout=SECONDS + 60)
        if outcome.done:
            try:
                return _seen(outcome.said)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                words = plain(f"{type(error).__name__}: {error}", LINE_LIMIT)
                return _NotSeen(f"{manager.name} gave an answer that is not understood ({words})")
        if clock.now() > end:
            return _NotSeen(f"{manager.name}: {outcome.problem}")
        pause(PAUSE)
        if outcome.silent:
            log_in_again(manager)


def _seen(said: Mapping[str, Sequence[str]]) -> _Seen:
    if "gone" in said:
        return _Seen(None, (), "")
    service = parse_service(json.loads("\n".join(said["service"])))
    return _Seen(service, parse_tasks("\n".join(said["tasks"])), "".join(said["known"]))


def _await(manager: Host, service: Service, asked: Asked) -> Ended:
    """How an update has ended; a rollback by the managers is awaited as well.

    They call a rollback completed where they have no task to replace, as where the one before has
    failed already: what they start in its place need not run yet.
    """
    ended = _to_its_end(manager, service, asked)
    match ended:
        case Ended(outcome=Failed(by="rolled back") as failed, seen=Service() as seen):
            if seen.update and seen.update.state == "rollback_started":
                return ended  # it has been waited for long enough
            return _back(manager, seen, failed)
    return ended


def _rolled_back(manager: Host, service: Service, since_version: int) -> Ended:
    """How an update has ended whose rollback was begun before anybody looked."""
    seen = _look(manager, service.id, "")
    if isinstance(seen, _NotSeen):
        return Ended(service.name, Unseen(seen.problem), seen=service)
    now = seen.service or service
    cause = cause_of_rollback(now, seen.tasks, since_version)
    return _back(manager, now, Failed("rolled back", _explained(manager, cause)))


def _back(manager: Host, service: Service, failed: Failed) -> Ended:
    """Await what a service had before its update has failed, and was rolled back."""
    progress(f"service {service.name}: {failed.sentence()}. What it had before is awaited")
    back = _to_its_end(manager, service, Asked.now(service.spec, service.version, clock.now()))
    return Ended(service.name, failed, back.outcome, back.seen)


def _to_its_end(manager: Host, service: Service, asked: Asked) -> Ended:
    known, told, troubles, last = "", "", {""}, service
    while True:
        seen = _look(manager, service.id, known)
        if isinstance(seen, _NotSeen):
            return Ended(service.name, Unseen(seen.problem), seen=last)
        if seen.service is None:
            gone = Failed("superseded", Cause("unknown", "the service is gone"))
            return Ended(service.name, gone)
        last, known, now = seen.service, seen.known, clock.now()
        asked = follow(asked, last, seen.tasks, now)
        verdict = judge(asked, last, seen.tasks, now)
        match verdict:
            case Waiting():
                if (said := verdict.sentence()) != told:
                    progress(f"service {service.name}: {said}")
                told = said
                if verdict.trouble not in troubles:
                    progress(
                        f"service {service.name}: a new task does not come up, and is tried again: "
                        f"{verdict.trouble}"
                    )
                    troubles.add(verdict.trouble)
                still_ours(waiting=True)
            case Failed():
                failed = Failed(verdict.by, _explained(manager, verdict.cause))
                return Ended(service.name, failed, seen=last)
            case Completed():
                return Ended(service.name, verdict, seen=last)


def _explained(manager: Host, cause: Cause) -> Cause:
    """The cause with its node's name and, of a program that has run, its last lines."""
    if not cause.task:
        return cause
    lines = LOG_LINES if cause.has_log else 0
    outcome = quietly(manager, explaining(cause.task, cause.node, lines), timeout=60)
    node = " ".join(outcome.said.get("node", []))
    return cause.with_log(repeated(outcome.said.get("log", [])) if cause.has_log else [], node)
