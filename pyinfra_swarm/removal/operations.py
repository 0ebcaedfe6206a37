"""A node taken out of the swarm, wherever it is declared: drained, empty, a worker, gone.

``--data host=NAME`` says which. Every operation runs on every host, in the same order, and looks
anew at what is there; the node's own host does its part where it answers, else the manager that
acts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pyinfra_swarm.engine.api import API, LEAVE, UNLESS_GONE, WITHIN, on, still_node, updated
from pyinfra_swarm.nodes import facts as swarm_facts
from pyinfra_swarm.nodes.observing import memberships
from pyinfra_swarm.nodes.steps import Demote, Leave, RemoveEntry, Step, steps
from pyinfra_swarm.removal.plan import (
    Target,
    farewell,
    find,
    margins,
    plan_clearing,
    plan_demotion,
    plan_drain,
    plan_emptying,
    plan_leaving,
    plan_removal,
    welcome,
)
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
from pyinfra_swarm.run.printable import quoted
from pyinfra_swarm.run.shell import with_values
from pyinfra_swarm.swarm.operations import IS_WORKER, demote

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings


@job("removal")
def planned(settings: Settings) -> Commands:
    """The whole of a removal, or why it is not begun, and the owner's word for it.

    + settings: the cluster's settings.
    """
    confirmed(lambda: _whole(settings, _after_removal))
    yield from ()


@job("removal")
def planned_replacement(settings: Settings) -> Commands:
    """The whole of a replacement: the old one out; the site lets the new one in.

    + settings: the cluster's settings.
    """
    confirmed(lambda: _whole(settings, _after_replacement))
    yield from ()


def _after_removal(settings: Settings, target: Target) -> list[Finding]:
    return [*margins(settings, target), *farewell(settings, target)]


def _after_replacement(settings: Settings, target: Target) -> list[Finding]:
    if target.host is None:
        return [
            Refusal(
                "host",
                f"{target.name} is not declared, so nothing would take its place",
                expected=f"one of {', '.join(host.name for host in settings.hosts)}",
                remedy="To take it out: `pyinfra inventory.py deploys/remove.py --data "
                f"host={quoted(target.name)}`",
            )
        ]
    return [*margins(settings, target), *welcome(target)]


@job("removal")
def drained(settings: Settings) -> Commands:
    """The node gets no more tasks, and those on it move.

    + settings: the cluster's settings.
    """
    target = _target(settings)
    for _ in _steps(target, plan_drain(target)):
        assert target.alive is not None  # else there is nothing to drain
        text = updated(target.alive.id, ["--availability", "drain"])
        yield on(target.ask, text, "draining it")


@job("removal")
def emptied(settings: Settings) -> Commands:
    """The node's tasks have ended.

    + settings: the cluster's settings.
    """
    target = _target(settings)
    for _ in _steps(target, plan_emptying(target, _tasks(target))):
        assert target.alive is not None  # else there is nothing to wait for
        progress(f"waiting until nothing of the swarm's runs on {target.name} any more")
        text = with_values(_EMPTY, node=target.alive.id)
        yield on(target.ask, text, "waiting for its tasks to end", timeout=330)


_EMPTY = (
    WITHIN
    + """\
running() {
  said=$(docker node ps --format '{{.CurrentState}}|{{.Name}}' "$node" 2>&1) ||
    { echo "what the managers do not say ($said)"; return; }
  printf '%s\n' "$said" |
    grep -E '^(New|Pending|Assigned|Accepted|Preparing|Ready|Starting|Running)' | cut -d '|' -f 2
}
empty() { left=$(running); [ -z "$left" ]; }
within 300 empty || {
  echo "these have not ended after 300 s:" $left. It is drained and nothing else was changed. \
    "Look at their stop_grace_period, end them, and run again" >&2; exit 1; }
"""
)


@job("removal")
def demoted(settings: Settings) -> Commands:
    """The node is no manager: the others keep their quorum without it.

    + settings: the cluster's settings.
    """
    target = _target(settings)
    for step in _steps(target, plan_demotion(target)):
        assert isinstance(step, Demote)
        progress(f"{target.name} {step.reason}")
        yield from demote(step.node, step.on, itself=False)
        if target.own is not None and target.own.node == step.node:
            yield on(current_host().name, IS_WORKER, "waiting until it is a worker", timeout=120)


@job("removal")
def left(settings: Settings) -> Commands:
    """The node's own engine is in no swarm.

    + settings: the cluster's settings.
    """
    target = _target(settings)
    for step in _steps(target, plan_leaving(target)):
        assert isinstance(step, Leave)
        if any(node.votes for node in target.nodes):
            yield fail(f"{target.name} is still a manager, so it does not leave")
        elif step.by_hand:
            living = target.nodes[-1]
            progress(f"waiting two minutes: type `docker swarm leave` on it ({living.address})")
            text = with_values(_DOWN, node=living.id, name=target.name)
            yield on(target.ask, text, "waiting for it to leave", timeout=150)
        else:
            assert target.own is not None  # else it is not reached
            yield script(f"{API}{still_node(target.own.node)}api -X POST {LEAVE}")


_DOWN = (
    WITHIN
    + """\
is_down() { [ "$(docker node inspect --format '{{.Status.State}}' "$node")" = down ]; }
within 120 is_down || {
  echo "$name is drained, and no manager, and still up. Type “docker swarm leave” on it, or" \
    "pull its plug, and run this again" >&2; exit 1; }
"""
)


@job("removal")
def cleared(settings: Settings) -> Commands:
    """The node is not in the managers' list any more.

    + settings: the cluster's settings.
    """
    target = _target(settings)
    for step in _steps(target, plan_clearing(target)):
        assert isinstance(step, RemoveEntry)
        remove = with_values(f'{UNLESS_GONE}remove_node "$node"', node=step.node)
        yield on(target.ask, remove, "removing its entry", timeout=120)


# Helpers
# -------


def _target(settings: Settings) -> Target:
    """Who goes; raises, told, on every host where that is not clear."""
    found = find(settings, memberships(), given("host") or "")
    if isinstance(found, Refusal):
        report("removal", [found])
        raise AssertionError("a refusal ends the operation")
    return found


def _whole(
    settings: Settings, afterwards: Callable[[Settings, Target], list[Finding]]
) -> Proposal[None]:
    """All that is to be done, and what comes after it; a refusal stops every host."""
    target = _target(settings)
    tasks = _tasks(target)
    found = plan_removal(settings, memberships(), target, tasks)
    after = afterwards(settings, target)
    refused: list[Finding] = [*refusals(found), *refusals(after)]
    if steps(found) and not refused:
        refused = left_out([target.by], "the host in whose name this is done")
    if refused or not steps(found):
        return Proposal("removal", refused, None)
    moves = f"; its {len(tasks)} task{'s' * (len(tasks) != 1)} end there" if tasks else ""
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
