"""A new root CA: ``pyinfra inventory.py deploys/rotate_ca.py``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pyinfra_swarm.engine.operations import on
from pyinfra_swarm.keys.root_ca import (
    AwaitRotation,
    RotateRootCA,
    pending,
    plan_ca_rotation,
    progress_of,
)
from pyinfra_swarm.keys.swarm_update import UPDATE
from pyinfra_swarm.nodes.facts import State
from pyinfra_swarm.nodes.membership import Membership, acting_manager, view
from pyinfra_swarm.nodes.observing import acting_left_out
from pyinfra_swarm.run import clock
from pyinfra_swarm.run.context import this_run
from pyinfra_swarm.run.converge import (
    Commands,
    Unobserved,
    fail,
    forget_observations,
    job,
    observe_all,
    observe_on,
    pause,
    progress,
    report,
    this_host,
)
from pyinfra_swarm.run.findings import changes
from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.run.wording import listed

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings


PATIENCE = 300
"""Seconds that a rotation may go on without another node that has its new certificate."""


@job("swarm")
def rotated(settings: Settings) -> Commands:
    """The swarm's root CA replaced, every node with a certificate of the new one.

    Every run replaces it, unless a replacement is under way: then the end of that one is awaited.
    If a run is interrupted, the swarm completes the replacement; the next run waits for it.

    **Example:**

    .. code:: python

        root_ca.rotated(load(), name="Swarm: a new root CA")
    """
    me = this_host(settings)
    observed = observe_all(State)
    awaited = _awaited(settings, observed)
    plan = plan_ca_rotation(settings, observed, me, awaited=awaited)
    findings = acting_left_out(settings, observed) or plan
    report("swarm", findings)
    for change in changes(findings):
        match change:
            case RotateRootCA():
                begin = program(__file__, "rotate_root_ca.sh", using=[UPDATE])
                yield on(me.name, begin, "replacing the root CA")
            case AwaitRotation():
                yield on(me.name, "true", "awaiting the root CA's replacement")
        yield from _await_end(settings, me.name)


def _await_end(settings: Settings, acting: str) -> Commands:
    last, deadline = "", clock.now() + PATIENCE
    while True:
        cluster = _now(settings, acting)
        if cluster is not None and cluster.spec and not cluster.spec.rotating:
            progress(f"root CA: replaced; {progress_of(cluster)}")
            return
        said = progress_of(cluster) if cluster else "no manager answers at this moment"
        if said != last:
            progress(f"root CA: {said}")
            last, deadline = said, clock.now() + PATIENCE
        if clock.now() > deadline:
            behind = [node.hostname for node in pending(cluster)] if cluster else []
            yield fail(
                f"root CA: after {PATIENCE} s the replacement has not ended ({said}"
                + (f"; without: {listed(behind)}" if behind else "")
                + "). Both the old and the new one are trusted until then. It goes on; run again "
                "to wait for its end"
            )
            return
        pause(2)


@dataclass
class _Rotations:
    """What this run has found under way: the ids of swarms whose root CA was being replaced."""

    found: set[str] = field(default_factory=set)


def _awaited(settings: Settings, observed: Mapping[str, Membership | None]) -> bool:
    """Whether this run has found a rotation under way: it may end between the plan and the act."""
    rotations = this_run(_Rotations)
    cluster = view(settings, observed)
    if cluster is not None and cluster.spec is not None and cluster.spec.rotating:
        rotations.found.add(cluster.cluster)
    return cluster is not None and cluster.cluster in rotations.found


def _now(settings: Settings, acting: str) -> Membership | None:
    """The swarm at this moment; managers break their connections when their certificate changes."""
    forget_observations()
    try:
        said = observe_on(acting, State)
    except Unobserved:
        said = None
    if said is not None and said.controls:
        return said
    observed = observe_all(State)
    return view(settings, observed) if acting_manager(settings, observed) else None
