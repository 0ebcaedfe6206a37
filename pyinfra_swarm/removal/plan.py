"""Removing a node from the swarm: drained, empty, demoted, gone, its entry removed.

Each stage looks at what is there, so the next run completes an interrupted removal. Replacing a
host is the same, and the site joins the new one. Sources: Docker's administration guide for swarm
(quorum), ``docker node rm`` and ``docker swarm leave``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from pyinfra_swarm.nodes.identity import doubt
from pyinfra_swarm.nodes.membership import (
    Membership,
    Node,
    Observed,
    controlling,
)
from pyinfra_swarm.nodes.no_engine import no_engine
from pyinfra_swarm.nodes.quorum import BRING_BACK, Quorum
from pyinfra_swarm.nodes.steps import Step
from pyinfra_swarm.removal.steps import AwaitEmpty, Leave, RemoveEntry
from pyinfra_swarm.removal.target import Target
from pyinfra_swarm.run.findings import Finding, Notice, Refusal
from pyinfra_swarm.run.printable import quoted
from pyinfra_swarm.run.wording import listed
from pyinfra_swarm.swarm.labels import SetAvailability
from pyinfra_swarm.swarm.roles import Demote

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings


def plan_removal(
    settings: Settings, observed: Observed, target: Target, tasks: Collection[str]
) -> list[Finding]:
    """All steps of a removal, in order, or why it is not begun.

    tasks: the names of the tasks that run on the node.
    """
    refused = _refusals(settings, observed, target)
    if refused:
        return refused
    return [
        *plan_drain(target),
        *plan_emptying(target, tasks),
        *plan_demotion(target),
        *plan_leaving(target),
        *plan_clearing(target),
    ]


def _refusals(settings: Settings, observed: Observed, target: Target) -> list[Finding]:
    own, cluster = target.own, target.cluster
    in_none = own is not None and own.in_none
    if cluster is None:
        if in_none:
            return []
        return [
            Refusal(
                f"node {target.name}",
                "cannot be removed: no manager answers for the swarm, so no task can be moved and "
                "no manager demoted",
                remedy="Bring back managers until a quorum is reachable; if the swarm is gone for "
                "good, run `docker swarm leave --force` on each host",
            )
        ]
    if stopped := _cannot_leave(target):
        return [stopped]
    if (
        own is not None
        and own.in_swarm
        and (refused := _in_another_swarm(settings, observed, target))
    ):
        return [refused]
    swarms = {m.cluster for name in controlling(settings, observed) if (m := observed[name])}
    if target.nodes and len(swarms) > 1:
        return [
            Refusal(
                f"node {target.name}",
                f"cannot be removed: the declared hosts are in {len(swarms)} different swarms "
                f"({listed(sorted(swarms))})",
                remedy="Decide which one stays, and make the hosts of the other leave it "
                "(`docker swarm leave --force`); what runs in that one is lost",
            )
        ]
    found: list[Finding] = []
    for node, left in _one_by_one(cluster, target):
        if not node.votes or node.role != "manager":
            continue
        quorum = Quorum.of(left)
        if problem := quorum.forbids_demotion(node.id):
            found.append(
                Refusal(
                    f"node {target.name}",
                    f"cannot be removed: {problem}",
                    remedy=BRING_BACK
                    if quorum.without(node.id).managers
                    else "Promote another host first (declare it a manager, and run the site)",
                )
            )
    if not found and target.nodes and not target.ask:
        found.append(
            Refusal(
                f"node {target.name}",
                "cannot be removed: no other declared host is a manager that answers, so none "
                "could complete the removal",
                remedy="Promote another declared host first, then run again",
            )
        )
    return found


def _cannot_leave(target: Target) -> Refusal | None:
    """Why a host that answers cannot leave: what its disk holds of the swarm would stay there."""
    own = target.own
    if own is None or (away := no_engine(own)) is None:
        return None
    return Refusal(
        f"node {target.name}",
        f"{away.reason}, so the host cannot leave the swarm. Its disk may still hold the swarm's "
        "state; with that, it would call itself a member again",
        remedy=f"{away.remedy}, and run again. Or, if its disk will be wiped: switch the host off "
        "or delete it from cluster.toml, and run again; only its entry is removed then",
    )


def _in_another_swarm(settings: Settings, observed: Observed, target: Target) -> Refusal | None:
    """Why a host that is in a swarm has no node in the declared one that could be removed."""
    own, cluster = target.own, target.cluster
    assert own is not None
    assert cluster is not None
    entries = listed([node.id for node in target.nodes])
    distrusted = (
        f". If you do not trust it: delete it from cluster.toml, then remove {entries}, "
        "which the managers list for it: `--data host=ID`"
        if entries
        else ""
    )
    if own.state == "locked":
        return Refusal(
            f"node {target.name}",
            "is locked, so it can neither say which node it is nor leave",
            remedy="Unlock it (`pyinfra inventory.py deploys/unlock.py`), and run again. Without "
            f"its unlock key: run `docker swarm leave --force` on it first{distrusted}",
        )
    if any(node.id == own.node for node in cluster.nodes or ()):
        # Its own, or another's that it claims; in that case what is listed at its address goes.
        unsure = doubt(settings, observed, target.name)
        if unsure is None:
            return None
        by_id = f"Or, if you know that this node is the host: `--data host={quoted(own.node)}`"
        return replace(unsure, remedy=f"{unsure.remedy}. {by_id}")
    return Refusal(
        f"node {target.name}",
        "is not in the declared swarm, but in another, or was removed and does not know it"
        + (f" (its node id was {own.node})" if own.node else ""),
        remedy=f"Run `docker swarm leave --force` on it{distrusted}",
    )


def _one_by_one(cluster: Membership, target: Target) -> Iterator[tuple[Node, Membership]]:
    """Its entries, each with the swarm as it is when those before it are gone."""
    for node in target.nodes:
        yield node, cluster
        left = tuple(other for other in cluster.nodes or () if other.id != node.id)
        cluster = replace(cluster, nodes=left)


def plan_margin(target: Target) -> list[Finding]:
    """A notice where no manager may fail afterwards."""
    cluster = target.cluster
    if cluster is None or not any(node.votes for node in target.nodes):
        return []
    left = Quorum.of(cluster).without(*(node.id for node in target.nodes))
    if left.margin > 0:
        return []
    return [
        Notice(
            "quorum",
            f"of {left.managers} manager{'s' * (left.managers != 1)} that are left {left.needed} "
            f"must be reachable and {left.reachable} {'is' if left.reachable == 1 else 'are'}: "
            "none may fail",
            remedy="Declare another host a manager",
        )
    ]


# The stages
# ----------


def plan_drain(target: Target) -> list[Finding]:
    """It gets no new tasks, and those on it move."""
    node = target.alive
    if node is None or node.availability == "drain":
        return []
    return [
        SetAvailability(
            f"node {target.name}",
            "gets no more tasks, and those on it move",
            expected="drain",
            found=node.availability,
            availability="drain",
        )
    ]


def plan_emptying(target: Target, tasks: Collection[str]) -> list[Finding]:
    """No task of the swarm runs on it any more."""
    if target.alive is None or not tasks:
        return []
    return [
        AwaitEmpty(
            f"node {target.name}",
            "its tasks end there, and start on other nodes that may run them",
            expected="empty",
            found=listed(sorted(tasks)),
            node=target.alive.id,
        )
    ]


def plan_demotion(target: Target) -> list[Finding]:
    """It becomes a worker, so that the quorum does not lose a vote when it leaves."""
    found: list[Finding] = []
    if target.cluster is None:
        return found
    for node, cluster in _one_by_one(target.cluster, target):
        if not node.votes:
            continue
        quorum = Quorum.of(cluster)
        problem = quorum.forbids_demotion(node.id)
        if problem and node.role == "manager":
            return [Refusal(f"node {target.name}", f"is not demoted: {problem}")]
        found.append(
            Demote(
                f"node {target.name}",
                f"is demoted: {quorum.without(node.id).sentence('stay')}",
                expected="worker",
                found="manager" + (", down" if node.state == "down" else ""),
                node=node.id,
                on=target.ask,
                leader=node.leader,
            )
        )
    return found


def plan_leaving(target: Target) -> list[Finding]:
    """The host leaves by itself where it can be reached; else its owner is told what to type."""
    if stopped := _cannot_leave(target):
        return [stopped]
    if target.own is not None:
        if not target.own.in_swarm:
            return []
        return [Leave(f"node {target.name}", "leaves the swarm", expected="in none")]
    living = [node for node in target.nodes if node.state != "down"]
    if not living:
        return []
    return [
        Leave(
            f"node {target.name}",
            "is up, but cannot be reached from here: it leaves when you type "
            f"`docker swarm leave` on it ({living[0].address})",
            expected="down",
            found=living[0].state,
            by_hand=True,
        )
    ]


def plan_clearing(target: Target) -> list[Finding]:
    """Its entries are removed from the managers' list."""
    return [
        RemoveEntry(
            f"node {target.name}",
            "its entry is removed",
            expected="none",
            found=f"{node.id}, {node.state}",
            node=node.id,
        )
        for node in target.nodes
    ]


def unfinished(target: Target) -> list[Step]:
    """What has to be done before its entry may be removed."""
    found = [*plan_drain(target), *plan_demotion(target), *plan_leaving(target)]
    return [step for step in found if isinstance(step, Step)]


# What comes after
# ----------------


def plan_undeclaring(settings: Settings, target: Target) -> list[Finding]:
    """What the owner still has to do after a removal."""
    if target.host is None:
        return []
    role = target.host.role
    return [
        Notice(
            f"host {target.name}",
            f"is still declared, as a {role}: the next run of the site would join it again",
            remedy="Remove it from cluster.toml, and run the site, which closes the other hosts' "
            "firewalls to it",
        )
    ]


def plan_successor(target: Target) -> list[Finding]:
    """What the host that takes its place will get, and what it will not."""
    host = target.host
    if host is None:
        return []
    by_hand: list[Finding] = []
    for node in target.nodes:
        by_hand += [
            Notice(
                f"label {key}",
                "was set by hand, and is lost with the entry",
                found=value,
                remedy="Declare it to give it to the new host",
            )
            for key, value in sorted(node.labels.items())
            if key not in host.labels
        ]
    return [
        *by_hand,
        Notice(
            f"host {target.name}",
            f"stays declared, as a {host.role}: labels, availability and role come from "
            "cluster.toml again",
            remedy="Put the new host in its place, under the declared address, and run "
            "`pyinfra inventory.py deploys/site.py`",
        ),
    ]
