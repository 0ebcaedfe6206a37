"""Stacks as declared: what differs from what was deployed, and what is to be done about it.

A stack is deployed as a whole, by the engine's own command line; so whatever differs in it leads to
one deploy of that stack, and no other stack is touched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyinfra_swarm.run.findings import Change, Finding, Notice, Refusal
from pyinfra_swarm.run.printable import quoted
from pyinfra_swarm.services.service import Service
from pyinfra_swarm.stacks.fields import Difference, compose_differences, differences
from pyinfra_swarm.stacks.record import Record, with_declared_names
from pyinfra_swarm.stacks.rendering import Rendered
from pyinfra_swarm.stacks.seen import Seen


@dataclass(frozen=True, kw_only=True)
class DeployStack(Change):
    """A stack is deployed, by its name."""

    stack: str


@dataclass(frozen=True, kw_only=True)
class AwaitStack(Change):
    """A stack was deployed, and its services have not come to an end yet."""

    stack: str


@dataclass(frozen=True, kw_only=True)
class RemoveStack(Change):
    """A stack that is not declared is removed, by its name."""

    stack: str


MANY = 12
"""Differences of one stack that are told by field; of more, the others are counted."""


def has_changed(inputs: str, record: Record | None) -> bool:
    """Whether what is declared is not what was deployed last. inputs: a hash of it."""
    return record is None or bool(record.problem) or record.inputs != inputs


def needs_rendering(stack: str, inputs: str, seen: Seen) -> bool:
    """Whether what is declared has changed since the last deploy, so that it is rendered."""
    return has_changed(inputs, seen.records.get(stack))


def plan_stack(stack: str, inputs: str, seen: Seen, fresh: Rendered | None) -> list[Finding]:
    """What there is to do for a declared stack.

    inputs: a hash of what is declared; fresh: what that is rendered to, ``None`` where it was not
    asked for, or is not known yet.
    """
    record, services = seen.records.get(stack), seen.of(stack)
    title = f"stack {stack}"
    if record is None or record.problem:
        return [_without_a_record(stack, title, record, services)]
    if record.inputs != inputs:
        told = compose_differences(record.compose, fresh.compose) if fresh else []
        return _few(
            stack,
            [_of(stack, one, "is declared otherwise than it was deployed") for one in told],
        ) or [
            DeployStack(
                title, "its files or values have changed since it was deployed", stack=stack
            )
        ]
    return _few(stack, _by_hand(stack, record, services, seen)) or _unfinished(stack, services)


def _without_a_record(
    stack: str, title: str, record: Record | None, services: Mapping[str, Service]
) -> Finding:
    if record is not None:
        reason = f"the record of what was deployed cannot be read ({record.problem})"
    elif services:
        reason = (
            "has no record of a deploy that ended well (it was deployed by other means, or that "
            "deploy has failed): it is deployed from its files, and kept so from then"
        )
    else:
        reason = "is declared, and not deployed"
    found = f"{len(services)} services" if len(services) > 1 else ""
    return DeployStack(title, reason, expected="deployed", found=found, stack=stack)


def _by_hand(
    stack: str, record: Record, services: Mapping[str, Service], seen: Seen
) -> list[DeployStack]:
    found = []
    for name in sorted({*record.services, *services}):
        what = f"service {name}"
        if name not in services:
            found.append(
                DeployStack(what, f"is part of stack {stack}, and gone", "there", "", stack=stack)
            )
        elif name not in record.services:
            found.append(
                DeployStack(
                    what,
                    f"is labelled as part of stack {stack}, which does not declare it: the deploy "
                    "removes it",
                    stack=stack,
                )
            )
        else:
            found += [
                _of(stack, _with_network(one, seen), "was changed since the deploy", f"{name} ")
                for one in _changed(record, services[name], seen)
            ]
    return found


def _changed(record: Record, service: Service, seen: Seen) -> list[Difference]:
    return differences(
        record.services[service.name],
        with_declared_names(service, seen.ours),
        other_engine=record.engine != seen.engine,
    )


def ended_well(record: Record | None, service: Service, seen: Seen) -> bool:
    """Whether a service is what a deploy has left that ended well; record: of its stack."""
    known = record is not None and not record.problem and service.name in record.services
    return known and record is not None and not _changed(record, service, seen)


def _of(stack: str, one: Difference, reason: str, before: str = "") -> DeployStack:
    what = f"service {before}{one.field}" if before else f"stack {stack}: {one.field}"
    return DeployStack(what, reason, expected=one.expected, found=one.found, stack=stack)


def _with_network(one: Difference, seen: Seen) -> Difference:
    """The engine names a service's networks by their ids."""
    words = one.field.split(" ", 1)
    if words[0] != "network" or len(words) == 1:
        return one
    number, dot, rest = words[1].partition(".")
    name = seen.networks.get(number, number)
    return Difference(
        f"network {name}{dot}{rest}", _named(one.expected, seen), _named(one.found, seen)
    )


def _named(text: str, seen: Seen) -> str:
    return seen.networks.get(text, text)


def _few(stack: str, found: Sequence[DeployStack]) -> list[Finding]:
    if len(found) <= MANY:
        return list(found)
    rest = len(found) - MANY + 1
    more = DeployStack(f"stack {stack}", f"differs in {rest} more fields", stack=stack)
    return [*found[: MANY - 1], more]


def _unfinished(stack: str, services: Mapping[str, Service]) -> list[Finding]:
    """Services that are as declared, and whose last update has not ended, or not well."""
    found: list[Finding] = []
    for name, service in sorted(services.items()):
        state = service.update.state if service.update else ""
        if state in ("updating", "rollback_started"):
            found.append(
                AwaitStack(
                    f"service {name}", "its update has not ended", "completed", state, stack=stack
                )
            )
        elif state in ("paused", "rollback_paused"):
            found.append(
                DeployStack(
                    f"service {name}",
                    "its last update did not succeed, and waits half done",
                    "completed",
                    state,
                    stack=stack,
                )
            )
    return found


def undeclared(declared: Sequence[str], seen: Seen) -> list[Finding]:
    """Stacks that we have deployed and that nobody declares any more."""
    return [
        Notice(
            f"stack {stack}",
            "was deployed by this tool and is not declared any more: "
            + (
                "it goes on running" if seen.of(stack) else "nothing of it runs, its record is left"
            ),
            remedy="Declare it again, or remove it: `pyinfra inventory.py deploys/stacks.py --data "
            f"remove={quoted(stack)}`",
        )
        for stack in sorted(seen.records)
        if stack not in declared
    ]


def not_declared(stack: str, declared: Sequence[str]) -> Refusal:
    """A stack is to be deployed anew that nobody declares."""
    return Refusal(
        f"stack {stack}",
        "is not declared, so it is not deployed again",
        expected=f"one of {', '.join(declared)}" if declared else "",
    )


def plan_removal(stack: str, declared: Sequence[str], seen: Seen) -> list[Finding]:
    """The removal of a stack that its owner has asked for by name."""
    if stack in declared:
        return [
            Refusal(
                f"stack {stack}",
                "is declared: the next run would deploy it again",
                remedy="Take it out of [[stacks]] first",
            )
        ]
    if stack not in seen.records:
        ours = sorted(name for name in seen.records if name not in declared)
        reason = "was not deployed by this tool" if seen.of(stack) else "is no stack of this swarm"
        return [
            Refusal(
                f"stack {stack}",
                reason,
                expected=f"one of {', '.join(ours)}" if ours else "",
                remedy=f"`docker stack rm {quoted(stack)}` removes what others have deployed"
                if seen.of(stack)
                else "",
            )
        ]
    services = sorted(seen.of(stack))
    return [
        RemoveStack(
            f"stack {stack}",
            "is removed, as asked for" + (f": {', '.join(services)}" if services else ""),
            stack=stack,
        )
    ]
