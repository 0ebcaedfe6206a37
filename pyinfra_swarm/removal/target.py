"""The node that is removed from the swarm: found by a name that its owner gives.

What the managers list decides, never a host's own word: a host that is taken out may be one that is
not trusted any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyinfra_swarm.nodes.identity import entries_of, owners
from pyinfra_swarm.nodes.membership import Membership, Node, Observed, controlling, view
from pyinfra_swarm.run.findings import Refusal
from pyinfra_swarm.run.printable import quoted
from pyinfra_swarm.run.wording import listed

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Host, Settings


@dataclass(frozen=True)
class Target:
    """The node that goes.

    name: as the owner has given it; host: as declared, where it is.
    own: what the host says of its place in the swarm; cluster: what the acting manager says.
    nodes: its entries in the managers' list; the last is the one that is up, where one is.
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
        """Its node, where it is ready."""
        return next((node for node in self.nodes if node.state == "ready"), None)


def find(settings: Settings, observed: Observed, name: str) -> Target | Refusal:
    """The node of this name: a declared host, or a node of the swarm by hostname or id."""
    host = next((host for host in settings.hosts if host.name == name), None)
    cluster = view(settings, observed)
    own = observed.get(name) if host else None
    entries = [] if cluster is None else list(cluster.nodes or ())
    known = owners(settings, cluster) if cluster else {}
    if host is not None:
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
        return _not_found(settings, cluster, name, living)
    answers = list(controlling(settings, observed))
    ask = next((n for n in answers if n != name), "")
    by = name if own is not None else (answers or [""])[0]
    mine = own.node if own else ""
    nodes.sort(key=lambda node: (node.state != "down", node.id == mine))
    return Target(name, host, own, tuple(nodes), cluster, by, ask)


def _only_called(settings: Settings, observed: Observed, node: Node, name: str) -> bool:
    """Whether only its name makes a node a declared host's: anybody can take a name."""
    own = observed.get(name)
    itself = own is not None and own.in_swarm and own.node == node.id
    return node.address != settings.host(name).address and not itself


def _not_found(
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
        remedy="If it has been removed already, there is nothing to do",
    )
