"""Which nodes exchange packets over which overlay networks, and which nodes cannot take part.

The proof needs nothing of its own on the nodes: packets travel between the attachments that the
engines keep (:mod:`networks.attachments`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyinfra_swarm.networks.attachments import Attachment, Attachments
from pyinfra_swarm.networks.plan import ingress_of
from pyinfra_swarm.nodes.identity import likely_node, owners
from pyinfra_swarm.nodes.membership import Observed, acting_manager, view
from pyinfra_swarm.run.findings import Finding, Notice, Refusal

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings

SWARM_DEPLOY = "pyinfra inventory.py deploys/swarm.py"


@dataclass(frozen=True)
class Crossing:
    """One network, from one node to another.

    sender, receiver: names of hosts; source, target: their attachments.
    underlay: the sender's and the receiver's addresses as swarm nodes.
    """

    network: str
    sender: str
    receiver: str
    source: Attachment
    target: Attachment
    underlay: tuple[str, str]


def crossings(
    settings: Settings, observed: Observed, attachments: Attachments, focus: Iterable[str] = ()
) -> tuple[Crossing, ...]:
    """Every ordered pair of nodes in every encrypted network that both are attached to.

    focus: only pairs with one of these hosts; none: all pairs.
    """
    without = unproven(settings, observed, attachments)
    able = [host.name for host in settings.hosts if host.name not in without]
    near = set(focus) or set(able)
    found = []
    for sender in able:
        for receiver in able:
            if sender == receiver or not near & {sender, receiver}:
                continue
            targets = {one.sandbox: one for one in attachments.get(receiver) or () if one.encrypted}
            found += [
                Crossing(
                    source.network,
                    sender,
                    receiver,
                    source,
                    targets[source.sandbox],
                    (_address(observed, sender), _address(observed, receiver)),
                )
                for source in attachments.get(sender) or ()
                if source.encrypted and source.sandbox in targets
            ]
    return tuple(sorted(found, key=lambda c: (not c.source.ingress, c.network)))


def _address(observed: Observed, name: str) -> str:
    membership = observed[name]
    assert membership is not None  # it is able to take part
    return membership.address


def unproven(settings: Settings, observed: Observed, attachments: Attachments) -> dict[str, str]:
    """Nodes that take no part, with the reason: declared hosts by name, others by hostname."""
    cluster = view(settings, observed)
    found: dict[str, str] = {}
    if cluster is None:
        return {host.name: "no manager answers for a swarm" for host in settings.hosts}
    known = set()
    for host in settings.hosts:
        membership = observed.get(host.name)
        node = likely_node(settings, observed, cluster, host.name)
        if node is not None:
            known.add(node.id)
        if membership is None:
            found[host.name] = "does not answer"
        elif membership.engine != "running":
            found[host.name] = f"its Docker is {membership.engine}"
        elif node is None:
            found[host.name] = "is not in the swarm"
        elif node.state != "ready":
            found[host.name] = f"is {node.state}"
        elif attachments.get(host.name) is None:
            found[host.name] = "did not say which networks it is attached to"
        elif not has_ingress(attachments, host.name):
            found[host.name] = NO_INGRESS
    silent = {name for name, m in observed.items() if m is None or m.engine != "running"}
    of = owners(settings, cluster)
    for node in cluster.nodes or ():
        if node.id not in known and of.get(node.id) not in silent:
            declared = any(host.name == node.hostname for host in settings.hosts)
            found.setdefault(
                node.id if declared else node.hostname,
                "is in the swarm, but not declared, so it could not be asked",
            )
    return found


NO_INGRESS = "is not attached to the ingress network"
"""Why a ready node takes no part: unlike the other reasons, this one is a defect."""


def has_ingress(attachments: Attachments, name: str) -> bool:
    """Whether this host's engine has joined the ingress network."""
    return any(one.ingress for one in attachments.get(name) or ())


def plan_proof(
    settings: Settings, observed: Observed, attachments: Attachments, name: str
) -> list[Finding]:
    """What prevents the proof: refusals for all hosts, notices for those they concern."""
    cluster = view(settings, observed)
    if cluster is None:
        return [
            Refusal(
                "the data plane",
                "cannot be proven: no manager of a swarm answers",
                remedy=f"`{SWARM_DEPLOY}` initialises it, or says what is wrong with it",
            )
        ]
    ingress = ingress_of(cluster)
    if ingress is None or not ingress.encrypted:
        return [
            Refusal(
                "the data plane",
                "is not encrypted: the ingress network is " + ("missing" if not ingress else "not"),
                expected="encrypted",
                remedy=f"`{SWARM_DEPLOY}` encrypts it",
            )
        ]
    without = unproven(settings, observed, attachments)
    declared = {host.name for host in settings.hosts}
    acting = acting_manager(settings, observed)
    findings: list[Finding] = [
        Notice(
            f"node {node}",
            f"takes no part in the proof: {reason}",
            remedy=f"`{SWARM_DEPLOY}` attaches it" if reason == NO_INGRESS else "",
        )
        for node, reason in without.items()
        if node == name or (name == acting and (node not in declared or observed[node] is None))
    ]
    if name == acting:
        findings += [
            Notice(
                f"overlay {overlay.name}",
                "is not encrypted, so there is nothing to prove of it",
                expected="encrypted",
                found="clear text",
            )
            for overlay in cluster.overlays or ()
            if not overlay.encrypted
        ]
    return findings
