"""The nodes that a rolling job works on, and the stage in which each has its turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_swarm.nodes.identity import node_at, node_of
from pyinfra_swarm.nodes.membership import Membership, Node, Observed
from pyinfra_swarm.settings.labels import AVAILABILITY_BEFORE

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings

STAGES = ("unfinished", "managers", "leader", "workers")
"""The order of turns: nodes that an earlier run has left unfinished come first."""


def entry(settings: Settings, observed: Observed, cluster: Membership, name: str) -> Node | None:
    """A host's node; found by its address where its engine is stopped or locked, and cannot say.

    A host whose engine runs and is in no swarm has none.
    """
    own = observed.get(name)
    if own is not None and own.engine == "running" and own.state != "locked":
        return node_of(settings, observed, cluster, name)
    return node_at(settings, cluster, name)


def stage(node: Node) -> str:
    """The stage in which a node has its turn: one of :data:`STAGES`."""
    if AVAILABILITY_BEFORE in node.labels:
        return "unfinished"
    if node.role == "worker":
        return "workers"
    return "leader" if node.leader else "managers"


def in_stage(now: str, node: Node | None, *, answered: bool, executing: bool) -> bool:
    """Whether a host is dealt with in this stage.

    node: the host's; ``None`` where it has none. Such a host reports in the first stage what there
    is to report; where no manager has answered (answered), in each.
    executing: the turns are taken now, so leadership may have moved since the managers had theirs,
    and the leader's stage takes every manager that is still due.
    """
    if node is None:
        return now == STAGES[0] or not answered
    own = stage(node)
    return own == now or (executing and (now, own) == ("leader", "managers"))
