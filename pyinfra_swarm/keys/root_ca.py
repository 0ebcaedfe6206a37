"""The root CA that all certificates of a swarm come from, and its replacement.

What a rotation of the root CA does was seen with 26.1.5 (docs/decisions/swarm-keys.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyinfra_swarm.nodes.membership import Membership, Node, Observed, acting_manager, view
from pyinfra_swarm.nodes.refusals import no_manager
from pyinfra_swarm.run.findings import Change, Finding, Refusal
from pyinfra_swarm.run.wording import listed, verb

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Host, Settings


@dataclass(frozen=True)
class AwaitRotation(Change):
    """A replacement of the root CA is under way; its end is awaited."""


@dataclass(frozen=True)
class RotateRootCA(Change):
    """The root CA is replaced."""


def plan_ca_rotation(
    settings: Settings, observed: Observed, host: Host, *, awaited: bool = False
) -> list[Finding]:
    """The root CA replaced, or the end of a replacement awaited; refused where it cannot end.

    A node that is down keeps it from ending: while one node has a certificate of the old root,
    both roots are trusted.

    awaited: this run has found a replacement under way. If it has ended since, nothing is to do.
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
                    f"{verb(late, 'has', 'have')} a certificate of the new one, and "
                    f"{verb(late, 'it is', 'they are')} down",
                    found=progress_of(cluster),
                    remedy=_BRING_BACK,
                )
            ]
        waiting = AwaitRotation(
            "root CA", "is being replaced already; the end is awaited", found=progress_of(cluster)
        )
        return [waiting] if acting_manager(settings, observed) == host.name else []
    if awaited:
        return []
    if gone:
        return [
            Refusal(
                "root CA",
                f"is not replaced while {listed(gone)} {verb(gone, 'is', 'are')} down: the "
                "replacement would not end before "
                "every node has a certificate of the new one",
                remedy=_BRING_BACK,
            )
        ]
    if acting_manager(settings, observed) != host.name:
        return []
    return [
        RotateRootCA(
            "root CA",
            "is replaced, as asked for: every node gets a certificate of the new one, and both "
            "join tokens change",
        )
    ]


_BRING_BACK = (
    "Bring it back and run again; or, if it is gone for good, take it out (demote it if it is a "
    "manager, then `docker node rm --force`): a node that was taken out has to join again"
)


def pending(cluster: Membership) -> list[Node]:
    """The nodes without a certificate that the present key has signed."""
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
