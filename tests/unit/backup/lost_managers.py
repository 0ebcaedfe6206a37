"""Hosts and a backup of a swarm whose managers are lost, or some of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pyinfra_swarm.backup.archive import Backup, Manager
from pyinfra_swarm.backup.recover import plan_recovery
from pyinfra_swarm.backup.restore import plan_restore
from pyinfra_swarm.nodes.membership import Membership, Node
from pyinfra_swarm.nodes.on_disk import OnDisk
from pyinfra_swarm.run.findings import Finding, refusals
from tests import builders
from tests.builders import SETTINGS

BACKUP = Backup(
    cluster="swarm-1",
    name="home",
    host="rk2",
    node="node-rk2",
    address="192.168.1.12",
    engine="28.5.2",
    taken=1795576500,
    autolock=False,
    managers=tuple(
        Manager(f"node-rk{number}", f"rk{number}", f"192.168.1.{10 + number}")
        for number in (1, 2, 3)
    ),
)
FRESH = Membership("running")
NO_LEADER = "The swarm does not have a leader."


def remains(name: str, **more: Any) -> OnDisk:
    """What a host has on its disk; by default nothing of a swarm."""
    address = SETTINGS.host(name).address
    empty = OnDisk(False, False, "", "", False, "28.5.2", (address,))
    return replace(empty, **more)


def member(name: str, **more: Any) -> OnDisk:
    role = SETTINGS.host(name).is_manager
    return remains(
        name,
        **{"state": True, "cluster": "swarm-1", "node": f"node-{name}", "manager": role, **more},
    )


def node(name: str, **more: Any) -> Node:
    there = {"role": SETTINGS.host(name).role, "id": f"node-{name}", "leader": False}
    return builders.node(int(name[2:]), **{**there, **more})


def manager(name: str, nodes: tuple[Node, ...] | None = None, **more: Any) -> Membership:
    """A manager in the swarm; without nodes one that has no quorum."""
    return replace(
        Membership(
            "running",
            hostname=name,
            state="active" if nodes else "pending",
            node=f"node-{name}",
            address=SETTINGS.host(name).address,
            manager=True,
            cluster="swarm-1" if nodes else "",
            nodes=nodes,
            remote_managers={
                f"node-rk{number}": f"192.168.1.{10 + number}:2377" for number in (1, 2, 3)
            },
            error="" if nodes else NO_LEADER,
        ),
        **more,
    )


def itself(name: str) -> dict[str, str]:
    """What the only manager of a swarm knows of managers."""
    return {f"node-{name}": f"{SETTINGS.host(name).address}:2377"}


def everywhere(**some: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fresh hosts, but for some: a pair of a membership and of remains, or None for silence."""
    observed: dict[str, Any] = {host.name: FRESH for host in SETTINGS.hosts}
    remaining: dict[str, Any] = {host.name: remains(host.name) for host in SETTINGS.hosts}
    for name, pair in some.items():
        observed[name], remaining[name] = pair if pair is not None else (None, None)
    return observed, remaining


def sentences(findings: list[Finding]) -> str:
    return "\n".join(finding.sentence() for finding in findings)


def restoring(backup: Backup = BACKUP, host: str = "rk2", **some: Any) -> list[Finding]:
    gone = some.pop("gone", ())
    keys = {key: some.pop(key, False) for key in ("unlock_key", "another_key")}
    observed, remaining = everywhere(**some)
    return plan_restore(SETTINGS, observed, remaining, backup, SETTINGS.host(host), gone, **keys)


def only_refused(findings: list[Finding], words: str) -> None:
    assert findings
    assert refusals(findings) == findings, "something would be changed"
    assert {finding.what for finding in findings} in (
        {"the swarm's restore"},
        {"the swarm's recovery"},
    ), "one job calls itself by two names"
    assert words in sentences(findings)


def recovering(host: str = "rk1", **some: Any) -> list[Finding]:
    unlock_key = some.pop("unlock_key", False)
    observed, remaining = everywhere(**some)
    return plan_recovery(SETTINGS, observed, remaining, SETTINGS.host(host), unlock_key=unlock_key)


def whats(findings: Sequence[Finding]) -> list[str]:
    return [finding.what for finding in findings]


LIVING = (node("rk1"), node("rk2"), node("rk3"))
ALONE: dict[str, Any] = {
    "rk1": (manager("rk1"), member("rk1")),
    "rk2": None,
    "rk3": None,
    "rk4": (Membership("running", state="active", node="node-rk4"), member("rk4")),
}
