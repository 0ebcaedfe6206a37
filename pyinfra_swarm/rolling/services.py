"""Whether services have all their replicas: compared with what they had before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

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


def incomplete(before: Iterable[Replicas], now: Iterable[Replicas]) -> list[str]:
    """Services that had all their replicas before and lack some now that a node could run.

    Each with its numbers, as ``web (2 of 3)``.
    """
    complete = {service.name for service in before if service.running >= service.wanted}
    return [
        f"{service.name} ({service.running} of {service.wanted})"
        for service in now
        if service.name in complete and service.running + service.stuck < service.wanted
    ]


def without_a_node(now: Iterable[Replicas]) -> list[str]:
    """Services with tasks that no node may run at the moment, by name."""
    return [service.name for service in now if service.stuck]
