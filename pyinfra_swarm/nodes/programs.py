"""Programs about a node of the swarm, that more than one room runs on hosts.

Shell, for scripts of other rooms; the files in ``onhost/`` say what each function does.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from pyinfra_swarm.engine.api import API, THIS_ENGINE, WITHIN
from pyinfra_swarm.run.onhost import program

REMOVE_NODE = THIS_ENGINE + WITHIN + program(__file__, "remove_node.sh")
"""Shell: ``unless_gone`` and ``remove_node``, and ``within``."""

UPDATE_NODE = API + program(__file__, "update_node.sh")
"""Shell: ``update_node`` and ``node_is_reachable``, and ``api``."""

_DOCKER_NODE_UPDATE = program(__file__, "docker_node_update.sh", using=[THIS_ENGINE])


def still_node(node: str) -> str:
    """Shell that ends where this engine is no longer the node, by id, that is meant."""
    return program(__file__, "still_node.sh", using=[THIS_ENGINE], node=node)


def updated(node: str, options: Sequence[str]) -> str:
    """Shell for a manager: ``docker node update`` with these options for a node, by id."""
    return f"{_DOCKER_NODE_UPDATE}docker_node_update {shlex.join([node, *options])}\n"


def updating(options: Sequence[str]) -> str:
    """Shell: the same for the node whose id is in the shell's ``$node``."""
    return f'{_DOCKER_NODE_UPDATE}docker_node_update "$node" {shlex.join(options)}\n'
