"""Roles: workers that are declared managers are promoted, the others demoted, never below quorum.

Source: Docker's administration guide for swarm (quorum, fixed addresses).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyinfra_swarm.nodes.identity import node_at, node_of
from pyinfra_swarm.nodes.membership import Membership, Node, Observed, controlling, view
from pyinfra_swarm.nodes.quorum import BRING_BACK, Quorum, majority
from pyinfra_swarm.nodes.steps import Step
from pyinfra_swarm.run.findings import Finding, Refusal
from pyinfra_swarm.run.wording import listed

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Host, Settings


@dataclass(frozen=True, kw_only=True)
class Promote(Step):
    """This node, by id, becomes a manager that is reachable; "": the one it will be."""

    node: str


@dataclass(frozen=True, kw_only=True)
class Demote(Step):
    """This node, by id, becomes a worker.

    on: the host whose engine is asked: another one, where there is one.
    leader: it is the leader, so another manager has to take over.
    """

    node: str
    on: str
    leader: bool


def plan_promotion(settings: Settings, observed: Observed, host: Host) -> list[Finding]:
    """A declared manager that is a worker is promoted, never below quorum."""
    own = observed.get(host.name)
    cluster = view(settings, observed)
    if own is None or not host.is_manager:
        return []
    node = node_of(settings, observed, cluster, host.name) if cluster else None
    if cluster is None or node is None:
        # Only while nothing is known of the swarm that it will be in.
        return [] if own.in_swarm else [_promotion("joins as a worker", "")]
    if node.role == "worker":
        return _safe_promotion(cluster, node) or [_promotion("worker", node.id)]
    if node.reachability == "":
        return [_promotion("manager, not reachable yet", node.id)]
    return []


def _promotion(found: str, node: str) -> Promote:
    return Promote("role", "is declared a manager", expected="manager", found=found, node=node)


def _safe_promotion(cluster: Membership, node: Node) -> list[Finding]:
    if node.state != "ready":
        return [
            Refusal(
                "role",
                f"is not promoted: the node is {node.state}, and a manager that does not answer "
                "weakens the quorum",
                remedy="Bring it back, and run again",
            )
        ]
    if problem := Quorum.of(cluster).forbids_promotion(node.id):
        return [Refusal("role", f"is not promoted: {problem}", remedy=BRING_BACK)]
    return []


def plan_demotion(
    settings: Settings, observed: Observed, host: Host, *, leader: bool
) -> list[Finding]:
    """A manager that is declared a worker is demoted, never below quorum, and the leader last.

    leader: it is the turn of the leader and of all that are left; else of all but the leader.
    """
    cluster = view(settings, observed)
    node = node_of(settings, observed, cluster, host.name) if cluster else None
    if cluster is None or node is None or host.is_manager or not node.votes:
        return []
    if node.leader and not leader:
        return []
    return _safe_demotion(settings, observed, cluster, node) or [
        Demote(
            "role",
            "is declared a worker",
            expected="worker",
            found="manager" if node.role == "manager" else "manager, its demotion not finished",
            node=node.id,
            on=next((n for n in controlling(settings, observed) if n != host.name), host.name),
            leader=node.leader,
        )
    ]


def _safe_demotion(
    settings: Settings, observed: Observed, cluster: Membership, node: Node
) -> list[Finding]:
    if node.role == "worker":
        return []  # it was decided, and is only waited for
    if node.state != "ready":
        return [
            Refusal(
                "role",
                f"is not demoted: the node is {node.state}, so nobody could confirm that it "
                "becomes a worker",
                remedy="Bring it back, and run again",
            )
        ]
    if problem := Quorum.of(cluster).forbids_demotion(node.id):
        return [Refusal("role", f"is not demoted: {problem}", remedy=BRING_BACK)]
    # Managers that nobody declared do not count: they cannot be asked.
    leading = {h.name: _leads(settings, observed, cluster, h.name) for h in settings.hosts}
    reachable = [name for name, id in leading.items() if id and id != node.id]
    missing = [host.name for host in settings.managers if not leading[host.name]]
    needed = majority(len(settings.managers))
    if missing and len(reachable) < needed:
        return [
            Refusal(
                "role",
                f"is not demoted yet: {listed(missing)} {'are' if missing[1:] else 'is'} "
                f"declared a manager and not a reachable one, so without this one {len(reachable)} "
                f"declared host{'s' * (len(reachable) != 1)} would manage the swarm; "
                f"{needed} are needed ({len(reachable)} < {needed})",
                remedy=f"Bring {listed(missing)} into the swarm first, then run again",
            )
        ]
    return []


def _leads(settings: Settings, observed: Observed, cluster: Membership, name: str) -> str:
    """The node id of a declared host that is a reachable manager, as far as the managers know."""
    if observed.get(name) is None:
        node = node_at(settings, cluster, name)
    else:
        node = node_of(settings, observed, cluster, name)
    leads = node and node.role == "manager" and node.reachability == "reachable"
    return node.id if node and leads else ""
