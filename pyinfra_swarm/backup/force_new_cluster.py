"""A manager that goes on alone (``--force-new-cluster``), and the entries of those that are lost.

The manager at hand takes what it knows for the whole truth. If another manager of the old swarm
were still alive, there would be two swarms that both take themselves for the same one; so nothing
is forced while one might be. What engines do beyond Docker's guide is in
docs/decisions/recovery.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pyinfra_swarm.nodes.membership import (
    Membership,
    Node,
    Observed,
)
from pyinfra_swarm.nodes.on_disk import OnDisks
from pyinfra_swarm.run.findings import Change, Finding, Refusal

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings


LEAVE = "`docker swarm leave --force`"


NEEDS_UNLOCK_KEY = "Put the key (SWMKEY-…) into a file of your own and name it: --data unlock=PATH"


def ghosts(cluster: Membership) -> list[Node]:
    """Entries of managers that ``--force-new-cluster`` left behind: in the list, not in the group.

    An engine shows no manager status for them, and cannot demote them, only remove them.
    """
    return [
        node
        for node in cluster.nodes or ()
        if node.role == "manager" and not node.votes and node.id != cluster.node
    ]


def other_managers(
    settings: Settings,
    observed: Observed,
    remaining: OnDisks,
    target: str,
    cluster: str,
    asked: set[str],
) -> list[Refusal]:
    """Declared hosts that answer, and are managers of the swarm in question, or of another."""
    found: list[Refusal] = []
    for host in settings.hosts:
        own, remains = observed.get(host.name), remaining.get(host.name)
        if host.name == target or host.name not in asked or own is None:
            continue
        if remains is None or not (remains.state or own.in_swarm):
            continue
        here = own.cluster or remains.cluster
        if here and cluster and here != cluster:
            found.append(
                refused(
                    "recovery",
                    f"{host.name} is in another swarm ({here}) than the one in question "
                    f"({cluster})",
                    f"If that one is to go, let {host.name} leave it: {LEAVE}",
                )
            )
        elif own.controls:
            found.append(
                refused(
                    "recovery",
                    f"the swarm lives: {host.name} is a manager of it and answers for it",
                    "Nothing has to be restored: `pyinfra inventory.py deploys/site.py`"
                    + if_it_lies(settings, host.name),
                )
            )
        elif own.manager or remains.manager:
            stopped = "" if own.engine == "running" else ", though its engine does not run now"
            found.append(
                refused(
                    "recovery",
                    f"{host.name} is still a manager of this swarm{stopped}: with it there would "
                    "be two swarms that take themselves for the same",
                    f"Start its engine and look whether the managers reach each other (2377/tcp): "
                    f"with it there may be a quorum. If its state is to go, on {host.name}: {LEAVE}"
                    + (
                        ""
                        if own.engine == "running"
                        else " (or, without an engine, `rm -r /var/lib/docker/swarm`)"
                    )
                    + if_it_lies(settings, host.name),
                )
            )
    return found


def if_it_lies(settings: Settings, name: str) -> str:
    """What is left to do where a declared worker's word stands against going on alone."""
    if settings.host(name).is_manager:
        return ""
    return (
        f". {name} is declared a worker: if that is not true of it, somebody else may be root "
        "there; delete it from cluster.toml, and run again"
    )


def refused(what: str, reason: str, remedy: str) -> Refusal:
    return Refusal(f"the swarm's {what}", reason, remedy=remedy)


def forced(name: str) -> Change:
    return Change(
        "the swarm",
        f"goes on with {name} as its only manager (force-new-cluster): what the others had agreed "
        f"on and {name} has not heard of is lost",
    )


def cleared(lost: Iterable[Node], own: str) -> list[Finding]:
    return [
        Change(
            f"node {node.hostname or node.id}",
            "is a manager that is lost for good, so its entry goes",
            expected="removed",
            found=f"{node.id}, {node.address}",
        )
        for node in lost
        if node.id != own
    ]


def lost_manager(id: str, hostname: str, address: str) -> Node:
    return Node(id, hostname, address, "manager", "active", "down", False, "", {}, "")
