"""The plan as a whole: an ordered list of safe steps from what is to what is declared, or refusals.

The stages are those of ``deploys/swarm.py``, in its order. An operation that carries out asks the
planner of its stage anew, from what it sees at that moment. What a run *will* do is foreseen: the
stages are planned one after the other, each from what the steps before it will have made of the
swarm. So a dry run, a run and the tests' simulation go through the same steps.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pyinfra_swarm.networks.plan import plan_ingress, plan_overlays
from pyinfra_swarm.nodes import steps as step
from pyinfra_swarm.nodes.identity import contradiction, doubt, node_at
from pyinfra_swarm.nodes.membership import (
    Membership,
    Node,
    Observed,
    Overlay,
    Service,
    managers_of,
    view,
)
from pyinfra_swarm.nodes.steps import Step, steps
from pyinfra_swarm.run.findings import Finding, Refusal, changes, refusals
from pyinfra_swarm.swarm.labels import plan_labels
from pyinfra_swarm.swarm.plan import plan_demotion, plan_join, plan_promotion, plan_swarm

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Host, Settings


@dataclass(frozen=True)
class Seen:
    """What a stage is planned from.

    services: the swarm's, where some network is not encrypted; else they do not matter.
    planning: nothing was carried out yet, so a stopped engine is one that will be started.
    """

    settings: Settings
    observed: Observed
    services: Sequence[Service] = ()
    planning: bool = False


@dataclass(frozen=True)
class Stage:
    """One operation of the deploy, by name. serial: host by host, each from what is so by then.

    finds: what it finds for a host whose word for itself can be true.
    """

    operation: str
    finds: Callable[[Seen, Host], list[Finding]]
    serial: bool = False

    def plan(self, seen: Seen, host: Host) -> list[Finding]:
        """What the operation finds for a host; a refusal where its word decides about others."""
        if refused := contradiction(seen.settings, seen.observed, host.name):
            return [refused]
        found = self.finds(seen, host)
        unsure = doubt(seen.settings, seen.observed, host.name) if changes(found) else None
        return [unsure] if unsure else found


FOUND = Stage(
    "founded", lambda s, host: plan_swarm(s.settings, s.observed, host, planning=s.planning)
)
INGRESS = Stage(
    "ingress_encrypted", lambda s, host: plan_ingress(s.settings, s.observed, host, s.services)
)
JOIN = Stage("joined", lambda s, host: plan_join(s.settings, s.observed, host, planning=s.planning))
PROMOTE = Stage(
    "promoted", lambda s, host: plan_promotion(s.settings, s.observed, host), serial=True
)
DEMOTE = Stage(
    "demoted",
    lambda s, host: plan_demotion(s.settings, s.observed, host, leader=False),
    serial=True,
)
DEMOTE_LEADER = Stage(
    "leader_demoted",
    lambda s, host: plan_demotion(s.settings, s.observed, host, leader=True),
    serial=True,
)
LABEL = Stage("labelled", lambda s, host: plan_labels(s.settings, s.observed, host))
OVERLAYS = Stage(
    "overlays_encrypted", lambda s, host: plan_overlays(s.settings, s.observed, host, s.services)
)

STAGES = (FOUND, INGRESS, JOIN, PROMOTE, DEMOTE, DEMOTE_LEADER, LABEL, OVERLAYS)


@dataclass(frozen=True)
class Planned:
    """What a stage finds for a host; nothing where it has nothing to do there."""

    stage: Stage
    host: str
    findings: list[Finding]


@dataclass(frozen=True)
class Plan:
    """All that a run will find and do, in its order."""

    entries: tuple[Planned, ...]

    def of(self, stage: Stage, host: str) -> list[Finding]:
        """What a stage will find for a host."""
        return [
            finding
            for entry in self.entries
            if entry.stage is stage and entry.host == host
            for finding in entry.findings
        ]

    @property
    def steps(self) -> list[tuple[str, Step]]:
        """Host and step, in the order in which they are carried out."""
        return [(entry.host, one) for entry in self.entries for one in steps(entry.findings)]

    @property
    def refusals(self) -> list[tuple[str, Refusal]]:
        """Host and refusal; such a host is out of the run's later stages."""
        return [(entry.host, one) for entry in self.entries for one in refusals(entry.findings)]


def plan(seen: Seen, among: Collection[str] | None = None) -> Plan:
    """All stages, each from what the ones before it will have done.

    among: the hosts that the run works on, where these are not all. A silent host does nothing.
    """
    observed = dict(seen.observed)
    if seen.planning:
        _start(seen.settings, observed)
    working = [
        host
        for host in seen.settings.hosts
        if observed.get(host.name) is not None and (among is None or host.name in among)
    ]
    entries: list[Planned] = []
    for stage in STAGES:
        batches = [[host] for host in working] if stage.serial else [working]
        for batch in batches:
            now = replace(seen, observed=observed)
            found = [Planned(stage, host.name, stage.plan(now, host)) for host in batch]
            for entry in found:
                if refusals(entry.findings):
                    working = [host for host in working if host.name != entry.host]
                else:
                    for one in steps(entry.findings):
                        _foresee(seen.settings, observed, seen.settings.host(entry.host), one)
            entries += [entry for entry in found if entry.findings]
    return Plan(tuple(entries))


# What a step will have done
# --------------------------


def _start(settings: Settings, observed: dict[str, Membership | None]) -> None:
    """Stopped engines have been started before the swarm's turn comes: as what they were."""
    cluster = view(settings, observed)
    if cluster is None:
        return
    known = {member.node for member in observed.values() if member}
    for host in settings.hosts:
        own = observed.get(host.name)
        if own is None or own.engine != "stopped":
            continue
        node = node_at(settings, cluster, host.name)
        if node is None or node.id in known:
            continue
        observed[host.name] = replace(
            own,
            engine="running",
            hostname=node.hostname,
            state="active",
            node=node.id,
            address=node.address,
            manager=node.role == "manager",
        )
        reachability = "reachable" if node.votes else ""
        _change(observed, node.id, state="ready", reachability=reachability)


def _foresee(
    settings: Settings, observed: dict[str, Membership | None], host: Host, one: Step
) -> None:
    own = observed[host.name] or Membership("running")
    match one:
        case step.Found():
            _found(observed, host, own)
        case step.Join() | step.AwaitJoin():
            _join(settings, observed, host, own)
        case step.EnterIngress():
            observed[host.name] = replace(own, in_ingress=True)
        case step.ReplaceIngress():
            ingress = Overlay("", "ingress", True, True, (settings.networks.ingress_subnet,))
            _agree(observed, overlays=lambda old: (*(o for o in old if not o.ingress), ingress))
            for name, member in observed.items():
                if member and member.in_ingress is not None:
                    observed[name] = replace(member, in_ingress=True)
        case step.CreateOverlay(name=name):
            _agree(observed, overlays=lambda old: (*old, Overlay("", name, False, True, ())))
        case step.Clear(node=gone):
            _agree(observed, nodes=lambda old: tuple(n for n in old if n.id != gone.id))
        case step.Promote(node=node_id):
            cluster = view(settings, observed)
            if cluster and node_id:
                answers = replace(own, manager=True, cluster=cluster.cluster, nodes=cluster.nodes)
                observed[host.name] = replace(answers, overlays=cluster.overlays)
                _change(observed, node_id, role="manager", reachability="reachable")
        case step.Demote(node=node_id):
            observed[host.name] = replace(own, manager=False, cluster="", nodes=None, overlays=None)
            _change(observed, node_id, role="worker", reachability="", leader=False)
            if one.leader:
                cluster = view(settings, observed)
                heirs = [node.id for node in managers_of(cluster)] if cluster else []
                _change(observed, next(iter(heirs), ""), leader=True)
        case step.SetLabel(key=key, value=value):
            node = _entry(settings, observed, own)
            _change(observed, own.node, labels={**(node.labels if node else {}), key: value})
        case step.SetAvailability(availability=availability):
            _change(observed, own.node, availability=availability)


def _found(observed: dict[str, Membership | None], host: Host, own: Membership) -> None:
    node = replace(_new_worker(host, own), role="manager", leader=True, reachability="reachable")
    observed[host.name] = replace(
        own,
        engine="running",
        state="active",
        node=node.id,
        address=host.address,
        manager=True,
        cluster="(to come)",
        nodes=(node,),
        overlays=(Overlay("", "ingress", True, False, ()),),
    )


def _join(
    settings: Settings, observed: dict[str, Membership | None], host: Host, own: Membership
) -> None:
    cluster = view(settings, observed)
    if cluster is None:
        return  # nothing is known of the swarm that it will be in
    node = _entry(settings, observed, own) or _new_worker(host, own)
    observed[host.name] = replace(
        own, engine="running", state="active", node=node.id, address=host.address
    )
    _agree(observed, nodes=lambda old: (*(n for n in old if n.id != node.id), node))


def _new_worker(host: Host, own: Membership) -> Node:
    return Node(
        id=f"({host.name})",
        hostname=own.hostname or host.name,
        address=host.address,
        role="worker",
        availability="active",
        state="ready",
        leader=False,
        reachability="",
        labels={},
        engine_version="",
    )


def _entry(
    settings: Settings, observed: dict[str, Membership | None], own: Membership
) -> Node | None:
    cluster = view(settings, observed)
    return next((n for n in (cluster.nodes if cluster else None) or () if n.id == own.node), None)


def _change(observed: dict[str, Membership | None], node_id: str, **values: object) -> None:
    _agree(
        observed,
        nodes=lambda old: tuple(
            replace(node, **values) if node.id == node_id else node  # type: ignore[arg-type]
            for node in old
        ),
    )


def _agree(
    observed: dict[str, Membership | None],
    *,
    nodes: Callable[[tuple[Node, ...]], tuple[Node, ...]] | None = None,
    overlays: Callable[[tuple[Overlay, ...]], tuple[Overlay, ...]] | None = None,
) -> None:
    """Every manager that answers comes to know the same: there is one swarm when a step is due."""
    answering = {n: m for n, m in observed.items() if m and m.controls}
    known: dict[int, tuple[Node, ...]] = {}  # what they share stays shared: there may be many
    for name, member in answering.items():
        if nodes is not None:
            key = id(member.nodes)
            known[key] = known.get(key) or nodes(member.nodes or ())
            observed[name] = member = replace(member, nodes=known[key])
        if overlays is not None:
            observed[name] = replace(member, overlays=overlays(member.overlays or ()))
