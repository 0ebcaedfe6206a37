"""The steps of a removal that the swarm's own plan does not have."""

from __future__ import annotations

from dataclasses import dataclass

from pyinfra_swarm.nodes.steps import Step


@dataclass(frozen=True, kw_only=True)
class AwaitEmpty(Step):
    """A drained node's tasks are waited for until they have ended."""

    node: str


@dataclass(frozen=True, kw_only=True)
class Leave(Step):
    """This host leaves the swarm. by_hand: it cannot be reached; its owner has to type it there."""

    by_hand: bool = False


@dataclass(frozen=True, kw_only=True)
class RemoveEntry(Step):
    """A node's entry, by id, is taken off the list when the node is down."""

    node: str
