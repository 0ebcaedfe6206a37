"""Programs about a node of the swarm, that more than one room runs on hosts.

Shell, for scripts of other rooms; the files in ``onhost/`` say what each function does.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from pyinfra_swarm.engine.api import API, WITHIN
from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.run.shell import with_values

REMOVE_NODE = WITHIN + program(__file__, "remove_node.sh")
"""Shell: ``unless_gone`` and ``remove_node``, and ``within``."""

UPDATE_NODE = API + program(__file__, "update_node.sh")
"""Shell: ``update_node`` and ``node_is_reachable``, and ``api``."""


def still_node(node: str) -> str:
    """Shell that ends where this engine is no longer the node, by id, that is meant."""
    return program(__file__, "still_node.sh", node=node)


def updated(node: str, options: Sequence[str]) -> str:
    """Shell: ``docker node update`` with these options for a node, by id."""
    return with_values(updating(options), node=node)


def updating(options: Sequence[str]) -> str:
    """Shell: the same for the node whose id is in the shell's ``$node``.

    Tried for some seconds: the managers may write of a node as well, between the command's reading
    and its writing, and for a moment there may be no leader.
    """
    return f"""\
i=0
until said=$(docker node update {shlex.join(options)} "$node" 2>&1); do
  i=$((i + 1)); [ $i -lt 10 ] || {{ echo "$said" >&2; exit 1; }}
  sleep 0.5
done"""
