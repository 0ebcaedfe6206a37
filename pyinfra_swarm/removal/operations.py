"""Removes a node from the swarm, whether it is declared or not: ``--data host=NAME``.

Every operation runs on every host, in the same order, and looks again at what is there. The node's
own host does its part where it answers, else the acting manager does it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pyinfra_swarm.engine.api import API, LEAVE, THIS_ENGINE, WITHIN
from pyinfra_swarm.engine.operations import on
from pyinfra_swarm.floating_address.handing_on_operations import given_up, taken_off
from pyinfra_swarm.nodes import facts as swarm_facts
from pyinfra_swarm.nodes.observing import memberships
from pyinfra_swarm.nodes.programs import REMOVE_NODE, still_node, updated
from pyinfra_swarm.nodes.steps import Step, steps
from pyinfra_swarm.removal.plan import (
    plan_clearing,
    plan_demotion,
    plan_drain,
    plan_emptying,
    plan_leaving,
    plan_margin,
    plan_removal,
    plan_successor,
    plan_undeclaring,
)
from pyinfra_swarm.removal.steps import AwaitEmpty, Leave, RemoveEntry
from pyinfra_swarm.removal.target import Target, find
from pyinfra_swarm.run.confirmation import Proposal, confirmed
from pyinfra_swarm.run.converge import (
    Commands,
    current_host,
    fail,
    given,
    job,
    observe_on,
    only_on,
    progress,
    report,
    script,
)
from pyinfra_swarm.run.findings import Finding, Refusal, refusals
from pyinfra_swarm.run.limit import left_out
from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.run.printable import quoted
from pyinfra_swarm.run.shell import with_values
from pyinfra_swarm.swarm.labels import SetAvailability
from pyinfra_swarm.swarm.roles import Demote
from pyinfra_swarm.swarm.roles_operations import AWAIT_WORKER, demote

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings


EMPTY_WITHIN = 300
"""Seconds that a node's tasks have to end."""

DOWN_WITHIN = 120
"""Seconds that the owner has to make a host leave that cannot be reached."""


def wait_until_empty(node: str, seconds: int) -> str:
    """Shell, for a manager: wait until no task of the swarm runs on a node, by id."""
    values = {"node": node, "seconds": str(seconds)}
    return program(__file__, "wait_until_empty.sh", using=[THIS_ENGINE, WITHIN], **values)


def wait_until_down(node: str, name: str, seconds: int) -> str:
    """Shell, for a manager: wait until a node, by id, is down. name: for the message."""
    values = {"node": node, "name": name, "seconds": str(seconds)}
    return program(__file__, "wait_until_down.sh", using=[THIS_ENGINE, WITHIN], **values)


@job("removal")
def planned(settings: Settings) -> Commands:
    """Shows all steps of a removal, or why it is not begun, and asks the owner to confirm it."""
    confirmed(lambda: _whole(settings, _after_removal))
    yield from ()


@job("removal")
def planned_replacement(settings: Settings) -> Commands:
    """The same for a replacement: the old node is removed, and the site joins the new one."""
    confirmed(lambda: _whole(settings, _after_replacement))
    yield from ()


def _after_removal(settings: Settings, target: Target) -> list[Finding]:
    return [*plan_margin(target), *plan_undeclaring(settings, target)]


def _after_replacement(settings: Settings, target: Target) -> list[Finding]:
    if target.host is None:
        return [
            Refusal(
                "host",
                f"{target.name} is not declared, so nothing would take its place",
                expected=f"one of {', '.join(host.name for host in settings.hosts)}",
                remedy="To remove it: `pyinfra inventory.py deploys/remove.py --data "
                f"host={quoted(target.name)}`",
            )
        ]
    return [*plan_margin(target), *plan_successor(target)]


@job("removal")
def drained(settings: Settings) -> Commands:
    """The node gets no more tasks, and those on it move."""
    target = _target(settings)
    for step in _steps(target, plan_drain(target)):
        assert isinstance(step, SetAvailability)
        assert target.alive is not None  # else there is nothing to drain
        if target.host is not None and target.own is not None:
            yield from given_up(settings, target.host.name)
        text = updated(target.alive.id, ["--availability", step.availability])
        yield on(target.ask, text, "draining it")


@job("removal")
def emptied(settings: Settings) -> Commands:
    """The node's tasks have ended."""
    target = _target(settings)
    for step in _steps(target, plan_emptying(target, _tasks(target))):
        assert isinstance(step, AwaitEmpty)
        progress(f"waiting until no task of the swarm runs on {target.name} any more")
        text = wait_until_empty(step.node, EMPTY_WITHIN)
        yield on(target.ask, text, "waiting for its tasks to end", timeout=EMPTY_WITHIN + 30)


@job("removal")
def demoted(settings: Settings) -> Commands:
    """The node is no manager: the others keep their quorum without it."""
    target = _target(settings)
    for step in _steps(target, plan_demotion(target)):
        assert isinstance(step, Demote)
        progress(f"{target.name} {step.reason}")
        yield from demote(step.node, step.on, itself=False)
        if target.own is not None and target.own.node == step.node:
            yield on(current_host().name, AWAIT_WORKER, "waiting until it is a worker", timeout=120)


@job("removal")
def left(settings: Settings) -> Commands:
    """The node's own engine is in no swarm."""
    target = _target(settings)
    for step in _steps(target, plan_leaving(target)):
        assert isinstance(step, Leave)
        if any(node.votes for node in target.nodes):
            yield fail(f"{target.name} is still a manager, so it does not leave")
        elif step.by_hand:
            living = target.nodes[-1]
            progress(f"waiting two minutes: type `docker swarm leave` on it ({living.address})")
            text = wait_until_down(living.id, target.name, DOWN_WITHIN)
            yield on(target.ask, text, "waiting for it to leave", timeout=DOWN_WITHIN + 30)
        else:
            assert target.own is not None  # else it is not reached
            yield from given_up(settings)  # it may have been drained before, by hand
            yield from taken_off(settings)
            yield script(f"{API}{still_node(target.own.node)}api -X POST {LEAVE}")


@job("removal")
def cleared(settings: Settings) -> Commands:
    """The node is not in the managers' list any more."""
    target = _target(settings)
    for step in _steps(target, plan_clearing(target)):
        assert isinstance(step, RemoveEntry)
        remove = with_values(f'{REMOVE_NODE}remove_node "$node"', node=step.node)
        yield on(target.ask, remove, "removing its entry", timeout=120)


def _target(settings: Settings) -> Target:
    """The node that goes. Where that is not clear, it is refused on every host."""
    found = find(settings, memberships(), given("host") or "")
    if isinstance(found, Refusal):
        report("removal", [found])
        raise AssertionError("a refusal ends the operation")
    return found


def _whole(
    settings: Settings, afterwards: Callable[[Settings, Target], list[Finding]]
) -> Proposal[None]:
    """All that is to be done, and what comes after it; a refusal stops all hosts."""
    target = _target(settings)
    tasks = _tasks(target)
    found = plan_removal(settings, memberships(), target, tasks)
    after = afterwards(settings, target)
    refused: list[Finding] = [*refusals(found), *refusals(after)]
    if steps(found) and not refused:
        refused = left_out([target.by], "the host in whose name this is done")
    if refused or not steps(found):
        return Proposal("removal", refused, None)
    moves = ""
    if tasks:
        moves = f"; its {'task ends' if len(tasks) == 1 else f'{len(tasks)} tasks end'} there"
    return Proposal(
        "removal",
        only_on(target.by, after),
        None,
        target.name,
        f"{target.name} leaves the swarm{moves}",
        whole=found,
    )


def _tasks(target: Target) -> tuple[str, ...]:
    if target.alive is None or not target.ask:
        return ()
    return observe_on(target.ask, swarm_facts.Tasks, node=target.alive.id)


def _steps(target: Target, findings: list[Finding]) -> list[Step]:
    found = only_on(target.by, findings)
    report("removal", found)
    return steps(found)
