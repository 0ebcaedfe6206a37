"""Which node of the swarm is which declared host: by what the managers list, not by its own word.

A host says which node it is, and what its engine calls it. Were that enough, one host that lies
could have another's node demoted, drained or removed in its name. So a node is a declared host's
where the managers list it at the address that is declared for it; or, at an address that is
declared for nobody, under its declared name. A worker cannot choose the address: the managers see
where it connects from. A manager can; it is trusted with everything anyway (SECURITY.md).

See docs/decisions/identity.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_swarm.nodes.membership import Membership, Node, Observed, view
from pyinfra_swarm.run.findings import Refusal
from pyinfra_swarm.run.printable import quoted
from pyinfra_swarm.run.wording import listed

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings


def owner(settings: Settings, node: Node) -> str | None:
    """The declared host whose node this is, by name; ``None`` where it is nobody's for certain."""
    named = None
    for host in settings.hosts:
        if host.address == node.address:
            return host.name
        if host.name == node.hostname:
            named = host.name
    return named


def owners(settings: Settings, cluster: Membership) -> dict[str, str]:
    """The same for all nodes: id to name, without those that are nobody's."""
    at = {host.address: host.name for host in settings.hosts}
    names = {*at.values()}
    found = {}
    for node in cluster.nodes or ():
        name = at.get(node.address) or node.hostname
        if name in names:
            found[node.id] = name
    return found


def entries_of(settings: Settings, cluster: Membership, name: str) -> list[Node]:
    """All nodes that are a host's, also those of its earlier lives."""
    address = settings.host(name).address
    others = {host.address for host in settings.hosts} - {address}
    return [
        node
        for node in cluster.nodes or ()
        if node.address == address or (node.hostname == name and node.address not in others)
    ]


def node_of(settings: Settings, observed: Observed, cluster: Membership, name: str) -> Node | None:
    """The node that a host says it is, where the managers list it as this host's."""
    claimed = _claimed(observed.get(name), cluster)
    return claimed if claimed and owner(settings, claimed) == name else None


def node_at(settings: Settings, cluster: Membership, name: str) -> Node | None:
    """The node of a host that cannot say which it is: by its address, else by its name.

    One that is there before one that is down.
    """
    address = settings.host(name).address
    found = entries_of(settings, cluster, name)
    found.sort(key=lambda node: (node.address != address, node.state == "down"))
    return next(iter(found), None)


def likely_node(
    settings: Settings, observed: Observed, cluster: Membership, name: str
) -> Node | None:
    """The same as :func:`node_of`, also where only the host's own word says so: to show, not to
    change."""
    claimed = _claimed(observed.get(name), cluster)
    if claimed is None or (of := owner(settings, claimed)) == name:
        return claimed
    return None if of or _rivals(observed, claimed, name) else claimed


def contradiction(settings: Settings, observed: Observed, name: str) -> Refusal | None:
    """Why what a host says of itself cannot be true; ``None`` where it may be."""
    cluster = view(settings, observed)
    claimed = _claimed(observed.get(name), cluster) if cluster else None
    if claimed is None or (of := owner(settings, claimed)) == name:
        return None
    if of is not None:
        at = settings.host(of).address == claimed.address
        shown = f"at {claimed.address}, the declared address of {of}" if at else f"as {of}"
        return _refusal(name, f"says that it is node {claimed.id}, which the managers list {shown}")
    rivals = _rivals(observed, claimed, name)
    if not rivals:
        return None
    all_of_them = listed(sorted([name, *rivals]))
    return _refusal(
        name, f"is one of {all_of_them}, all of which say that they are node {claimed.id}"
    )


def doubt(settings: Settings, observed: Observed, name: str) -> Refusal | None:
    """Why a node must not be changed in a host's name: nothing but the host's word ties the two."""
    cluster = view(settings, observed)
    if cluster is None or node_of(settings, observed, cluster, name) is not None:
        return None
    node = likely_node(settings, observed, cluster, name)
    if node is None:
        return None
    address = settings.host(name).address
    return Refusal(
        "the swarm",
        f"it says that it is node {node.id}, but the managers list that node under another address "
        "and another name than are declared for this host, so nothing is changed for it",
        expected=f"{name} at {address}",
        found=f"{node.hostname or 'no name'} at {node.address or 'no address'}",
        remedy="Declare the address that the swarm uses (hosts.address; another one for logins: "
        "hosts.ssh_host). Or give the host its declared name, `sudo hostnamectl set-hostname "
        f"{quoted(name)}`, and restart Docker",
    )


def _claimed(own: Membership | None, cluster: Membership | None) -> Node | None:
    if own is None or cluster is None or not own.in_swarm:
        return None
    return next((node for node in cluster.nodes or () if node.id == own.node), None)


def _rivals(observed: Observed, node: Node, name: str) -> list[str]:
    """Others that say that they are this node."""
    return [n for n, m in observed.items() if n != name and m and m.in_swarm and m.node == node.id]


def _refusal(name: str, reason: str) -> Refusal:
    return Refusal(
        "the swarm",
        f"{name} {reason}: nothing is done for it",
        remedy=f"Check the addresses in cluster.toml. If {name} is a copy of another host's disk, "
        f"or has its data: `docker swarm leave --force` on {name}, then run again. If not, {name} "
        "lies, and somebody else may be root there: take it out, `pyinfra inventory.py "
        f"deploys/remove.py --data host={quoted(name)}`, and reinstall it",
    )
