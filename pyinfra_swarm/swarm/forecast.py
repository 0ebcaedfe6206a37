"""What each step will have made of the swarm, so that the steps after it can be planned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from pyinfra_swarm.networks.plan import AttachIngress, CreateOverlay, ReplaceIngress
from pyinfra_swarm.nodes.identity import node_at
from pyinfra_swarm.nodes.membership import Membership, Node, Overlay, managers_of, view
from pyinfra_swarm.nodes.steps import Step
from pyinfra_swarm.swarm.init import Init
from pyinfra_swarm.swarm.join import AwaitJoin, Clear, Join
from pyinfra_swarm.swarm.labels import SetAvailability, SetLabel
from pyinfra_swarm.swarm.roles import Demote, Promote

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Host, Settings


def start_engines(settings: Settings, observed: dict[str, Membership | None]) -> None:
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


def foresee(
    settings: Settings, observed: dict[str, Membership | None], host: Host, one: Step
) -> None:
    """Change what is observed into what it will be after a step of this host."""
    own = observed[host.name] or Membership("running")
    match one:
        case Init():
            _init(observed, host, own)
        case Join() | AwaitJoin():
            _join(settings, observed, host, own)
        case AttachIngress():
            observed[host.name] = replace(own, in_ingress=True)
        case ReplaceIngress():
            ingress = Overlay("", "ingress", True, True, (settings.networks.ingress_subnet,))
            _agree(observed, overlays=lambda old: (*(o for o in old if not o.ingress), ingress))
            for name, member in observed.items():
                if member and member.in_ingress is not None:
                    observed[name] = replace(member, in_ingress=True)
        case CreateOverlay(name=name):
            made = _made(settings, name)
            _agree(observed, overlays=lambda old: (*old, made))
        case Clear(node=gone):
            _agree(observed, nodes=lambda old: tuple(n for n in old if n.id != gone.id))
        case Promote(node=node_id):
            cluster = view(settings, observed)
            if cluster and node_id:
                answers = replace(own, manager=True, cluster=cluster.cluster, nodes=cluster.nodes)
                observed[host.name] = replace(answers, overlays=cluster.overlays)
                _change(observed, node_id, role="manager", reachability="reachable")
        case Demote(node=node_id):
            observed[host.name] = replace(own, manager=False, cluster="", nodes=None, overlays=None)
            _change(observed, node_id, role="worker", reachability="", leader=False)
            if one.leader:
                cluster = view(settings, observed)
                heirs = [node.id for node in managers_of(cluster)] if cluster else []
                _change(observed, next(iter(heirs), ""), leader=True)
        case SetLabel(key=key, value=value):
            node = _entry(settings, observed, own)
            _change(observed, own.node, labels={**(node.labels if node else {}), key: value})
        case SetAvailability(availability=availability):
            _change(observed, own.node, availability=availability)
        case _:
            raise NotImplementedError(f"what {type(one).__name__} will have done")


def _made(settings: Settings, name: str) -> Overlay:
    """The overlay network that is made for this name."""
    found = Overlay("", name, ingress=False, encrypted=True, subnets=())
    for one in settings.overlays:
        if one.name == name:
            subnets = (one.subnet,) if one.subnet else ()
            found = replace(found, subnets=subnets, attachable=one.attachable)
    return found


def _init(observed: dict[str, Membership | None], host: Host, own: Membership) -> None:
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
