"""The nodes that rolling work is about, and the labels that it leaves on them meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pyinfra_swarm.nodes.identity import node_at, node_of
from pyinfra_swarm.nodes.membership import Membership, Node, Observed
from pyinfra_swarm.settings.labels import AVAILABILITY_BEFORE

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings

STAGES = ("unfinished", "managers", "leader", "workers")
"""Who comes after whom: nodes that an earlier run has left half-way, and then by their part."""


def entry(settings: Settings, observed: Observed, cluster: Membership, name: str) -> Node | None:
    """A host's node; by its address where its engine does not run, or is locked, and so cannot say.

    A host whose engine runs and is in no swarm has none.
    """
    own = observed.get(name)
    if own is not None and own.engine == "running" and own.state != "locked":
        return node_of(settings, observed, cluster, name)
    return node_at(settings, cluster, name)


def stage(node: Node) -> str:
    """The stage in which a node has its turn."""
    if AVAILABILITY_BEFORE in node.labels:
        return "unfinished"
    if node.role == "worker":
        return "workers"
    return "leader" if node.leader else "managers"


def illness(node: Node) -> str:
    """What keeps a node from being there, in words; empty where nothing does."""
    if node.state != "ready":
        return f"{node.hostname} is {node.state}"
    if node.role == "manager" and node.reachability != "reachable":
        return f"{node.hostname} is a manager that is not reachable"
    return ""


def drained(node: Node, marks: Mapping[str, str]) -> list[str]:
    """Options of ``docker node update`` that drain a node and keep what it was, in one update.

    marks: further labels to set with it.
    """
    kept = {} if AVAILABILITY_BEFORE in node.labels else {AVAILABILITY_BEFORE: node.availability}
    labels = {**kept, **marks}
    return ["--availability", "drain"] + [
        word for key, value in sorted(labels.items()) for word in ("--label-add", f"{key}={value}")
    ]


def restored(node: Node, removed: Sequence[str] = ()) -> list[str]:
    """Options that give a node back the availability it had, in one update.

    removed: further labels to take off with it.
    """
    keys = [key for key in (AVAILABILITY_BEFORE, *removed) if key in node.labels]
    return ["--availability", node.labels.get(AVAILABILITY_BEFORE, node.availability)] + [
        word for key in keys for word in ("--label-rm", key)
    ]
