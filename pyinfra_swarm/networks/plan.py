"""The swarm's overlay networks: the ingress encrypted, and all others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyinfra_swarm.nodes.identity import likely_node
from pyinfra_swarm.nodes.membership import (
    Membership,
    Observed,
    Overlay,
    Service,
    acting_manager,
    view,
)
from pyinfra_swarm.nodes.steps import Step
from pyinfra_swarm.run.findings import Finding, Notice, Refusal
from pyinfra_swarm.run.printable import quoted
from pyinfra_swarm.settings.values.numbers import SMALLEST_MTU

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Host, Settings
    from pyinfra_swarm.settings.model import Overlay as DeclaredOverlay


@dataclass(frozen=True)
class ReplaceIngress(Step):
    """The ingress network is created encrypted; an existing one is removed first."""


@dataclass(frozen=True, kw_only=True)
class AttachIngress(Step):
    """This node is attached to the ingress network."""

    node: str


@dataclass(frozen=True, kw_only=True)
class CreateOverlay(Step):
    """A declared overlay network is created, encrypted."""

    name: str


def services_matter(settings: Settings, observed: Observed) -> bool:
    """Whether it has to be known which services use which network: some network is clear."""
    cluster = view(settings, observed)
    return cluster is not None and any(not o.encrypted for o in cluster.overlays or ())


def plan_ingress(
    settings: Settings, observed: Observed, host: Host, services: Sequence[Service]
) -> list[Finding]:
    """The ingress network encrypted, and this node in it.

    The network is the acting manager's to replace, its own end every node's.
    """
    cluster = view(settings, observed)
    if cluster is None:
        return []
    ingress = ingress_of(cluster)
    if acting_manager(settings, observed) != host.name:
        encrypted = ingress is not None and ingress.encrypted
        return _end(settings, observed, cluster, host.name) if encrypted else []
    if ingress is None:
        return [ReplaceIngress("ingress", "the swarm has none", expected="encrypted")]
    if not ingress.encrypted:
        users = [f"{s.name} (port {_ports(s)})" for s in services if s.mesh_ports]
        if users:
            return [
                Refusal(
                    "ingress",
                    "is not encrypted, and cannot be replaced while services publish ports "
                    f"through it: {', '.join(users)}",
                    expected="encrypted",
                    found="clear text",
                    remedy="Take their ports away (`docker service update --publish-rm PORT "
                    "SERVICE`), run again, and publish them again",
                )
            ]
        own = observed[host.name]
        if own and own.in_ingress is False and cluster.spec and cluster.spec.autolock:
            return [
                Refusal(
                    "ingress",
                    "is not encrypted, and cannot be replaced while this manager is in no overlay "
                    "network, as happens after unlocking",
                    expected="encrypted",
                    found="clear text",
                    remedy="`pyinfra inventory.py deploys/unlock.py` fixes that; then run again",
                )
            ]
        return [
            ReplaceIngress(
                "ingress", "is not encrypted", expected="encrypted (replaced)", found="clear text"
            )
        ]
    findings = _end(settings, observed, cluster, host.name)
    if settings.networks.ingress_subnet not in ingress.subnets:
        findings.append(
            Notice(
                "ingress",
                "has another subnet than declared",
                expected=settings.networks.ingress_subnet,
                found=", ".join(ingress.subnets),
                remedy="Set networks.ingress_subnet to what it is, or replace the network while "
                "nothing publishes ports",
            )
        )
    return findings


def ingress_of(cluster: Membership) -> Overlay | None:
    """The swarm's ingress network, if it has one."""
    return next((overlay for overlay in cluster.overlays or () if overlay.ingress), None)


def _end(settings: Settings, observed: Observed, cluster: Membership, name: str) -> list[Finding]:
    own, node = observed.get(name), likely_node(settings, observed, cluster, name)
    if own is None or node is None or own.state != "active" or own.in_ingress is not False:
        return []
    return [
        AttachIngress(
            "ingress",
            "this node is not attached to it, so published ports do not answer here",
            expected="joined",
            node=node.id,
        )
    ]


def unknown_names(observed: Observed, name: str) -> list[Finding]:
    """Services that another host knows in a network, and this host's engine does not.

    Their tasks run, and containers on this host cannot find them by name: after a link was gone for
    some seconds, engines may forget such names and not learn them again (moby #53141).
    """
    own = observed.get(name)
    if own is None or own.state != "active":
        return []
    others = [one for other, one in observed.items() if one and other != name]
    return [
        Notice(
            f"service {service}",
            f"its name is not known on this node in the network {network}, though it has tasks "
            "there: containers here cannot find it",
            remedy=f"`docker service update --force {quoted(service)}` on a manager publishes it "
            "again",
        )
        for network, known in sorted(own.names.items())
        for service in sorted({s for one in others for s in one.names.get(network, ())})
        if service not in known
    ]


def plan_overlays(
    settings: Settings, observed: Observed, host: Host, services: Sequence[Service]
) -> list[Finding]:
    """Declared overlay networks exist, encrypted; others without encryption are named.

    So are those that were made otherwise than ``networks.overlays`` declares them.
    """
    cluster = view(settings, observed)
    declared = {overlay.name: overlay for overlay in settings.overlays}
    if cluster is None:
        return []
    findings: list[Finding] = unknown_names(observed, host.name)
    if acting_manager(settings, observed) != host.name:
        return findings
    existing = {o.name: o for o in cluster.overlays or () if not o.ingress}
    findings += [
        CreateOverlay(
            f"overlay {name}", "is declared and does not exist", expected="encrypted", name=name
        )
        for name in declared
        if name not in existing
    ]
    by_owner = {one.name: one for one in settings.networks.overlays}
    for name, overlay in sorted(existing.items()):
        if name in by_owner:
            findings += _made_otherwise(by_owner[name], overlay)
        if overlay.encrypted:
            continue
        users = [s.name for s in services if overlay.id in s.networks]
        findings.append(
            Notice(
                f"overlay {name}",
                f"is not encrypted; {_users(users)}",
                expected="encrypted",
                found="clear text",
                remedy="Encryption cannot be switched on: create another network with "
                "`--opt encrypted` and move the services there",
            )
        )
    return findings


def _made_otherwise(declared: DeclaredOverlay, overlay: Overlay) -> list[Finding]:
    """What a network has for good, and is declared otherwise."""
    findings: list[Finding] = []
    if declared.subnet and overlay.subnets and declared.subnet not in overlay.subnets:
        findings.append(
            Notice(
                f"overlay {overlay.name}",
                "has another subnet than declared",
                expected=declared.subnet,
                found=", ".join(overlay.subnets),
                remedy=_FOR_GOOD.format(field="subnet"),
            )
        )
    if declared.attachable != overlay.attachable:
        findings.append(
            Notice(
                f"overlay {overlay.name}",
                "lets single containers join, and is declared not to"
                if overlay.attachable
                else "lets no single container join, and is declared to",
                expected="attachable" if declared.attachable else "not attachable",
                found="attachable" if overlay.attachable else "not attachable",
                remedy=_FOR_GOOD.format(field="attachable"),
            )
        )
    return findings


_FOR_GOOD = (
    "A network keeps what it was made with: set its {field} in networks.overlays to what it is, or "
    "create another network and move the services there, or remove it while nothing uses it, and "
    "run again"
)


def _users(services: Sequence[str]) -> str:
    """For a reason: its words are the same for any number of services, or each would be news."""
    return f"used in clear text by: {', '.join(services)}" if services else "nothing uses it"


def mtu_refusals(uplinks: Mapping[str, int | None]) -> list[Finding]:
    """What speaks against making networks for the smallest of the hosts' uplinks.

    uplinks: the MTU in bytes of each host's uplink, by its name; 0 or ``None`` where it has none or
    is silent. A network keeps for good what it is made for, on all hosts, so what hardly any link
    has is taken from none of them: one host's word would slow all others down.
    """
    return [
        Refusal(
            "networks.mtu",
            f"is not declared, and {name} says that its uplink has an MTU of {mtu}. Networks are "
            "made for the smallest, on all hosts and for good, and less than "
            f"{SMALLEST_MTU} is not taken",
            remedy=f"Look at the link on {name} (`ip link`) and fix it, or set networks.mtu to "
            "what the links between the hosts carry",
        )
        for name, mtu in uplinks.items()
        if mtu and mtu < SMALLEST_MTU
    ]


def _ports(service: Service) -> str:
    return ", ".join(map(str, service.mesh_ports))
