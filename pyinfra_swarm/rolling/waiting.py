"""When a node has gone, and when it is back."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from pyinfra_swarm.engine.versions import encrypt_alike
from pyinfra_swarm.nodes.membership import Membership, Node
from pyinfra_swarm.rolling.nodes import illness
from pyinfra_swarm.run.observation import Observation
from pyinfra_swarm.run.wording import listed


@dataclass(frozen=True)
class Replicas(Observation):
    """A service's tasks.

    wanted: how many are to run; running: how many do; stuck: how many no node may take, as where
    a placement constraint names a node that is drained.
    """

    name: str
    wanted: int
    running: int
    stuck: int


def company(cluster: Membership, node: Node) -> tuple[str, ...]:
    """The ids of the other nodes that are there."""
    others = [n for n in cluster.nodes or () if n.id != node.id]
    return tuple(n.id for n in others if not illness(n))


def missing(before: Iterable[Replicas], now: Iterable[Replicas]) -> list[str]:
    """Services that were whole before, and are not now, though some node could take their tasks."""
    whole = {service.name for service in before if service.running >= service.wanted}
    return [
        f"{service.name} ({service.running} of {service.wanted})"
        for service in now
        if service.name in whole and service.running + service.stuck < service.wanted
    ]


def interrupted(now: Iterable[Replicas]) -> list[str]:
    """Services with tasks that no node may take meanwhile."""
    return [service.name for service in now if service.stuck]


def absent(
    own: Membership | None,
    cluster: Membership | None,
    node_id: str,
    version: str,
    company: Collection[str] = (),
    *,
    ingress: bool = False,
) -> str:
    """What is missing until a node is back, in words; empty where it is.

    own: what the host says; cluster: what a manager says, ``None`` where none answers.
    version: the engine that is to run on it, "" for any; ingress: published ports have to answer.
    company: the ids of the nodes that were there when it left. A new leader does not know of them
    at first, and lists them as “unknown”, until they have turned to it.
    """
    if own is None:
        return "the host does not answer"
    if own.engine != "running":
        return f"its engine is {own.engine}"
    if own.state == "locked":
        return "it is locked since its engine was started: unlock it (`docker swarm unlock`)"
    if own.state != "active":
        return f"its engine says that its place in the swarm is “{own.state}”" + (
            f" ({own.error})" if own.error else ""
        )
    if cluster is None:
        return "no manager answers for the swarm"
    node = next((n for n in cluster.nodes or () if n.id == node_id), None)
    if node is None:
        return "the managers do not know it any longer"
    if node.state != "ready":
        return f"the managers say that it is {node.state}"
    if node.role == "manager" and node.reachability != "reachable":
        return "as a manager it is not reachable yet"
    if version and node.engine_version != version:
        return f"the managers see engine {node.engine_version} on it, not {version}"
    others = [n for n in cluster.nodes or () if n.id in company and (illness(n))]
    if others:
        return f"the managers say of others: {listed([illness(n) for n in others])}"
    if ingress and own.in_ingress is False:
        return "it has no end of the ingress network, so published ports do not answer there"
    return ""


def provable(cluster: Membership) -> bool:
    """Whether all nodes that are there could understand each other over encrypted networks."""
    versions = [node.engine_version for node in cluster.nodes or () if node.state == "ready"]
    return all(encrypt_alike(versions[0], version) for version in versions) if versions else False
