"""The stages of a rolling job: four operations that every rolling job calls in this order."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import TYPE_CHECKING, Protocol, cast

from pyinfra_swarm.rolling.nodes import STAGES
from pyinfra_swarm.rolling.operations import Job, turn
from pyinfra_swarm.run.converge import Commands
from pyinfra_swarm.run.converge import job as job_operation

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings

_MEANING = {
    "unfinished": "Nodes that an earlier run has left unfinished.",
    "managers": "Managers, except the leader.",
    "leader": "The leader, and every manager that is still due: leadership may have moved.",
    "workers": "Workers.",
}

_LONGEST = 7200
"""Seconds that pyinfra gives a node's whole turn; each wait in it has its own, shorter limit."""


class Stage(Protocol):
    """An operation: the hosts whose nodes belong to one stage have their turns, one at a time."""

    def __call__(self, settings: Settings, *, name: str) -> object:
        """Call it from a deploy. name: the operation's title."""


def stages(job: Job) -> tuple[Stage, Stage, Stage, Stage]:
    """The four operations of a rolling job: unfinished nodes, managers, the leader, workers.

    Each is serial by itself: a node's turn begins when the one before it has ended.
    """
    unfinished, managers, leader, workers = (_stage(job, stage) for stage in STAGES)
    return unfinished, managers, leader, workers


def _stage(job: Job, stage: str) -> Stage:
    def in_turn(settings: Settings) -> Commands:
        yield from turn(settings, job, stage)

    in_turn.__doc__ = _MEANING[stage]
    in_turn.__module__, in_turn.__name__ = job.change.__module__, stage
    operation: Callable[..., object] = job_operation(job.name)(in_turn)

    def one_node_at_a_time(settings: Settings, *, name: str) -> object:
        return operation(settings, name=name, _serial=True, _timeout=_LONGEST)

    return cast(Stage, update_wrapper(one_node_at_a_time, operation))
