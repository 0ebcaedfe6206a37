"""What an upgrade of Docker has to do on each node, and what forbids it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from pyinfra_swarm.engine.versions import encrypt_alike, engine_version, newest, order
from pyinfra_swarm.nodes.identity import node_of
from pyinfra_swarm.nodes.membership import Membership, Observed, view
from pyinfra_swarm.rolling.jobs import Options, Roll, Work
from pyinfra_swarm.rolling.nodes import entry
from pyinfra_swarm.run.findings import Refusal
from pyinfra_swarm.run.printable import setting
from pyinfra_swarm.run.wording import listed, verb

if TYPE_CHECKING:
    from pyinfra_swarm.docker.installation import Engine
    from pyinfra_swarm.settings import Settings


def upgrade(
    settings: Settings,
    observed: Observed,
    engines: Mapping[str, Engine | None],
    offers: Mapping[str, Sequence[str] | None],
    given: Options,
    *,
    fetched: Collection[str],
) -> Roll:
    """Every node that does not run the declared version.

    offers: the versions that each host can have, as apt names them; fetched: the hosts on which
    these are what the repository has now, and not what an old list says.
    """
    cluster = view(settings, observed)
    wanted = settings.docker.version
    version_of = partial(_version_of, settings, observed, cluster)
    members = {
        name: engine
        for name, engine in engines.items()
        if engine and (cluster is None or entry(settings, observed, cluster, name))
    }
    if not wanted:
        return Roll("upgrade", {}, (_undeclared(members, offers),))
    work = {
        name: Work("Docker", "is upgraded", wanted, version_of(name, engine))
        for name, engine in members.items()
        if engine.version != wanted
        or not engine.complete
        or not engine.running
        or version_of(name, engine) != wanted
    }
    refused = _pairs(wanted, work, cluster, given)
    newer = sorted(
        name for name in work if order(found := work[name].found) > order(wanted) and found
    )
    if newer and not given.downgrade:
        refused.append(
            Refusal(
                "docker.version",
                f"is older than what {listed(newer)} {verb(newer, 'runs', 'run')}, and an "
                "engine does not promise to read what a newer one has written",
                expected=newest(work[name].found for name in newer) or "",
                found=wanted,
                remedy="Declare the newer one, or, if you have backups: --data downgrade=accepted",
            )
        )
    lacking = sorted(
        name
        for name in work
        if name in fetched
        and (offer := offers.get(name)) is not None
        and wanted not in map(engine_version, offer)
    )
    if lacking:
        can = _common(offers)
        refused.append(
            Refusal(
                "docker.version",
                f"{listed(lacking)} cannot have it: the repository does not offer it there, so "
                "no host is touched",
                expected=wanted,
                found=f"offered to all hosts: {', '.join(can) or 'none'}",
                remedy="Declare one of these, or make the repository reachable (apt-get update)",
            )
        )
    return Roll("upgrade", work, tuple(refused), accepted=given.interruption)


def _version_of(
    settings: Settings, observed: Observed, cluster: Membership | None, name: str, engine: Engine
) -> str:
    """The version that runs on a host, where the swarm says, else the one that is installed."""
    node = node_of(settings, observed, cluster, name) if cluster else None
    running = node.engine_version if node and node.state == "ready" else ""
    return running if running and running != engine.version else engine.version or ""


def _undeclared(
    members: Mapping[str, Engine], offers: Mapping[str, Sequence[str] | None]
) -> Refusal:
    running = sorted({engine.version or "none" for engine in members.values()}, key=order)
    can = _common(offers)
    return Refusal(
        "docker.version",
        "is not declared, so there is no version to upgrade to",
        found=f"running: {', '.join(running)}",
        remedy=f"Declare docker.version = {setting(can[0])}, the newest that all hosts can have by "
        "their package lists"
        if can
        else "Declare it; `apt-cache madison docker-ce` on a host lists the versions",
    )


def _common(offers: Mapping[str, Sequence[str] | None]) -> list[str]:
    """The versions that all hosts can have, the newest first."""
    known = [set(map(engine_version, offer)) for offer in offers.values() if offer]
    released = {v for v in set.intersection(*known) if order(v)[1]} if known else set()
    return sorted(released, key=order, reverse=True)


def _pairs(
    wanted: str, work: Mapping[str, Work], cluster: Membership | None, given: Options
) -> list[Refusal]:
    """Engines that would not understand each other over encrypted networks during the roll."""
    nodes = (cluster.nodes if cluster else None) or ()
    running = {(node.engine_version, node.hostname or node.id) for node in nodes}
    running |= {(one.found, name) for name, one in work.items()}
    incompatible = sorted({v for v, _ in running if v and not encrypt_alike(v, wanted)}, key=order)
    if not work or not incompatible:
        return []
    others = listed(incompatible)
    few = {name for version, name in running if version in incompatible}
    if few != {name for _, name in running}:  # it may be one that says what is not so
        others += f" (on {listed(sorted(few))})"
    if any(encrypt_alike(version, "28.5.2") for version in incompatible):
        return [
            Refusal(
                "docker.version",
                f"{wanted} and {others} do not understand each other over encrypted "
                "networks (moby #51798): during the upgrade, old and new nodes would exchange "
                "nothing",
                found=wanted,
                remedy="Declare 29.2.1 or newer, which is compatible with them",
            )
        ]
    if given.interruption:
        return []
    return [
        Refusal(
            "Docker Engine",
            f"{others} {verb(incompatible, 'understands', 'understand')} no other release over "
            f"encrypted networks (moby #51798): until the last node has {wanted}, old and new "
            "nodes exchange nothing",
            remedy="An upgrade from this version always interrupts that traffic. When that suits "
            "you: --data interruption=accepted",
        )
    ]
