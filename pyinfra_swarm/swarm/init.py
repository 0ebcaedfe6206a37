"""Init: which swarm the declared hosts are in, and when a new one is initialised.

A second swarm would split the cluster, so one is initialised only where every declared manager has
said that it is in none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyinfra_swarm.keys.certificates import has_expired, rejoin
from pyinfra_swarm.keys.unlock import UNLOCK
from pyinfra_swarm.nodes.membership import Membership, Observed, controlling, view
from pyinfra_swarm.nodes.steps import Step
from pyinfra_swarm.run.findings import Finding, Refusal
from pyinfra_swarm.run.wording import listed, verb

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Host, Settings


@dataclass(frozen=True)
class Init(Step):
    """This host initialises the swarm, and is its first manager."""


def plan_init(
    settings: Settings, observed: Observed, host: Host, *, planning: bool = False
) -> list[Finding]:
    """Find the swarm that declared hosts are in, or initialise it on the first declared manager.

    All findings but the init itself are about the whole cluster: every host gets them.
    planning: nothing was carried out yet, so a stopped engine is one that will be started.
    """
    inside = {name: m for name, m in observed.items() if m and m.in_swarm}
    if inside:
        return _plan_existing(settings, observed, inside, host)
    silent = [
        manager.name
        for manager in settings.managers
        if not ((m := observed.get(manager.name)) and m.in_none)
        and manager.name not in settings.swarm.init_without
    ]
    if planning and any((m := observed.get(name)) and m.engine == "stopped" for name in silent):
        return []  # once started, they will say which swarm they are in
    if silent:
        return [
            Refusal(
                "the swarm",
                f"was not initialised, because {listed(silent)} did not say whether there is one: "
                "a silent manager may still be in it, and a second swarm would split the "
                "cluster",
                remedy="Bring it back (power, network, Docker), or, if it is gone for good, name "
                f"it in swarm.init_without = {silent}".replace("'", '"'),
            )
        ]
    able = [m.name for m in settings.managers if (o := observed.get(m.name)) and o.in_none]
    if not able:
        return [Refusal("the swarm", "has no declared manager that could initialise it")]
    if able[0] != host.name:
        return []
    return [
        Init(
            "the swarm",
            "no declared manager is in one, so the first one initialises it",
            expected=f"advertised at {host.address}",
        )
    ]


def _plan_existing(
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
                "this host's certificate has expired, so its engine is no longer a node of it",
                found=f"a {own.certificate_role or 'node'}'s certificate",
                remedy=rejoin(own),
            )
        ]
    if cluster is None:
        return [_of_workers(settings, inside) or no_view(inside)]
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
    """Why a swarm that only declared workers speak for is not taken for the cluster's."""
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
    leave = (
        "Make it leave: `docker swarm leave --force`, then run again, and it joins as a new node"
    )
    same = own.cluster in ("", cluster.cluster)
    if same and managers.keys() & {node.id for node in cluster.nodes or ()}:
        return Refusal(
            "the swarm",
            f"this host was removed from it and does not know that (its node id was {own.node})",
            remedy=leave,
        )
    at = ", ".join(sorted(managers.values())) or "unknown addresses"
    return Refusal(
        "the swarm",
        f"this host is in another swarm (its managers: {at}) than the declared one "
        f"(swarm {cluster.cluster}, asked at {cluster.address})",
        remedy=leave,
    )


def no_view(inside: Mapping[str, Membership]) -> Refusal:
    """Why nothing can be changed: no manager can answer for the swarm."""
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
        f"{listed(list(inside))} is in a swarm in which no declared manager can be reached"
        + (f" (its managers: {', '.join(at)})" if at else ""),
        remedy="Bring the managers back; or, if that swarm is gone, make the host leave it "
        "(`docker swarm leave --force`)",
    )
