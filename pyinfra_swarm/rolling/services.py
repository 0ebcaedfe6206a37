"""Whether services have all their replicas: compared with what they had before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from pyinfra_swarm.run.observation import Observation


@dataclass(frozen=True)
class Replicas(Observation):
    """A service's replicas.

    wanted: how many tasks are to run; running: how many do; stuck: how many no node may run,
    as where a placement constraint names a node that is drained.
    """

    name: str
    wanted: int
    running: int
    stuck: int


def incomplete(
    before: Iterable[Replicas], now: Iterable[Replicas], *, restored: bool = False
) -> list[str]:
    """Services that had their replicas before, and lack some now that a node could run.

    Each with its numbers, as ``web (2 of 3)``. before: where an earlier run has drained the node,
    what no node could run then was perhaps this node's, and counts as there. restored: the node may
    run tasks again, so no more tasks may be without a node than were before.
    """
    then = {one.name: one for one in before if one.running + one.stuck >= one.wanted}
    found = []
    for service in now:
        if service.name not in then:
            continue
        excused = min(service.stuck, then[service.name].stuck) if restored else service.stuck
        if service.running + excused < service.wanted:
            found.append(f"{service.name} ({service.running} of {service.wanted})")
    return found


def as_if_complete(services: Iterable[Replicas]) -> tuple[Replicas, ...]:
    """The services with all their replicas, but for tasks that no node may run."""
    return tuple(replace(one, running=one.wanted - one.stuck) for one in services)


def without_a_node(now: Iterable[Replicas]) -> list[str]:
    """Services with tasks that no node may run at the moment, by name."""
    return [service.name for service in now if service.stuck]
