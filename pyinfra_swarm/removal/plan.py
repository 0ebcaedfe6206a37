"""Taking a node out of the swarm: drained, empty, a worker, gone, its entry removed.

Each stage looks at what is there, so a removal that was interrupted anywhere is finished by the
next run. Replacing a host's hardware is the same, and the site lets the new one in. Sources:
Docker's administration guide for swarm (quorum), ``docker node rm`` and ``docker swarm leave``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pyinfra_swarm.nodes.identity import doubt, entries_of, owners
from pyinfra_swarm.nodes.membership import (
    Membership,
    Node,
    Observed,
    controlling,
    view,
)
from pyinfra_swarm.nodes.quorum import BRING_BACK, Quorum
from pyinfra_swarm.nodes.steps import AwaitEmpty, Demote, Leave, RemoveEntry, SetAvailability, Step
from pyinfra_swarm.run.findings import Finding, Notice, Refusal
from pyinfra_swarm.run.printable import quoted
from pyinfra_swarm.run.wording import listed

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Host, Settings


@dataclass(frozen=True)
class Target:
    """The node that goes.

    name: as the owner has given it; host: as declared, where it is.
    nodes: its entries; the last is the living one, where one lives.
    by: the host in whose name it is done: itself, where it answers, else the acting manager.
    ask: the manager that is asked; never the target itself. "" where no other can be asked.
    """

    name: str
    host: Host | None
    own: Membership | None
    nodes: tuple[Node, ...]
    cluster: Membership | None
    by: str
    ask: str

    @property
    def alive(self) -> Node | None:
        return next((node for node in self.nodes if node.state == "ready"), None)


def find(settings: Settings, observed: Observed, name: str) -> Target | Refusal:
    """The node of this name: a declared host, or a node of the swarm by hostname or id."""
    host = next((host for host in settings.hosts if host.name == name), None)
    cluster = view(settings, observed)
    own = observed.get(name) if host else None
    entries = [] if cluster is None else list(cluster.nodes or ())
    known = owners(settings, cluster) if cluster else {}
    if host is not None:
        # Never by its own word: a host that is taken out may be one that is not trusted any more.
        nodes = entries_of(settings, cluster, name) if cluster else []
    else:
        nodes = [node for node in entries if name in (node.hostname, node.id)]
        nodes = [node for node in nodes if node.id not in known] or nodes
        theirs = [
            known[node.id]
            for node in nodes
            if node.id in known
            and not (name == node.id and _only_called(settings, observed, node, known[node.id]))
        ]
        if theirs:
            return Refusal(
                "host",
                f"{name} is declared under another name: {listed(theirs)}",
                remedy=f"Give `--data host={quoted(theirs[0])}`",
            )
    living = [node for node in nodes if node.state != "down"]
    if host is None and (not nodes or len(living) > 1):
        return _nobody(settings, cluster, name, living)
    answers = list(controlling(settings, observed))
    ask = next((n for n in answers if n != name), "")
    by = name if own is not None else (answers or [""])[0]
    mine = own.node if own else ""
    nodes.sort(key=lambda node: (node.state != "down", node.id == mine))
    return Target(name, host, own, tuple(nodes), cluster, by, ask)


def _only_called(settings: Settings, observed: Observed, node: Node, name: str) -> bool:
    """Whether nothing but its name makes a node a declared host's: anybody can take a name."""
    own = observed.get(name)
    itself = own is not None and own.in_swarm and own.node == node.id
    return node.address != settings.host(name).address and not itself


def _nobody(
    settings: Settings, cluster: Membership | None, name: str, living: list[Node]
) -> Refusal:
    if living:
        ids = listed([f"{node.id} at {node.address}" for node in living])
        return Refusal(
            "host", f"{len(living)} nodes are called {name}: {ids}", remedy="Give the id instead"
        )
    declared = listed([host.name for host in settings.hosts])
    if cluster is None:
        return Refusal(
            "host",
            f"{name} is not declared, and no manager answers that could know a node of this name",
            expected=declared,
            remedy="Bring the managers back, or give a declared name",
        )
    others = [node.hostname or node.id for node in cluster.nodes or ()]
    return Refusal(
        "host",
        f"no declared host and no node of the swarm is called {name}",
        expected=f"one of {listed(sorted({*(h.name for h in settings.hosts), *others}))}",
        remedy="It may be gone already: then there is nothing to do",
    )


# The whole
# ---------


def plan_removal(
    settings: Settings, observed: Observed, target: Target, tasks: Collection[str]
) -> list[Finding]:
    """All that a removal takes, in order, or why it is not begun.

    tasks: the names of what runs on the node.
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
                "cannot be taken out: no manager answers for the swarm, so nothing can be moved "
                "and nobody demoted",
                remedy="Bring back managers until a quorum is reachable; if the swarm is gone for "
                "good, `docker swarm leave --force` on each host",
            )
        ]
    if own is not None and own.in_swarm and (refused := _not_ours(settings, observed, target)):
        return [refused]
    swarms = {m.cluster for name in controlling(settings, observed) if (m := observed[name])}
    if target.nodes and len(swarms) > 1:
        return [
            Refusal(
                f"node {target.name}",
                f"cannot be taken out: the declared hosts are in {len(swarms)} different swarms "
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
                    f"cannot be taken out: {problem}",
                    remedy=BRING_BACK
                    if quorum.without(node.id).managers
                    else "Promote another host first (declare it a manager, and run the site)",
                )
            )
    if not found and target.nodes and not target.ask:
        found.append(
            Refusal(
                f"node {target.name}",
                "cannot be taken out: no other declared host is a manager that answers, so nobody "
                "could be asked afterwards",
                remedy="Promote another declared host first, then run again",
            )
        )
    return found


def _not_ours(settings: Settings, observed: Observed, target: Target) -> Refusal | None:
    """Why a host that is in a swarm has no node in this one that could be taken out."""
    own, cluster = target.own, target.cluster
    assert own is not None
    assert cluster is not None
    if any(node.id == own.node for node in cluster.nodes or ()):
        # Its own, or another's that it claims: then what is listed at its address goes.
        unsure = doubt(settings, observed, target.name)
        if unsure is None:
            return None
        by_id = f"Or, if you know that this node is the host: `--data host={quoted(own.node)}`"
        return replace(unsure, remedy=f"{unsure.remedy}. {by_id}")
    entries = listed([node.id for node in target.nodes])
    return Refusal(
        f"node {target.name}",
        "is not in the declared swarm, but in another, or was removed and does not know (its node "
        f"id was {own.node})",
        remedy="Make it leave: `docker swarm leave --force` on it"
        + (
            f". If you do not trust it: delete it from cluster.toml, then take out {entries}, "
            "which the managers list for it: `--data host=ID`"
            if entries
            else ""
        ),
    )


def _one_by_one(cluster: Membership, target: Target) -> Iterator[tuple[Node, Membership]]:
    """Its entries, each with the swarm as the ones before it have left it."""
    for node in target.nodes:
        yield node, cluster
        left = tuple(other for other in cluster.nodes or () if other.id != node.id)
        cluster = replace(cluster, nodes=left)


def margins(settings: Settings, target: Target) -> list[Finding]:
    """What is less safe afterwards, told before."""
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
    """No new tasks on it."""
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
    """Nothing of the swarm's runs on it any more."""
    if target.alive is None or not tasks:
        return []
    return [
        AwaitEmpty(
            f"node {target.name}",
            "its tasks end there, and are started elsewhere where they may be",
            expected="empty",
            found=listed(sorted(tasks)),
            node=target.alive.id,
        )
    ]


def plan_demotion(target: Target) -> list[Finding]:
    """It is no manager, so that its leaving costs no vote."""
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
    """The host itself leaves, where it can be reached; else its owner is told what to type."""
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
            "is up, and cannot be reached from here: it leaves when you type "
            f"`docker swarm leave` on it ({living[0].address})",
            expected="down",
            found=living[0].state,
            by_hand=True,
        )
    ]


def plan_clearing(target: Target) -> list[Finding]:
    """Its entries are gone from the list of nodes."""
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


def farewell(settings: Settings, target: Target) -> list[Finding]:
    """What is the owner's to do when the node is gone."""
    if target.host is None:
        return []
    role = target.host.role
    return [
        Notice(
            f"host {target.name}",
            f"is still declared, as a {role}: the next run of the site would let it in again",
            remedy="Take it out of cluster.toml, and run the site, which shuts the other hosts' "
            "firewalls to it",
        )
    ]


def welcome(target: Target) -> list[Finding]:
    """What the host that takes its place gets, and what it does not."""
    host = target.host
    if host is None:
        return []
    by_hand: list[Finding] = []
    for node in target.nodes:
        by_hand += [
            Notice(
                f"label {key}",
                "was set by hand, and goes with the entry",
                found=value,
                remedy="Declare it, and the new host gets it",
            )
            for key, value in sorted(node.labels.items())
            if key not in host.labels
        ]
    return [
        *by_hand,
        Notice(
            f"host {target.name}",
            f"stays declared, as a {host.role}: labels, availability and role come from there",
            remedy="Put the new one in its place, under the address that is declared, and run: "
            "`pyinfra inventory.py deploys/site.py`",
        ),
    ]
