"""The root CA that all certificates of a swarm come from, and its replacement.

What a rotation of the root CA does was seen with 26.1.5 (docs/decisions/swarm-keys.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_swarm.nodes.membership import Membership, Node, Observed, acting_manager, view
from pyinfra_swarm.run.findings import Change, Finding, Refusal
from pyinfra_swarm.run.wording import listed, verb

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Host, Settings


def plan_ca_rotation(
    settings: Settings, observed: Observed, host: Host, *, awaited: bool = False
) -> list[Finding]:
    """The root CA replaced, or a replacement that was begun awaited; refused where it cannot end.

    A node that is down keeps it from ending: as long as one has a certificate of the old root,
    both are trusted.

    awaited: this run has found one under way; if it has ended since, there is nothing to do.
    """
    cluster = view(settings, observed)
    if cluster is None or cluster.spec is None:
        return [no_manager("the root CA is not replaced")]
    gone = unavailable(cluster)
    if cluster.spec.rotating:
        behind = [node.hostname for node in pending(cluster)]
        if late := [name for name in gone if name in behind]:
            return [
                Refusal(
                    "root CA",
                    f"is being replaced, and that cannot end before {listed(late)} "
                    f"{verb(late, 'has', 'have')} a certificate of the new one: "
                    f"{verb(late, 'is', 'are')} down",
                    found=progress_of(cluster),
                    remedy=_BRING_BACK,
                )
            ]
        waiting = Change(
            "root CA", "is being replaced already; the end is awaited", found=progress_of(cluster)
        )
        return [waiting] if acting_manager(settings, observed) == host.name else []
    if awaited:
        return []
    if gone:
        return [
            Refusal(
                "root CA",
                f"is not replaced while {listed(gone)} {verb(gone, 'is', 'are')} down: it would "
                "not end before every node has a certificate of the new one",
                remedy=_BRING_BACK,
            )
        ]
    if acting_manager(settings, observed) != host.name:
        return []
    return [
        Change(
            "root CA",
            "is replaced, as asked for: every node gets a certificate of the new one, and both "
            "join tokens change",
        )
    ]


_BRING_BACK = (
    "Bring it back and run again; or, if it is gone for good, take it out (demote it if it is a "
    "manager, then `docker node rm --force`): a node taken out has to join anew"
)


def pending(cluster: Membership) -> list[Node]:
    """The nodes that have no certificate of the key that signs now."""
    issuer = cluster.spec.issuer if cluster.spec else ""
    return [node for node in cluster.nodes or () if node.issuer != issuer]


def progress_of(cluster: Membership) -> str:
    """How far a replacement of the root CA has come, in words."""
    nodes = cluster.nodes or ()
    return f"{len(nodes) - len(pending(cluster))} of {len(nodes)} nodes have a new certificate"


def unavailable(cluster: Membership) -> list[str]:
    """The nodes, by host name, that do not answer."""
    return [
        node.hostname
        for node in cluster.nodes or ()
        if node.state != "ready" or (node.role == "manager" and node.reachability != "reachable")
    ]


def no_manager(what: str) -> Refusal:
    """Nothing can be done without a manager that answers for the swarm."""
    return Refusal(
        "the swarm",
        f"{what}: no declared manager answers for one",
        remedy="`pyinfra inventory.py deploys/swarm.py --dry` says why",
    )
