"""A declared stack judged by the lint, with what the cluster knows: before it is deployed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pyinfra_swarm.nodes.membership import Membership
from pyinfra_swarm.run.findings import Finding, Notice, Refusal
from pyinfra_swarm.services.service import Kind
from pyinfra_swarm.stacks.lint import Context, Image, Issue, Network, Node, Platform, declared
from pyinfra_swarm.stacks.seen import Seen

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings

Existing = Mapping[Kind, frozenset[str]]
"""The names of all secrets and of all configs of the swarm."""


@dataclass(frozen=True)
class Looked:
    """What was asked for the lint alone, and answered.

    platforms: what images are made for. missing: by the name of a declared host, the paths that it
    does not have.
    """

    platforms: Mapping[str, tuple[Platform, ...]] = field(default_factory=dict)
    missing: Mapping[str, frozenset[str]] = field(default_factory=dict)


NOT_LOOKED = Looked()


def judged(stack: str, issues: Iterable[Issue]) -> list[Finding]:
    """What the lint says of a stack: refusals keep it as it is, notices are told."""
    return [_finding(stack, issue) for issue in issues]


def _finding(stack: str, issue: Issue) -> Finding:
    """Words of a compose file are no commands to be copied, so nothing stands between backticks."""
    kind = Refusal if issue.severity == "refusal" else Notice
    what = f"stack {stack}: {issue.path}" if issue.path else f"stack {stack}"
    reason = f"{issue.reason} ({issue.file}:{issue.line}, rule {issue.rule})"
    remedy = issue.remedy[:1].upper() + issue.remedy[1:]
    return kind(_no_command(what), _no_command(reason), remedy=_no_command(remedy))


def _no_command(text: str) -> str:
    return text.replace("`", "'")


def context_of(
    settings: Settings,
    stack: str,
    cluster: Membership | None,
    seen: Seen,
    existing: Existing | None,
    looked: Looked = NOT_LOOKED,
) -> Context:
    """What the cluster knows. existing: ``None`` where it was not asked for."""
    known = declared(settings, stack)
    nodes = _nodes(settings, cluster)
    return replace(
        known,
        nodes=nodes or known.nodes,
        images={name: Image(platforms) for name, platforms in looked.platforms.items()},
        missing_paths=_lacking(settings, nodes or known.nodes or (), looked.missing),
        networks={**known.networks, **_networks(cluster)},
        taken=_taken(stack, seen),
        existing_secrets=existing["secret"] if existing else None,
        existing_configs=existing["config"] if existing else None,
        alone=False,
    )


def _nodes(settings: Settings, cluster: Membership | None) -> tuple[Node, ...] | None:
    """The swarm's nodes; those of declared hosts with the labels that they are to have as well."""
    if cluster is None or not cluster.nodes:
        return None
    labels = {host.address: host.labels for host in settings.hosts}
    return tuple(
        Node(
            node.hostname or node.id,
            id=node.id,
            hostname=node.hostname or None,
            address=node.address or None,
            role=node.role,
            availability=node.availability,
            platform=Platform(node.os, node.architecture) if node.architecture else None,
            labels={**node.labels, **labels.get(node.address, {})},
        )
        for node in cluster.nodes
    )


def _lacking(
    settings: Settings, nodes: Iterable[Node], missing: Mapping[str, frozenset[str]]
) -> Mapping[str, frozenset[str]]:
    """By path, the nodes that lack it, as they are called here."""
    at = {host.address: missing.get(host.name, frozenset()) for host in settings.hosts}
    lacks = {node.name: at.get(node.address or "", frozenset()) for node in nodes}
    paths = {path for found in lacks.values() for path in found}
    return {path: frozenset(name for name in lacks if path in lacks[name]) for path in paths}


def _networks(cluster: Membership | None) -> Mapping[str, Network]:
    overlays = (cluster.overlays if cluster else None) or ()
    return {one.name: Network("overlay", one.encrypted) for one in overlays}


def _taken(stack: str, seen: Seen) -> Mapping[tuple[int, str], str]:
    """The ports that services of other stacks publish."""
    return {
        (int(port["PublishedPort"]), str(port.get("Protocol", "tcp"))): service.name
        for service in seen.services
        if service.stack != stack
        for port in (service.spec.get("EndpointSpec") or {}).get("Ports") or ()
        if port.get("PublishedPort")
    }


def existing_names(objects: Iterable[tuple[Kind, str]]) -> Existing:
    """The names by kind."""
    found: dict[Kind, set[str]] = {"secret": set(), "config": set()}
    for kind, name in objects:
        found[kind].add(name)
    return {kind: frozenset(names) for kind, names in found.items()}
