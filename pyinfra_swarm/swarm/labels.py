"""Labels: they and the availability as declared, what was set by hand, and undeclared nodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyinfra_swarm.nodes.identity import likely_node, node_of, owners
from pyinfra_swarm.nodes.membership import Membership, Node, Observed, acting_manager, view
from pyinfra_swarm.nodes.steps import Step
from pyinfra_swarm.run.findings import Finding, Notice
from pyinfra_swarm.run.printable import quoted, quoted_name, setting
from pyinfra_swarm.settings.labels import AVAILABILITY_BEFORE, LABEL_PREFIX
from pyinfra_swarm.swarm.join import never_came_up

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Host, Settings


@dataclass(frozen=True, kw_only=True)
class SetLabel(Step):
    """This host's node gets a label."""

    key: str
    value: str


@dataclass(frozen=True, kw_only=True)
class SetAvailability(Step):
    """This host's node gets an availability."""

    availability: str


def plan_labels(settings: Settings, observed: Observed, host: Host) -> list[Finding]:
    """Declared labels and availability; what an operator did by hand is reported."""
    own, cluster = observed.get(host.name), view(settings, observed)
    if own is None:
        return []
    node = likely_node(settings, observed, cluster, host.name) if cluster else None
    found = node.labels if node else {}
    findings: list[Finding] = [
        SetLabel(
            f"label {key}",
            "declared otherwise" if key in found else "declared, but missing",
            expected=value,
            found=found.get(key, "none"),
            key=key,
            value=value,
        )
        for key, value in sorted(host.labels.items())
        if found.get(key) != value
    ]
    if node is None:
        if host.availability and host.availability != "active":
            findings.append(_availability(host.availability, ""))
        return findings
    findings += [
        Notice(
            f"label {key}",
            "is set by hand",
            found=value,
            remedy=f"Declare it, or remove it: `docker node update --label-rm={quoted(key)} "
            f"{quoted_name(node.hostname, node.id)}`",
        )
        for key, value in sorted(found.items())
        if key not in host.labels and not key.startswith(LABEL_PREFIX)
    ]
    if AVAILABILITY_BEFORE in found:
        drained = node.availability == "drain"
        findings.append(
            Notice(
                "availability",
                f"was {'set' if drained else 'restored'} by a rolling job that has not finished",
                expected=found[AVAILABILITY_BEFORE] if drained else "",
                found=node.availability if drained else "",
                remedy="Run that job again (deploys/upgrade.py, deploys/restart.py or "
                "deploys/reboot.py): it resumes where it stopped",
            )
        )
    elif host.availability and node.availability != host.availability:
        findings.append(_availability(host.availability, node.availability))
    elif host.availability is None and node.availability != "active":
        findings.append(
            Notice(
                "availability",
                "was set by hand",
                expected="active",
                found=node.availability,
                remedy=f"Declare availability = {setting(node.availability)}, or put it back: "
                f"`docker node update --availability active {quoted_name(node.hostname, node.id)}`",
            )
        )
    if node.address not in ("", "0.0.0.0", host.address):
        findings.append(
            Notice(
                "address",
                "the swarm knows this host under another address than declared",
                expected=host.address,
                found=node.address,
                remedy="A node keeps the address that it has joined with. To have it leave and "
                "join again, with its tasks moved away first: `pyinfra inventory.py "
                f"deploys/replace.py --data host={quoted(host.name)}`, then the site",
            )
        )
    if cluster and acting_manager(settings, observed) == host.name:
        findings += _undeclared(settings, observed, cluster)
    return findings


def _availability(declared: str, found: str) -> SetAvailability:
    return SetAvailability(
        "availability", "declared otherwise", expected=declared, found=found, availability=declared
    )


def _undeclared(settings: Settings, observed: Observed, cluster: Membership) -> list[Finding]:
    names = [host.name for host in settings.hosts]
    known: set[str] = set()
    claimed: dict[str, str] = {}
    for name in names:
        if (own := node_of(settings, observed, cluster, name)) is not None:
            known.add(own.id)
        elif (likely := likely_node(settings, observed, cluster, name)) is not None:
            claimed[likely.id] = name
    # A host or an engine that is silent does not say which node it is, the managers need some
    # seconds to notice that one has left, and a dead entry is cleared when its host joins. But
    # anybody can take a name: a live node under the name of a silent host is reported.
    of = owners(settings, cluster)
    mute = {
        settings.host(n).address: n
        for n in names
        if (m := observed.get(n)) is None or m.engine != "running" or m.in_none
    }

    def doubted(node: Node) -> str:
        if node.id in claimed:
            return f": {claimed[node.id]} says that this is its node, and nothing else does"
        if of.get(node.id) in mute.values():
            return f": it has the name of {of[node.id]}, which does not say that this is its node"
        return ""

    return [
        Notice(
            f"node {node.hostname or node.id}",
            "is an entry of a join that was cut off: nothing has ever come up as it"
            if never_came_up(node)
            else f"is in the swarm, but not declared{doubted(node)}",
            found=", ".join(filter(None, (node.role, node.state, node.address))),
            remedy="Declare it, or take it out: `pyinfra inventory.py deploys/remove.py --data "
            # By its name, a declared host would go that has the same.
            f"host={quoted_name('' if node.hostname in names else node.hostname, node.id)}`",
        )
        for node in cluster.nodes or ()
        if node.id not in known
        and node.address not in mute
        and not (node.state != "ready" and node.id in of)
    ]
