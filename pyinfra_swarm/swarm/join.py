"""Join: hosts that are in no swarm join as workers, and what they left behind is cleared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyinfra_swarm.nodes.identity import entries_of
from pyinfra_swarm.nodes.membership import Membership, Node, Observed, managers_of, view
from pyinfra_swarm.nodes.quorum import Quorum
from pyinfra_swarm.nodes.steps import Step
from pyinfra_swarm.run.findings import Finding, Refusal
from pyinfra_swarm.swarm.init import no_view

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Host, Settings


@dataclass(frozen=True, kw_only=True)
class Clear(Step):
    """A dead entry is taken off the list of nodes; demoted first, where it is a manager's."""

    node: Node


@dataclass(frozen=True, kw_only=True)
class Join(Step):
    """This host joins as a worker. leave: its joining of before, which is in vain, ends first."""

    leave: bool = False


@dataclass(frozen=True)
class AwaitJoin(Step):
    """This host is joining already: that is waited for."""


def stale_entries(
    settings: Settings, cluster: Membership, host: Host, own: Membership
) -> list[Node]:
    """Entries that an earlier life of this host left behind: its name or address, and dead.

    The managers need some seconds to notice that a node is gone, and after a change of leader they
    call every node unknown that they have not heard from since. No other host has this host's
    address: if its engine says that it is in no swarm, a node that is listed there is one that it
    has left, whatever the managers still believe. The name is the declared one, since the name that
    an engine gives its host is only that host's word.
    """
    has_left = own.engine == "running" and own.in_none
    knows_itself = own.node != "" or own.in_none  # else it may be the host's own, just made

    def dead(node: Node) -> bool:
        if node.address == host.address:
            return node.state == "down" or has_left or (node.state == "unknown" and knows_itself)
        return node.state == "down"

    found = entries_of(settings, cluster, host.name)
    return [node for node in found if node.id != own.node and dead(node)]


def never_came_up(node: Node) -> bool:
    """An entry that a manager made when a host asked to join, and nothing has come up as it.

    That join was cut off, by a loss of power say. The host joins again under another id.
    """
    nameless = not node.hostname and node.address in ("", "0.0.0.0")
    return nameless and node.state != "ready" and not node.votes


def _cut_off(settings: Settings, observed: Observed, cluster: Membership, host: Host) -> list[Node]:
    """Entries of joins that were cut off: the first host that joins clears them.

    They are those from before any host of this run joins: all decide by the same view.
    """
    joining = (one.name for one in settings.hosts if (m := observed.get(one.name)) and m.in_none)
    if next(joining, "") != host.name:
        return []
    return [node for node in cluster.nodes or () if never_came_up(node)]


def plan_join(
    settings: Settings, observed: Observed, host: Host, *, planning: bool = False
) -> list[Finding]:
    """A declared host that is in no swarm joins as a worker; what it left behind is cleared.

    planning: nothing was carried out yet, so a stopped engine is one that will be started.
    """
    own = observed.get(host.name)
    cluster = view(settings, observed)
    if own is None:
        return []
    findings: list[Finding] = []
    if planning and own.engine == "stopped":
        return []
    if own.engine not in ("absent", "running"):
        return [
            Refusal(
                "the swarm",
                f"Docker is {own.engine} on this host",
                remedy="Look at `sudo journalctl -u docker`, fix the cause, and run again",
            )
        ]
    if cluster is not None:
        stale = stale_entries(settings, cluster, host, own)
        dead = [node.id for node in stale if node.votes]
        if dead and Quorum.of(cluster).while_down(*dead).lost:
            return [no_view({name: m for name, m in observed.items() if m and m.in_swarm})]
        findings += [
            Clear(
                f"node {node.hostname}",
                "is an entry that this host left behind when it was reinstalled",
                expected="removed",
                found=f"{node.role}, {node.state}, {node.id}",
                node=node,
            )
            for node in stale
        ]
        findings += [
            Clear(
                f"node {node.id}",
                "is an entry of a join that was cut off: nothing has ever come up as it",
                expected="removed",
                found=f"{node.role}, {node.state}",
                node=node,
            )
            for node in _cut_off(settings, observed, cluster, host)
        ]
    if not own.in_swarm:
        if cluster is not None and not _encrypted(cluster):
            return [
                Refusal(
                    "the swarm",
                    "this host does not join yet: its ingress network is not encrypted",
                    remedy="See why the manager could not replace it, and run again",
                )
            ]
        findings.append(
            Join("the swarm", "this host is not in it yet", expected="joined as a worker")
        )
    elif cluster is not None and joins_in_vain(own, cluster):
        findings.append(
            Join(
                "the swarm",
                "this host waits to be let in by a manager that does not answer",
                expected="joined through another",
                found=", ".join((own.remote_managers or {}).values()),
                leave=True,
            )
        )
    elif own.state == "pending":
        findings.append(AwaitJoin("the swarm", "this host has not finished joining"))
    return findings


def _encrypted(cluster: Membership) -> bool:
    return any(overlay.ingress and overlay.encrypted for overlay in cluster.overlays or ())


def joins_in_vain(own: Membership, cluster: Membership) -> bool:
    """A host that was never a member, and whose only way in is a manager that cannot answer.

    It may leave without losing anything: without a node id it has no task and no certificate. A
    member that looks for its managers is pending as well, and must not leave.
    """
    asked = {address.rpartition(":")[0] for address in (own.remote_managers or {}).values()}
    able = {node.address for node in managers_of(cluster) if node.reachability == "reachable"}
    return own.state == "pending" and not own.node and not asked & able
