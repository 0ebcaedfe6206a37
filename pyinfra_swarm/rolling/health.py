"""The health of nodes: what is wrong with one, and when one that was away is back."""

from __future__ import annotations

from collections.abc import Collection

from pyinfra_swarm.engine.versions import encrypt_alike
from pyinfra_swarm.nodes.membership import Membership, Node
from pyinfra_swarm.run.wording import listed


def unhealthy(node: Node) -> str:
    """What is wrong with a node, as a sentence with its name; empty where nothing is."""
    if node.state != "ready":
        return f"{node.hostname} is {node.state}"
    if node.role == "manager" and node.reachability != "reachable":
        return f"{node.hostname} is a manager that is not reachable"
    return ""


def healthy_peers(cluster: Membership, node: Node) -> tuple[str, ...]:
    """The ids of the other nodes that are healthy."""
    others = [other for other in cluster.nodes or () if other.id != node.id]
    return tuple(other.id for other in others if not unhealthy(other))


def not_back(
    own: Membership | None,
    cluster: Membership | None,
    node_id: str,
    version: str,
    peers: Collection[str] = (),
    *,
    ingress: bool = False,
) -> str:
    """Why a node is not back in the swarm yet, in words; empty where it is.

    own: what the host says; cluster: what a manager says, ``None`` where none answers.
    version: the engine that has to run on it, "" for any; ingress: published ports have to respond.
    peers: the ids of the nodes that were healthy when it left. A new leader does not know of them
    at first, and lists them as “unknown” until they have reconnected to it.
    """
    if own is None:
        return "the host does not answer"
    if own.engine != "running":
        return f"its engine is {own.engine}"
    if own.state == "locked":
        return "it has been locked since its engine started: unlock it (`docker swarm unlock`)"
    if own.state != "active":
        return f"its engine says that its place in the swarm is “{own.state}”" + (
            f" ({own.error})" if own.error else ""
        )
    if cluster is None:
        return "no manager answers for the swarm"
    node = next((n for n in cluster.nodes or () if n.id == node_id), None)
    if node is None:
        return "the managers do not list it any more"
    if node.state != "ready":
        return f"the managers say that it is {node.state}"
    if node.role == "manager" and node.reachability != "reachable":
        return "as a manager it is not reachable yet"
    if version and node.engine_version != version:
        return f"the managers see engine {node.engine_version} on it, not {version}"
    problems = [unhealthy(other) for other in cluster.nodes or () if other.id in peers]
    if problems := [problem for problem in problems if problem]:
        return f"the managers say of other nodes: {listed(problems)}"
    if ingress and own.in_ingress is False:
        return "it is not attached to the ingress network, so published ports do not respond there"
    return ""


def provable(cluster: Membership) -> bool:
    """Whether all nodes that are ready could understand each other over encrypted networks."""
    versions = [node.engine_version for node in cluster.nodes or () if node.state == "ready"]
    return all(encrypt_alike(versions[0], version) for version in versions) if versions else False
