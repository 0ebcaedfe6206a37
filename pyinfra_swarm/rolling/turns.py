"""Whose turn it is, and what is done in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pyinfra_swarm.nodes.membership import Membership, Node, Observed, view
from pyinfra_swarm.rolling.jobs import Roll
from pyinfra_swarm.rolling.nodes import STAGES, entry, stage
from pyinfra_swarm.settings.labels import AVAILABILITY_BEFORE

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings


def turns(
    settings: Settings, observed: Observed, roll: Roll, among: Iterable[str]
) -> tuple[str, ...]:
    """The hosts that have something to do, in their order.

    among: those that this run may work on.
    """
    cluster = view(settings, observed)
    if cluster is None:
        return ()
    stages: dict[str, int] = {}
    for name in among:
        node = entry(settings, observed, cluster, name)
        if node is not None and steps(roll, name, node):
            stages[name] = STAGES.index(stage(node))
    return tuple(sorted(stages, key=stages.__getitem__))  # within a stage in the declared order


def steps(roll: Roll, name: str, node: Node) -> tuple[str, ...]:
    """What is done on a node in its turn; nothing where nothing is left to do.

    A node that an earlier run has changed already is only looked at, and put back.
    """
    if name in roll.work:
        return ("drain", "leave", "change", "return", "prove", "restore")
    if AVAILABILITY_BEFORE in node.labels:
        return ("return", "prove", "restore")
    over = roll.mark in node.labels and not roll.work
    return ("forget",) if over else ()


def marks(roll: Roll, among: Sequence[str]) -> dict[str, str]:
    """The label that keeps when a roll over all has begun, for its first node to carry.

    A roll over some hosts only keeps none: it would be taken for the beginning of one over all.
    """
    if not roll.mark or roll.continued or not set(roll.work) <= set(among):
        return {}
    return {roll.mark: str(int(roll.begun))}


def bearers(roll: Roll, cluster: Membership, name: str) -> list[Node]:
    """The nodes that carry a roll's mark, where this host's turn is the last of it."""
    if not roll.mark or set(roll.work) - {name}:
        return []
    return [node for node in cluster.nodes or () if roll.mark in node.labels]
