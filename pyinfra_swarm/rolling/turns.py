"""Whose turn it is, what is due in it, and the labels that remember when a rolling job began."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum
from typing import TYPE_CHECKING

from pyinfra_swarm.nodes.membership import Membership, Node, Observed, view
from pyinfra_swarm.rolling.jobs import Roll
from pyinfra_swarm.rolling.nodes import STAGES, entry, stage
from pyinfra_swarm.settings.labels import AVAILABILITY_BEFORE

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings


class Due(Enum):
    """What a node's turn consists of.

    WORK: it is drained, changed, proven and restored.
    RESTORE: an earlier run has changed it already; it is proven, restored, and what comes after
    that is done.
    CLEAN_UP: the job has completed, and only its label is left.
    """

    WORK = "work"
    RESTORE = "restore"
    CLEAN_UP = "clean up"


def due(roll: Roll, name: str, node: Node) -> Due | None:
    """What is due on a node; ``None`` where nothing is."""
    if name in roll.work:
        return Due.WORK
    if AVAILABILITY_BEFORE in node.labels:
        return Due.RESTORE
    return Due.CLEAN_UP if roll.since_label in node.labels and not roll.work else None


def order_of_turns(
    settings: Settings, observed: Observed, roll: Roll, among: Iterable[str]
) -> tuple[str, ...]:
    """The hosts that have a turn, in their order.

    among: those that this run may work on.
    """
    cluster = view(settings, observed)
    if cluster is None:
        return ()
    stages: dict[str, int] = {}
    for name in among:
        node = entry(settings, observed, cluster, name)
        if node is not None and due(roll, name, node):
            stages[name] = STAGES.index(stage(node))
    return tuple(sorted(stages, key=stages.__getitem__))  # within a stage in the declared order


def labels_to_set(roll: Roll, among: Sequence[str]) -> dict[str, str]:
    """The label that keeps when a job on all nodes began, for its first node to carry.

    A job on some hosts only keeps none: it would be taken for the beginning of one on all.
    """
    if not roll.since_label or roll.continued or not set(roll.work) <= set(among):
        return {}
    return {roll.since_label: str(int(roll.begun))}


def labelled(roll: Roll, cluster: Membership, name: str) -> list[Node]:
    """The nodes to take the job's label off, where this host's turn is the last one; else none."""
    if not roll.since_label or set(roll.work) - {name}:
        return []
    return [node for node in cluster.nodes or () if roll.since_label in node.labels]
