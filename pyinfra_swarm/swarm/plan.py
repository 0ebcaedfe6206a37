"""The next safe steps of a swarm, host by host: find or found it, join, promote, demote.

Every plan looks at observed state only, so a run that was interrupted anywhere is finished by the
next; :mod:`swarm.stages` puts the plans in their order. Sources: Docker's administration guide
for swarm (quorum, fixed addresses).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pyinfra_swarm.keys.certificates import has_expired, rejoin
from pyinfra_swarm.keys.unlock import UNLOCK
from pyinfra_swarm.nodes.identity import entries_of, node_at, node_of
from pyinfra_swarm.nodes.membership import (
    Membership,
    Node,
    Observed,
    controlling,
    managers_of,
    view,
)
from pyinfra_swarm.nodes.quorum import BRING_BACK, Quorum, majority
from pyinfra_swarm.nodes.steps import AwaitJoin, Clear, Demote, Found, Join, Promote
from pyinfra_swarm.run.findings import Finding, Refusal
from pyinfra_swarm.run.wording import listed, verb

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Host, Settings


# 1. Find or found
# ----------------


def plan_swarm(
    settings: Settings, observed: Observed, host: Host, *, planning: bool = False
) -> list[Finding]:
    """Find the swarm that declared hosts are in, or found it on the first declared manager.

    All findings but the founding itself are about the whole cluster: every host gets them.
    planning: nothing was carried out yet, so a stopped engine is one that will be started.
    """
    inside = {name: m for name, m in observed.items() if m and m.in_swarm}
    if inside:
        return _plan_found(settings, observed, inside, host)
    silent = [
        manager.name
        for manager in settings.managers
        if not ((m := observed.get(manager.name)) and m.in_none)
        and manager.name not in settings.swarm.init_without
    ]
    if planning and any((m := observed.get(name)) and m.engine == "stopped" for name in silent):
        return []  # they say where they belong when they have been started
    if silent:
        return [
            Refusal(
                "the swarm",
                f"was not founded, because {listed(silent)} did not say whether there is one: "
                "a manager that is silent may still be in it, and a second swarm would split the "
                "cluster",
                remedy="Bring it back (power, network, Docker), or, if it is gone for good, name "
                f"it in swarm.init_without = {silent}".replace("'", '"'),
            )
        ]
    able = [m.name for m in settings.managers if (o := observed.get(m.name)) and o.in_none]
    if not able:
        return [Refusal("the swarm", "has no declared manager that could found it")]
    if able[0] != host.name:
        return []
    return [
        Found(
            "the swarm",
            "no declared manager is in one, so the first founds it",
            expected=f"advertised at {host.address}",
        )
    ]


def _plan_found(
    settings: Settings, observed: Observed, inside: Mapping[str, Membership], host: Host
) -> list[Finding]:
    swarms: dict[str, list[str]] = {}
    for name in controlling(settings, observed):
        if name in inside and (id := inside[name].cluster):
            swarms.setdefault(id, []).append(name)
    if len(swarms) > 1:
        named = "; ".join(f"{listed(names)} in swarm {id}" for id, names in swarms.items())
        return [
            Refusal(
                "the swarm",
                f"the declared hosts are in {len(swarms)} different ones: {named}",
                remedy="Decide which one stays, and make the hosts of the other leave it "
                "(`docker swarm leave --force`); what runs in that one is lost",
            )
        ]
    own = inside.get(host.name)
    if own and own.state == "locked":
        return [
            Refusal(
                "the swarm",
                "this manager is locked since its engine was started",
                remedy=f"Unlock it: {UNLOCK}",
            )
        ]
    cluster = view(settings, observed)
    if own and has_expired(own):
        return [
            Refusal(
                "the swarm",
                "this host's certificate has expired, and its engine is no node of it any more",
                found=f"a {own.certificate_role or 'node'}'s certificate",
                remedy=rejoin(own),
            )
        ]
    if cluster is None:
        return [_of_workers(settings, inside) or _no_view(inside)]
    known = {node.id for node in cluster.nodes or ()}
    elsewhere = own is not None and own.cluster not in ("", cluster.cluster)
    if own and ((own.node and own.node not in known) or elsewhere):
        return [_unknown_node(own, cluster)]
    if own and own.broken:
        return [
            Refusal(
                "the swarm",
                f"the engine reports an error: {own.error}",
                remedy="If its certificate has expired or it was removed, make it leave: "
                "`docker swarm leave --force`, then run again",
            )
        ]
    return []


def _of_workers(settings: Settings, inside: Mapping[str, Membership]) -> Refusal | None:
    """A swarm that only hosts declared as workers speak for: it is not taken for the cluster's."""
    declared = [inside[host.name] for host in settings.managers if host.name in inside]
    if any(own.manager or own.state == "locked" for own in declared):
        return None
    workers = [host.name for host in settings.workers]
    ruling = [name for name in workers if (m := inside.get(name)) and m.controls]
    if not ruling:
        return None
    ids = sorted({inside[name].cluster for name in ruling})
    return Refusal(
        "the swarm",
        f"only {listed(ruling)} {verb(ruling, 'says that it is', 'say that they are')} a manager "
        f"of one, and {verb(ruling, 'is', 'are')} declared a worker. A worker alone is not "
        "believed, since all other hosts would join its swarm",
        found=f"swarm {listed(ids)}",
        remedy="If that is the cluster's swarm, declare one of them a manager until the others are "
        "managers, too. If not, make it leave (`docker swarm leave --force`), and run again",
    )


def _unknown_node(own: Membership, cluster: Membership) -> Refusal:
    managers = own.remote_managers or {}
    leave = "Make it leave: `docker swarm leave --force`, then run again and it joins anew"
    same = own.cluster in ("", cluster.cluster)
    if same and managers.keys() & {node.id for node in cluster.nodes or ()}:
        return Refusal(
            "the swarm",
            f"this host was removed from it and does not know (its node id was {own.node})",
            remedy=leave,
        )
    at = ", ".join(sorted(managers.values())) or "unknown addresses"
    return Refusal(
        "the swarm",
        f"this host is in another swarm (its managers: {at}) than the declared one "
        f"(swarm {cluster.cluster}, asked at {cluster.address})",
        remedy=leave,
    )


def _no_view(inside: Mapping[str, Membership]) -> Refusal:
    managers = [name for name, membership in inside.items() if membership.manager]
    locked = [name for name, membership in inside.items() if membership.state == "locked"]
    if locked:
        return Refusal(
            "the swarm",
            f"{listed(locked)} {'is' if len(locked) == 1 else 'are'} locked, and without "
            f"{'it' if len(locked) == 1 else 'them'} fewer managers are reachable than a quorum",
            remedy=f"Unlock {'it' if len(locked) == 1 else 'them'}: {UNLOCK}",
        )
    if managers:
        words = next((m.error for m in inside.values() if m.manager and m.error), "")
        return Refusal(
            "the swarm",
            f"{listed(managers)} cannot answer for it: fewer managers are reachable than a quorum"
            + (f" (“{words}”)" if words else ""),
            remedy="Bring back managers until most of them are reachable; nothing can be changed "
            "safely before",
        )
    at = sorted({a for m in inside.values() for a in (m.remote_managers or {}).values()})
    return Refusal(
        "the swarm",
        f"{listed(list(inside))} is in one of which no declared manager is a reachable member"
        + (f" (its managers: {', '.join(at)})" if at else ""),
        remedy="Bring the managers back; or, if that swarm is gone, make the host leave it "
        "(`docker swarm leave --force`)",
    )


# 3. Join
# -------


def stale_entries(
    settings: Settings, cluster: Membership, host: Host, own: Membership
) -> list[Node]:
    """Entries that an earlier life of this host left behind: its name or address, and dead.

    The managers need some seconds to notice that a node is gone, and after a change of leader they
    call every node unknown that they have not heard of since. Nobody else has this host's own
    address: where its engine says that it is in no swarm, what is listed there is what it has
    left, whatever the managers still believe. The name is the declared one: what an engine calls
    its host is that host's word.
    """
    has_left = own.engine == "running" and own.in_none
    knows_itself = own.node != "" or own.in_none  # else it may be the host's own, just made

    def dead(node: Node) -> bool:
        if node.address == host.address:
            return node.state == "down" or has_left or (node.state == "unknown" and knows_itself)
        return node.state == "down"

    found = entries_of(settings, cluster, host.name)
    return [node for node in found if node.id != own.node and dead(node)]


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
                remedy="Look at `journalctl -u docker`, mend it, and run again",
            )
        ]
    if cluster is not None:
        stale = stale_entries(settings, cluster, host, own)
        dead = [node.id for node in stale if node.votes]
        if dead and Quorum.of(cluster).while_down(*dead).lost:
            return [_no_view({name: m for name, m in observed.items() if m and m.in_swarm})]
        findings += [
            Clear(
                f"node {node.hostname}",
                "is an entry that this host left behind when it was installed anew",
                expected="removed",
                found=f"{node.role}, {node.state}, {node.id}",
                node=node,
            )
            for node in stale
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
        findings.append(AwaitJoin("the swarm", "this host's joining is not finished"))
    return findings


def _encrypted(cluster: Membership) -> bool:
    return any(overlay.ingress and overlay.encrypted for overlay in cluster.overlays or ())


def joins_in_vain(own: Membership, cluster: Membership) -> bool:
    """A host that was never a member, and whose only way in is a manager that cannot answer.

    It may leave without a loss: without a node id it has no task and no certificate. A member that
    looks for its managers is pending as well, and must not.
    """
    asked = {address.rpartition(":")[0] for address in (own.remote_managers or {}).values()}
    able = {node.address for node in managers_of(cluster) if node.reachability == "reachable"}
    return own.state == "pending" and not own.node and not asked & able


# 4. Roles
# --------


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

    leader: it is the leader's turn, and that of whoever is left; else everybody else's.
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
            found="manager" if node.role == "manager" else "manager, not demoted to the end",
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
                f"is not demoted: the node is {node.state}, so nobody could see it become a worker",
                remedy="Bring it back, and run again",
            )
        ]
    if problem := Quorum.of(cluster).forbids_demotion(node.id):
        return [Refusal("role", f"is not demoted: {problem}", remedy=BRING_BACK)]
    # Managers that nobody declared do not count: they cannot be asked.
    leading = {h.name: _leads(settings, observed, cluster, h.name) for h in settings.hosts}
    ours = [name for name, id in leading.items() if id and id != node.id]
    missing = [host.name for host in settings.managers if not leading[host.name]]
    needed = majority(len(settings.managers))
    if missing and len(ours) < needed:
        return [
            Refusal(
                "role",
                f"is not demoted yet: {listed(missing)} {'are' if missing[1:] else 'is'} "
                "declared a manager and not a reachable one, so without this one "
                f"{len(ours)} declared host{'s' * (len(ours) != 1)} would lead the swarm; "
                f"{needed} are needed ({len(ours)} < {needed})",
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
