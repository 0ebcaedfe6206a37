"""The next safe steps of a swarm: find or found it, join, promote, label.

Every plan looks at observed state only, so a run that was interrupted anywhere is finished by the
next. Sources: Docker's administration guide for swarm (quorum, fixed addresses).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from cluster.autolock import UNLOCK
from cluster.certificates import has_expired, rejoin
from cluster.findings import Change, Finding, Notice, Refusal
from cluster.membership import (
    Membership,
    Node,
    Observed,
    acting_manager,
    managers_of,
    node_of,
    quorum,
    reachable,
    view,
)

if TYPE_CHECKING:
    from cluster.settings import Host, Settings


def may_restart(settings: Settings, observed: Observed, name: str) -> Refusal | None:
    """Why a host's engine must not be restarted now; ``None`` where it may.

    The other managers have to keep a quorum meanwhile. A swarm of one or two managers cannot do
    without any of them, so there the short interruption is accepted.
    """
    own = observed.get(name)
    if own is None or not own.in_swarm or not own.manager:
        return None
    cluster = view(settings, observed)
    if cluster is None:
        return None  # it works no longer: a restart can only help
    managers = managers_of(cluster)
    others = reachable([node for node in managers if node.id != own.node])
    if len(managers) <= 2 or others >= quorum(len(managers)):
        return None
    return Refusal(
        "the running Docker daemon",
        f"is not restarted: of {len(managers)} managers {quorum(len(managers))} must stay "
        f"reachable, and without this one only {others} would be",
        remedy="Bring the other managers back first, then run again",
    )


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
        and manager.name not in settings.swarm.found_without
    ]
    if planning and any((m := observed.get(name)) and m.engine == "stopped" for name in silent):
        return []  # they say where they belong when they have been started
    if silent:
        return [
            Refusal(
                "the swarm",
                f"was not founded, because {_list(silent)} did not say whether there is one: "
                "a manager that is silent may still be in it, and a second swarm would split the "
                "cluster",
                remedy="Bring it back (power, network, Docker), or, if it is gone for good, name "
                f"it in swarm.found_without = {silent}".replace("'", '"'),
            )
        ]
    able = [m.name for m in settings.managers if (o := observed.get(m.name)) and o.in_none]
    if not able:
        return [Refusal("the swarm", "has no declared manager that could found it")]
    if able[0] != host.name:
        return []
    return [
        Change(
            "the swarm",
            "no declared manager is in one, so the first founds it",
            expected=f"advertised at {host.address}",
        )
    ]


def _plan_found(
    settings: Settings, observed: Observed, inside: Mapping[str, Membership], host: Host
) -> list[Finding]:
    swarms: dict[str, list[str]] = {}
    for name, membership in inside.items():
        if membership.cluster:
            swarms.setdefault(membership.cluster, []).append(name)
    if len(swarms) > 1:
        named = "; ".join(f"{_list(names)} in swarm {id}" for id, names in swarms.items())
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
        return [_no_view(inside)]
    known = {node.id for node in cluster.nodes or ()}
    if own and own.node and own.node not in known:
        return [_unknown_node(own, cluster)]
    if own and own.state == "error":
        return [
            Refusal(
                "the swarm",
                f"the engine reports an error: {own.error}",
                remedy="If its certificate has expired or it was removed, make it leave: "
                "`docker swarm leave --force`, then run again",
            )
        ]
    return []


def _unknown_node(own: Membership, cluster: Membership) -> Refusal:
    managers = own.remote_managers or {}
    leave = "Make it leave: `docker swarm leave --force`, then run again and it joins anew"
    if managers.keys() & {node.id for node in cluster.nodes or ()}:
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
            f"{_list(locked)} {'is' if len(locked) == 1 else 'are'} locked, and without "
            f"{'it' if len(locked) == 1 else 'them'} fewer managers are reachable than a quorum",
            remedy=f"Unlock {'it' if len(locked) == 1 else 'them'}: {UNLOCK}",
        )
    if managers:
        words = next((m.error for m in inside.values() if m.manager and m.error), "")
        return Refusal(
            "the swarm",
            f"{_list(managers)} cannot answer for it: fewer managers are reachable than a quorum"
            + (f" (“{words}”)" if words else ""),
            remedy="Bring back managers until most of them are reachable; nothing can be changed "
            "safely before",
        )
    at = sorted({a for m in inside.values() for a in (m.remote_managers or {}).values()})
    return Refusal(
        "the swarm",
        f"{_list(list(inside))} is in one of which no declared manager is a reachable member"
        + (f" (its managers: {', '.join(at)})" if at else ""),
        remedy="Bring the managers back; or, if that swarm is gone, make the host leave it "
        "(`docker swarm leave --force`)",
    )


# 3. Join
# -------


def stale_entries(cluster: Membership, host: Host, own: Membership) -> list[Node]:
    """Entries that an earlier life of this host left behind: same name or address, and down."""
    return [
        node
        for node in cluster.nodes or ()
        if node.id != own.node
        and node.state == "down"
        and (
            node.address == host.address
            or (node.hostname != "" and node.hostname in (own.hostname, host.name))
        )
    ]


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
        stale = stale_entries(cluster, host, own)
        managers = managers_of(cluster)
        dead = [node for node in stale if node.role == "manager"]
        if dead and reachable(managers) < quorum(len(managers)):
            return [_no_view({name: m for name, m in observed.items() if m and m.in_swarm})]
        findings += [
            Change(
                f"node {node.hostname}",
                "is an entry that this host left behind when it was installed anew",
                expected="removed",
                found=f"{node.role}, down, {node.id}",
            )
            for node in stale
        ]
    founding = cluster is None and any(
        isinstance(finding, Change) for finding in plan_swarm(settings, observed, host)
    )
    if not own.in_swarm and not founding:
        findings.append(
            Change("the swarm", "this host is not in it yet", expected="joined as a worker")
        )
    elif cluster is not None and joins_in_vain(own, cluster):
        findings.append(
            Change(
                "the swarm",
                "this host waits to be let in by a manager that does not answer",
                expected="joined through another",
                found=", ".join((own.remote_managers or {}).values()),
            )
        )
    elif own.state == "pending":
        findings.append(Change("the swarm", "this host's joining is not finished"))
    return findings


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
    if own is None:
        return []
    if cluster is None:
        founding = any(isinstance(f, Change) for f in plan_swarm(settings, observed, host))
        if host.is_manager and not founding:
            return [_promotion("joins as a worker")]
        return []
    node = node_of(own, cluster)
    if node is None:
        return [_promotion("joins as a worker")] if host.is_manager else []
    if host.is_manager and node.role == "worker":
        return _safe_promotion(cluster, node) or [_promotion("is a worker")]
    if not host.is_manager and node.role == "manager":
        return [
            Notice(
                "role",
                "is a manager, but declared a worker",
                expected="worker",
                found="manager",
                remedy="Declare it a manager, or demote it: `docker node demote "
                f"{node.hostname}`, one at a time, while every manager is reachable",
            )
        ]
    return []


def _promotion(found: str) -> Change:
    return Change("role", "is declared a manager", expected="promoted", found=found)


def _safe_promotion(cluster: Membership, node: Node) -> list[Finding]:
    managers = managers_of(cluster)
    able = reachable(managers)
    after = len(managers) + 1
    if node.state != "ready":
        return [
            Refusal(
                "role",
                f"is not promoted: the node is {node.state}, and a manager that does not answer "
                "weakens the quorum",
                remedy="Bring it back, and run again",
            )
        ]
    if able + 1 < quorum(after):
        return [
            Refusal(
                "role",
                f"is not promoted: of {after} managers {quorum(after)} would have to be "
                f"reachable, and only {able} of the present {len(managers)} are "
                f"({able} + 1 < {quorum(after)})",
                remedy="Bring the other managers back first, then run again",
            )
        ]
    return []


# 5. Labels, availability, and whoever else is there
# --------------------------------------------------


def plan_labels(settings: Settings, observed: Observed, host: Host) -> list[Finding]:
    """Declared labels and availability; what an operator did by hand is reported."""
    own, cluster = observed.get(host.name), view(settings, observed)
    if own is None:
        return []
    node = node_of(own, cluster) if cluster else None
    found = node.labels if node else {}
    findings: list[Finding] = [
        Change(f"label {key}", "is declared", expected=value, found=found.get(key, ""))
        for key, value in sorted(host.labels.items())
        if found.get(key) != value
    ]
    if node is None:
        if host.availability and host.availability != "active":
            findings.append(Change("availability", "is declared", expected=host.availability))
        return findings
    findings += [
        Notice(
            f"label {key}",
            "is set by hand",
            found=value,
            remedy=f"Declare it, or remove it: `docker node update --label-rm {key} "
            f"{node.hostname}`",
        )
        for key, value in sorted(found.items())
        if key not in host.labels
    ]
    if host.availability and node.availability != host.availability:
        findings.append(
            Change(
                "availability", "is declared", expected=host.availability, found=node.availability
            )
        )
    elif host.availability is None and node.availability != "active":
        findings.append(
            Notice(
                "availability",
                "was set by hand",
                expected="active",
                found=node.availability,
                remedy=f"Declare availability = “{node.availability}”, or put it back: "
                f"`docker node update --availability active {node.hostname}`",
            )
        )
    if node.address not in ("", "0.0.0.0", host.address):
        findings.append(
            Notice(
                "address",
                "the swarm knows this host under another address than declared",
                expected=host.address,
                found=node.address,
                remedy="A swarm node keeps the address it has joined with; make it leave and join "
                "again",
            )
        )
    if cluster and acting_manager(settings, observed) == host.name:
        findings += _strangers(observed, cluster)
    return findings


def _strangers(observed: Observed, cluster: Membership) -> list[Finding]:
    known = {membership.node for membership in observed.values() if membership}
    # The node id of a host or an engine that is silent is not known, and a dead twin is the
    # joining's to clear: these are told by their names.
    by_name = {name for name, m in observed.items() if m is None or m.engine != "running"}
    return [
        Notice(
            f"node {node.hostname}",
            "is in the swarm, but not declared",
            found=f"{node.role}, {node.state}, {node.address}",
            remedy="Declare it, or take it out: drain it, demote it if it is a manager, then "
            f"`docker node rm {node.hostname}`",
        )
        for node in cluster.nodes or ()
        if node.id not in known
        and node.hostname not in by_name
        and not (node.state == "down" and node.hostname in observed)
    ]


def _list(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
