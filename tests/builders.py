"""Clusters as a test declares and meets them: four hosts, three of them managers, unless it says.

Host number n is ``rkn`` at ``192.168.1.(10 + n)``, and ``noden`` in the swarm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pyinfra_swarm.nodes.membership import Membership, Node, Overlay
from pyinfra_swarm.nodes.quorum import majority
from pyinfra_swarm.run.findings import Finding
from pyinfra_swarm.settings import Settings

INGRESS = Overlay("net-ingress", "ingress", True, True, ("10.201.0.0/24",))
CLEAR_INGRESS = replace(INGRESS, encrypted=False)
SILENT = None
FRESH = Membership("running", hostname="fresh")
ABSENT = Membership("absent")
STOPPED = Membership("stopped")


def hosts(managers: int = 3, workers: int = 1, **differing: Mapping[str, Any]) -> list[Any]:
    """Hosts as cluster.toml lists them, managers first. differing: more of one, by its name."""
    return [
        {
            "name": f"rk{number}",
            "address": f"192.168.1.{10 + number}",
            "role": "manager" if number <= managers else "worker",
            **differing.get(f"rk{number}", {}),
        }
        for number in range(1, managers + workers + 1)
    ]


def declared(managers: int = 3, workers: int = 1, **sections: Any) -> Settings:
    """Settings with these sections; ``rk2={…}`` is more of that host."""
    differing = {name: more for name, more in sections.items() if name.startswith("rk")}
    other = {name: section for name, section in sections.items() if name not in differing}
    return Settings(**{"hosts": hosts(managers, workers, **differing), **other})


def node(number: int, role: str = "manager", **differing: Any) -> Node:
    """A node as managers list it: ready, the first one the leader."""
    entry = Node(
        id=f"node{number}",
        hostname=f"rk{number}",
        address=f"192.168.1.{10 + number}",
        role=role,
        availability="active",
        state="ready",
        leader=number == 1,
        reachability="reachable" if role == "manager" else "",
        labels={},
        engine_version="28.5.2",
    )
    return replace(entry, **differing)


def nodes_of(settings: Settings) -> list[Node]:
    """The declared hosts as nodes."""
    return [node(int(host.name[2:]), host.role) for host in settings.hosts]


def reachable(managers: list[Node]) -> int:
    return sum(node.reachability == "reachable" for node in managers)


def swarm(
    nodes: list[Node], overlays: tuple[Overlay, ...] = (INGRESS,), cluster: str = "swarm1"
) -> dict[str, Membership | None]:
    """What hosts say that are these nodes, as far as they are up."""
    addresses = {n.id: f"{n.address}:2377" for n in nodes if n.role == "manager"}
    quorate = reachable([n for n in nodes if n.role == "manager"]) >= majority(len(addresses))
    said: dict[str, Membership | None] = {}
    for entry in nodes:
        if entry.state != "ready":
            continue
        manager = entry.role == "manager"
        said[entry.hostname] = Membership(
            engine="running",
            hostname=entry.hostname,
            state="active",
            node=entry.id,
            address=entry.address,
            manager=manager,
            cluster=cluster if manager and quorate else "",
            remote_managers=addresses,
            nodes=tuple(nodes) if manager and quorate else None,
            overlays=overlays if manager and quorate else None,
            error="" if quorate or not manager else "The swarm does not have a leader.",
        )
    return said


SETTINGS = declared()
CONVERGED = swarm(nodes_of(SETTINGS))


def the(kind: type[Finding], findings: list[Finding]) -> str:
    """The sentence of the only finding, which is of this kind."""
    [finding] = findings
    assert isinstance(finding, kind)
    return finding.sentence()
