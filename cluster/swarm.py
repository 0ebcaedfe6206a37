"""The swarm: what each host says of itself, what a manager says of all, and the next safe steps.

Every plan looks at observed state only, so a run that was interrupted anywhere is finished by the
next. Sources: Docker's administration guide for swarm (quorum, fixed addresses), and the Engine
API's reference for the meaning of the states.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster.findings import Change, Finding, Notice, Refusal
from cluster.observation import Observation

if TYPE_CHECKING:
    from cluster.settings import Host, Settings

IN_NO_SWARM = "inactive"


@dataclass(frozen=True)
class Node(Observation):
    """A node, as a manager lists it.

    role: ``manager`` or ``worker``; availability: ``active``, ``pause`` or ``drain``;
    state: ``ready``, ``down``, ``disconnected`` or ``unknown``;
    reachability: ``reachable``, ``unreachable`` or ``unknown``, empty for a worker.
    """

    id: str
    hostname: str
    address: str
    role: str
    availability: str
    state: str
    leader: bool
    reachability: str
    labels: Mapping[str, str]
    engine_version: str


@dataclass(frozen=True)
class Overlay(Observation):
    """An overlay network of the swarm, as a manager knows it."""

    id: str
    name: str
    ingress: bool
    encrypted: bool
    subnets: tuple[str, ...]


@dataclass(frozen=True)
class Service(Observation):
    """A service: the ids of its networks, and the ports it publishes through the routing mesh."""

    name: str
    networks: tuple[str, ...]
    mesh_ports: tuple[int, ...]


@dataclass(frozen=True)
class Membership(Observation):
    """What a host says of its own place in a swarm.

    engine: ``absent``, ``stopped``, ``running``, or ``unreachable: why``.
    hostname: the engine's name for its host, empty where it does not run.
    state: ``inactive`` (in no swarm), ``pending``, ``active``, ``error`` or ``locked``.
    manager: it can control a swarm; cluster: the swarm's id, known to managers only.
    remote_managers: node id to address of the managers that this host talks to.
    nodes, overlays: the whole swarm's, from a manager; ``None`` where it could not say (not a
    manager, or a manager without quorum).
    error: the engine's own words, where there are any.
    """

    engine: str
    hostname: str = ""
    state: str = IN_NO_SWARM
    node: str = ""
    address: str = ""
    manager: bool = False
    cluster: str = ""
    remote_managers: Mapping[str, str] | None = None
    nodes: tuple[Node, ...] | None = None
    overlays: tuple[Overlay, ...] | None = None
    error: str = ""

    @property
    def in_swarm(self) -> bool:
        """The host belongs to a swarm, in whatever condition."""
        return self.engine == "running" and self.state != IN_NO_SWARM

    @property
    def in_none(self) -> bool:
        """The host has answered that it is in no swarm.

        A stopped engine has not: it may come back as a manager.
        """
        return self.engine == "absent" or (self.engine == "running" and self.state == IN_NO_SWARM)

    @property
    def controls(self) -> bool:
        """The host is a manager that can answer for its swarm now."""
        return self.manager and self.nodes is not None


Observed = Mapping[str, Membership | None]
"""Each declared host's membership by name; ``None`` for a host that gave no answer."""


def quorum(managers: int) -> int:
    """How many of so many managers must be reachable for the swarm to change anything."""
    return managers // 2 + 1


def acting_manager(settings: Settings, observed: Observed) -> str | None:
    """The manager that speaks for the swarm: the first declared one that can, else any that can."""
    declared = [host.name for host in (*settings.managers, *settings.workers)]
    return next((name for name in declared if (m := observed.get(name)) and m.controls), None)


def view(settings: Settings, observed: Observed) -> Membership | None:
    """The swarm as the acting manager sees it; ``None`` where no manager can answer."""
    name = acting_manager(settings, observed)
    return observed[name] if name else None


def node_of(membership: Membership | None, cluster: Membership) -> Node | None:
    """A host's own entry in the swarm's list of nodes, by node id."""
    if membership is None or not membership.in_swarm:
        return None
    return next((node for node in cluster.nodes or () if node.id == membership.node), None)


def managers_of(cluster: Membership) -> list[Node]:
    """The swarm's managers, reachable or not."""
    return [node for node in cluster.nodes or () if node.role == "manager"]


def reachable(managers: list[Node]) -> int:
    """How many of them the leader reaches."""
    return sum(node.reachability == "reachable" for node in managers)


def may_restart(settings: Settings, observed: Observed, name: str) -> Refusal | None:
    """Why a host's engine must not be restarted now; ``None`` where it may.

    The other managers have to keep a quorum meanwhile. A swarm of one or two managers cannot do
    without any of them, so there the short interruption is accepted.
    """
    own = observed.get(name)
    if own is None or not own.in_swarm or not own.manager:
        return None
    cluster = view(settings, observed)
    if cluster is None:
        return None  # it works no longer: a restart can only help
    managers = managers_of(cluster)
    others = reachable([node for node in managers if node.id != own.node])
    if len(managers) <= 2 or others >= quorum(len(managers)):
        return None
    return Refusal(
        "the running Docker daemon",
        f"is not restarted: of {len(managers)} managers {quorum(len(managers))} must stay "
        f"reachable, and without this one only {others} would be",
        remedy="Bring the other managers back first, then run again",
    )


# 1. Find or found
# ----------------


def plan_swarm(settings: Settings, observed: Observed, host: Host) -> list[Finding]:
    """Find the swarm that declared hosts are in, or found it on the first declared manager.

    All findings but the founding itself are about the whole cluster: every host gets them.
    """
    inside = {name: m for name, m in observed.items() if m and m.in_swarm}
    if inside:
        return _plan_found(settings, observed, inside, host)
    silent = [
        manager.name
        for manager in settings.managers
        if not ((m := observed.get(manager.name)) and m.in_none)
        and manager.name not in settings.swarm.found_without
    ]
    if silent:
        return [
            Refusal(
                "the swarm",
                f"was not founded, because {_list(silent)} did not say whether there is one: "
                "a manager that is silent may still be in it, and a second swarm would split the "
                "cluster",
                remedy="Bring it back (power, network, Docker), or, if it is gone for good, name "
                f"it in swarm.found_without = {silent}".replace("'", '"'),
            )
        ]
    able = [m.name for m in settings.managers if (o := observed.get(m.name)) and o.in_none]
    if not able:
        return [Refusal("the swarm", "has no declared manager that could found it")]
    if able[0] != host.name:
        return []
    return [
        Change(
            "the swarm",
            "no declared manager is in one, so the first founds it",
            expected=f"advertised at {host.address}",
        )
    ]


def _plan_found(
    settings: Settings, observed: Observed, inside: Mapping[str, Membership], host: Host
) -> list[Finding]:
    swarms: dict[str, list[str]] = {}
    for name, membership in inside.items():
        if membership.cluster:
            swarms.setdefault(membership.cluster, []).append(name)
    if len(swarms) > 1:
        named = "; ".join(f"{_list(names)} in swarm {id}" for id, names in swarms.items())
        return [
            Refusal(
                "the swarm",
                f"the declared hosts are in {len(swarms)} different ones: {named}",
                remedy="Decide which one stays, and make the hosts of the other leave it "
                "(`docker swarm leave --force`); what runs in that one is lost",
            )
        ]
    own = inside.get(host.name)
    if own and own.state == "locked":
        return [
            Refusal(
                "the swarm",
                "this manager is locked since its engine was started",
                remedy="Unlock it: `docker swarm unlock`",
            )
        ]
    cluster = view(settings, observed)
    if cluster is None:
        return [_no_view(inside)]
    known = {node.id for node in cluster.nodes or ()}
    if own and own.node and own.node not in known:
        return [_unknown_node(own, cluster)]
    if own and own.state == "error":
        return [
            Refusal(
                "the swarm",
                f"the engine reports an error: {own.error}",
                remedy="If its certificate has expired or it was removed, make it leave: "
                "`docker swarm leave --force`, then run again",
            )
        ]
    return []


def _unknown_node(own: Membership, cluster: Membership) -> Refusal:
    managers = own.remote_managers or {}
    leave = "Make it leave: `docker swarm leave --force`, then run again and it joins anew"
    if managers.keys() & {node.id for node in cluster.nodes or ()}:
        return Refusal(
            "the swarm",
            f"this host was removed from it and does not know (its node id was {own.node})",
            remedy=leave,
        )
    at = ", ".join(sorted(managers.values())) or "unknown addresses"
    return Refusal(
        "the swarm",
        f"this host is in another swarm (its managers: {at}) than the declared one "
        f"(swarm {cluster.cluster}, asked at {cluster.address})",
        remedy=leave,
    )


def _no_view(inside: Mapping[str, Membership]) -> Refusal:
    managers = [name for name, membership in inside.items() if membership.manager]
    if managers:
        words = next((m.error for m in inside.values() if m.manager and m.error), "")
        return Refusal(
            "the swarm",
            f"{_list(managers)} cannot answer for it: fewer managers are reachable than a quorum"
            + (f" (“{words}”)" if words else ""),
            remedy="Bring back managers until most of them are reachable; nothing can be changed "
            "safely before",
        )
    at = sorted({a for m in inside.values() for a in (m.remote_managers or {}).values()})
    return Refusal(
        "the swarm",
        f"{_list(list(inside))} is in one of which no declared manager is a reachable member"
        + (f" (its managers: {', '.join(at)})" if at else ""),
        remedy="Bring the managers back; or, if that swarm is gone, make the host leave it "
        "(`docker swarm leave --force`)",
    )


# 2. Ingress and overlays
# -----------------------


def services_matter(settings: Settings, observed: Observed, host: Host) -> bool:
    """Whether this host has to say which services use which network: some network is clear."""
    cluster = view(settings, observed)
    return (
        cluster is not None
        and acting_manager(settings, observed) == host.name
        and any(not overlay.encrypted for overlay in cluster.overlays or ())
    )


def plan_ingress(
    settings: Settings, observed: Observed, host: Host, services: Sequence[Service]
) -> list[Finding]:
    """The ingress network encrypted. Planned on the acting (or founding) manager only."""
    cluster = view(settings, observed)
    if cluster is None:
        able = [m.name for m in settings.managers if (o := observed.get(m.name)) and o.in_none]
        if able and able[0] == host.name:
            return [Change("ingress", "a new swarm's is not encrypted", expected="encrypted")]
        return []
    if acting_manager(settings, observed) != host.name:
        return []
    ingress = next((overlay for overlay in cluster.overlays or () if overlay.ingress), None)
    if ingress is None:
        return [Change("ingress", "the swarm has none", expected="encrypted")]
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
        return [
            Change(
                "ingress", "is not encrypted", expected="encrypted (replaced)", found="clear text"
            )
        ]
    if settings.networks.ingress_subnet not in ingress.subnets:
        return [
            Notice(
                "ingress",
                "has another subnet than declared",
                expected=settings.networks.ingress_subnet,
                found=", ".join(ingress.subnets),
                remedy="Set networks.ingress_subnet to what it is, or replace the network while "
                "nothing publishes ports",
            )
        ]
    return []


def plan_overlays(
    settings: Settings, observed: Observed, host: Host, services: Sequence[Service]
) -> list[Finding]:
    """Declared overlay networks exist, encrypted; others without encryption are named."""
    cluster = view(settings, observed)
    declared = {overlay.name: overlay for overlay in settings.networks.overlays}
    if cluster is None:
        able = [m.name for m in settings.managers if (o := observed.get(m.name)) and o.in_none]
        names = declared if able and able[0] == host.name else {}
        return [Change(f"overlay {name}", "does not exist yet") for name in names]
    if acting_manager(settings, observed) != host.name:
        return []
    existing = {o.name: o for o in cluster.overlays or () if not o.ingress}
    findings: list[Finding] = [
        Change(f"overlay {name}", "is declared and does not exist", expected="encrypted")
        for name in declared
        if name not in existing
    ]
    for name, overlay in sorted(existing.items()):
        if overlay.encrypted:
            continue
        users = [s.name for s in services if overlay.id in s.networks]
        findings.append(
            Notice(
                f"overlay {name}",
                "is not encrypted"
                + (
                    f"; in clear text travels: {', '.join(users)}" if users else "; nothing uses it"
                ),
                expected="encrypted",
                found="clear text",
                remedy="Encryption cannot be switched on: create another network with "
                "`--opt encrypted` and move the services there",
            )
        )
    return findings


# 3. Join
# -------


def stale_entries(cluster: Membership, host: Host, own: Membership) -> list[Node]:
    """Entries that an earlier life of this host left behind: same name or address, and down."""
    return [
        node
        for node in cluster.nodes or ()
        if node.id != own.node
        and node.state == "down"
        and (
            node.address == host.address
            or (node.hostname != "" and node.hostname in (own.hostname, host.name))
        )
    ]


def plan_join(settings: Settings, observed: Observed, host: Host) -> list[Finding]:
    """A declared host that is in no swarm joins as a worker; what it left behind is cleared."""
    own = observed.get(host.name)
    cluster = view(settings, observed)
    if own is None:
        return []
    findings: list[Finding] = []
    if own.engine not in ("absent", "running"):
        return [
            Refusal(
                "the swarm",
                f"Docker is {own.engine} on this host",
                remedy="Look at `journalctl -u docker`, mend it, and run again",
            )
        ]
    if cluster is not None:
        stale = stale_entries(cluster, host, own)
        managers = managers_of(cluster)
        dead = [node for node in stale if node.role == "manager"]
        if dead and reachable(managers) < quorum(len(managers)):
            return [_no_view({name: m for name, m in observed.items() if m and m.in_swarm})]
        findings += [
            Change(
                f"node {node.hostname}",
                "is an entry that this host left behind when it was installed anew",
                expected="removed",
                found=f"{node.role}, down, {node.id}",
            )
            for node in stale
        ]
    founding = cluster is None and any(
        isinstance(finding, Change) for finding in plan_swarm(settings, observed, host)
    )
    if not own.in_swarm and not founding:
        findings.append(
            Change("the swarm", "this host is not in it yet", expected="joined as a worker")
        )
    elif own.state == "pending":
        findings.append(Change("the swarm", "this host's joining is not finished"))
    return findings


# 4. Roles
# --------


def plan_promotion(settings: Settings, observed: Observed, host: Host) -> list[Finding]:
    """A declared manager that is a worker is promoted, never below quorum."""
    own = observed.get(host.name)
    cluster = view(settings, observed)
    if own is None:
        return []
    if cluster is None:
        founding = any(isinstance(f, Change) for f in plan_swarm(settings, observed, host))
        if host.is_manager and not founding:
            return [_promotion("joins as a worker")]
        return []
    node = node_of(own, cluster)
    if node is None:
        return [_promotion("joins as a worker")] if host.is_manager else []
    if host.is_manager and node.role == "worker":
        return _safe_promotion(cluster, node) or [_promotion("is a worker")]
    if not host.is_manager and node.role == "manager":
        return [
            Notice(
                "role",
                "is a manager, but declared a worker",
                expected="worker",
                found="manager",
                remedy="Declare it a manager, or demote it: `docker node demote "
                f"{node.hostname}`, one at a time, while every manager is reachable",
            )
        ]
    return []


def _promotion(found: str) -> Change:
    return Change("role", "is declared a manager", expected="promoted", found=found)


def _safe_promotion(cluster: Membership, node: Node) -> list[Finding]:
    managers = managers_of(cluster)
    able = reachable(managers)
    after = len(managers) + 1
    if node.state != "ready":
        return [
            Refusal(
                "role",
                f"is not promoted: the node is {node.state}, and a manager that does not answer "
                "weakens the quorum",
                remedy="Bring it back, and run again",
            )
        ]
    if able + 1 < quorum(after):
        return [
            Refusal(
                "role",
                f"is not promoted: of {after} managers {quorum(after)} would have to be "
                f"reachable, and only {able} of the present {len(managers)} are "
                f"({able} + 1 < {quorum(after)})",
                remedy="Bring the other managers back first, then run again",
            )
        ]
    return []


# 5. Labels, availability, and whoever else is there
# --------------------------------------------------


def plan_labels(settings: Settings, observed: Observed, host: Host) -> list[Finding]:
    """Declared labels and availability; what an operator did by hand is reported."""
    own, cluster = observed.get(host.name), view(settings, observed)
    if own is None:
        return []
    node = node_of(own, cluster) if cluster else None
    found = node.labels if node else {}
    findings: list[Finding] = [
        Change(f"label {key}", "is declared", expected=value, found=found.get(key, ""))
        for key, value in sorted(host.labels.items())
        if found.get(key) != value
    ]
    if node is None:
        if host.availability and host.availability != "active":
            findings.append(Change("availability", "is declared", expected=host.availability))
        return findings
    findings += [
        Notice(
            f"label {key}",
            "is set by hand",
            found=value,
            remedy=f"Declare it, or remove it: `docker node update --label-rm {key} "
            f"{node.hostname}`",
        )
        for key, value in sorted(found.items())
        if key not in host.labels
    ]
    if host.availability and node.availability != host.availability:
        findings.append(
            Change(
                "availability", "is declared", expected=host.availability, found=node.availability
            )
        )
    elif host.availability is None and node.availability != "active":
        findings.append(
            Notice(
                "availability",
                "was set by hand",
                expected="active",
                found=node.availability,
                remedy=f"Declare availability = “{node.availability}”, or put it back: "
                f"`docker node update --availability active {node.hostname}`",
            )
        )
    if node.address not in ("", "0.0.0.0", host.address):
        findings.append(
            Notice(
                "address",
                "the swarm knows this host under another address than declared",
                expected=host.address,
                found=node.address,
                remedy="A swarm node keeps the address it has joined with; make it leave and join "
                "again",
            )
        )
    if cluster and acting_manager(settings, observed) == host.name:
        findings += _strangers(observed, cluster)
    return findings


def _strangers(observed: Observed, cluster: Membership) -> list[Finding]:
    known = {membership.node for membership in observed.values() if membership}
    # A silent host's node id is not known, and a dead twin is the joining's to clear: both by name.
    by_name = {name for name, membership in observed.items() if membership is None}
    return [
        Notice(
            f"node {node.hostname}",
            "is in the swarm, but not declared",
            found=f"{node.role}, {node.state}, {node.address}",
            remedy="Declare it, or take it out: drain it, demote it if it is a manager, then "
            f"`docker node rm {node.hostname}`",
        )
        for node in cluster.nodes or ()
        if node.id not in known
        and node.hostname not in by_name
        and not (node.state == "down" and node.hostname in observed)
    ]


def _ports(service: Service) -> str:
    return ", ".join(map(str, service.mesh_ports))


def _list(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
