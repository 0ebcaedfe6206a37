"""A node's availability while it is worked on: drained, and restored later.

The previous availability is kept in a label of the node, which is set in the same update that
drains it: either both are there or neither, wherever a run is interrupted. The label outlasts the
restoring: it goes when its turn has ended, so what comes after that is resumed as well.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyinfra_swarm.nodes.membership import Node
from pyinfra_swarm.settings.labels import AVAILABILITY_BEFORE


def drained(node: Node, labels: Mapping[str, str]) -> list[str]:
    """Options of ``docker node update`` that drain a node and keep its previous availability.

    labels: further labels to set with it.
    """
    kept = {} if AVAILABILITY_BEFORE in node.labels else {AVAILABILITY_BEFORE: node.availability}
    return ["--availability", "drain"] + [
        word
        for key, value in sorted({**kept, **labels}.items())
        for word in ("--label-add", f"{key}={value}")
    ]


def restored(node: Node) -> list[str]:
    """Options that restore a node's previous availability; the label that keeps it stays."""
    return ["--availability", node.labels.get(AVAILABILITY_BEFORE, node.availability)]


def finished(node: Node) -> list[str]:
    """Options that remove the label, once nothing is left to do; none where there is no label."""
    return ["--label-rm", AVAILABILITY_BEFORE] if AVAILABILITY_BEFORE in node.labels else []


def is_restored(node: Node) -> bool:
    """Whether an unfinished node takes tasks again, so that only the end of its turn is left."""
    return node.availability != "drain"
