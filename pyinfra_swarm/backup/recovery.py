"""A swarm whose managers are lost: restored from a backup, or recovered from the one that is left.

Both end in ``--force-new-cluster``: the manager at hand takes what it knows for the whole truth and
goes on alone. Were another manager of the old swarm still alive, there would be two swarms that
both take themselves for the same one; so nothing is forced while one might be. Sources: Docker's
administration guide for swarm (“Restore from a backup”, “Recover from losing the quorum”); what
engines do beyond it is in docs/decisions/recovery.md.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyinfra_swarm.backup.archive import Backup
from pyinfra_swarm.engine.versions import order
from pyinfra_swarm.nodes.membership import (
    Membership,
    Node,
    Observed,
)
from pyinfra_swarm.nodes.quorum import Quorum
from pyinfra_swarm.run.findings import Change, Finding, Notice, Refusal
from pyinfra_swarm.run.observation import Observation
from pyinfra_swarm.run.printable import quoted, setting
from pyinfra_swarm.run.wording import listed

if TYPE_CHECKING:
    from pyinfra_swarm.settings.model import Host, Settings

LEAVE = "`docker swarm leave --force`"

NEEDS_UNLOCK_KEY = "Put the key (SWMKEY-…) into a file of your own and name it: --data unlock=PATH"


@dataclass(frozen=True)
class Remains(Observation):
    """What a host has of a swarm on its disk, whether its engine runs or not.

    state: there is any; locked: its keys are encrypted (autolock); cluster, node, manager: which
    swarm, which node in it, and whether it was a manager, by its certificate; engine: the installed
    engine's version, empty where there is none; addresses: the host's own, IPv4.
    """

    state: bool
    locked: bool
    cluster: str
    node: str
    manager: bool
    engine: str
    addresses: tuple[str, ...]


Remaining = Mapping[str, Remains | None]
"""Each declared host's remains by name; ``None`` for a host that gave no answer."""


def ghosts(cluster: Membership) -> list[Node]:
    """Entries of managers that ``--force-new-cluster`` left behind: in the list, not in the group.

    An engine shows no manager status for them, and cannot demote them, only remove them.
    """
    return [
        node
        for node in cluster.nodes or ()
        if node.role == "manager" and not node.votes and node.id != cluster.node
    ]


# Restoring a backup
# ------------------


def restore_target(settings: Settings, backup: Backup, asked: str | None) -> Host | Refusal:
    """The host that a backup goes to: the one asked for, else the one at the backup's address."""
    at = next((host for host in settings.hosts if host.address == backup.address), None)
    found = settings.host(asked) if asked is not None else at
    if found is None:
        return _refused(
            "restore",
            f"no declared host has the address {backup.address}, and a manager's state works at "
            "its own address only: the other nodes, and its own certificates, know it by that",
            f"Give the host that is to be restored the address {backup.address}, and declare it so",
        )
    if found.address != backup.address:
        return _refused(
            "restore",
            f"the backup is {backup.host}'s at {backup.address}, and {found.name} is at "
            f"{found.address}: a manager's state works at its own address only",
            f"Restore it on {at.name}" if at else f"Give {found.name} that address",
        )
    return found


def plan_restore(
    settings: Settings,
    observed: Observed,
    remaining: Remaining,
    backup: Backup,
    target: Host,
    gone: Collection[str] = (),
    *,
    unlock_key: bool = False,
) -> list[Finding]:
    """The backup put back on a fresh host, or why not.

    gone: silent hosts of which the owner has said that they will not come back as they were.
    unlock_key: the key of an autolocked swarm is at hand.
    """
    own, remains = observed.get(target.name), remaining.get(target.name)
    if own is None or remains is None:
        return [_refused("restore", f"{target.name} does not answer", "Bring it up, and run again")]
    mine = remains.state and remains.node == backup.node
    problems = _others(
        settings, observed, remaining, target.name, backup.cluster, _managers(settings, backup)
    )
    if mine and own.controls and not ghosts(own):
        others = [m for name, m in observed.items() if m and name != target.name]
        if problems and any(m.controls for m in others):
            return [*problems]
        return [
            Notice(
                "the swarm's state",
                f"{target.name} is a manager of this very swarm and answers: nothing is restored",
                remedy=f"To go back to what was on {backup.time}, let it leave first: {LEAVE}",
            )
        ]
    problems += _silent(settings, observed, target.name, backup, gone)
    problems += _unfit(own, remains, backup, target, mine)
    if backup.autolock and not mine and not unlock_key:
        problems.append(
            _refused(
                "restore",
                f"the swarm was autolocked on {backup.time}, so its unlock key of then is needed",
                NEEDS_UNLOCK_KEY,
            )
        )
    if problems:
        return [*problems]
    findings: list[Finding] = []
    if not mine:
        findings.append(
            Change(
                "the swarm's state",
                f"is put back as {backup.host} had it on {backup.time}; what has changed since is "
                "lost",
                expected=f"swarm {backup.cluster}, node {backup.node}",
            )
        )
    if not own.controls and len(backup.managers) > 1:
        findings.append(_forced(target.name))
    return findings + _cleared(
        ghosts(own)
        if own.controls
        else [_lost(m.node, m.hostname, m.address) for m in backup.managers if m.node != own.node],
        backup.node,
    )


def _managers(settings: Settings, backup: Backup) -> set[str]:
    """Declared hosts that were, or are to be, managers: whoever of them is silent may still be."""
    at = {manager.address for manager in backup.managers}
    return {host.name for host in settings.hosts if host.is_manager or host.address in at}


def _silent(
    settings: Settings, observed: Observed, target: str, backup: Backup, gone: Iterable[str]
) -> list[Refusal]:
    left_out = set(gone)
    silent = sorted(
        name
        for name in _managers(settings, backup) - {target} - left_out
        if (membership := observed.get(name)) is None or membership.engine.startswith("unreachable")
    )
    if not silent:
        return []
    return [
        _refused(
            "restore",
            f"{listed(silent)} did not answer, and may still be a manager of this swarm: two of "
            "the old managers that come back would be a second swarm beside the restored one",
            "Bring them up, so that it can be seen; if they are gone for good, or will be "
            f"installed anew before they come back: `--data gone={quoted(','.join(silent))}`",
        )
    ]


def _unfit(
    own: Membership, remains: Remains, backup: Backup, target: Host, mine: bool
) -> list[Refusal]:
    found: list[Refusal] = []
    if own.engine == "absent" or not remains.engine:
        return [
            _refused(
                "restore",
                f"{target.name} has no Docker yet",
                "Prepare it as far as Docker and its firewall, not the swarm: `pyinfra "
                f"inventory.py deploys/docker.py deploys/firewall.py --limit "
                f"{quoted(target.name)}`",
            )
        ]
    if order(remains.engine) < order(backup.engine):
        found.append(
            _refused(
                "restore",
                f"{target.name} runs Docker {remains.engine}, and the state is from "
                f"{backup.engine}: an older engine may not understand it",
                f"Declare docker.version = {setting(backup.engine)} or newer, and run "
                "deploys/docker.py",
            )
        )
    if remains.addresses and target.address not in remains.addresses:
        found.append(
            _refused(
                "restore",
                f"{target.name} does not have its declared address {target.address} (it has "
                f"{', '.join(remains.addresses)})",
                "Give it that address: the state works there only",
            )
        )
    if not mine and (own.in_swarm or remains.state):
        found.append(
            _refused(
                "restore",
                f"{target.name} is in a swarm already"
                + (f" ({remains.cluster})" if remains.cluster else "")
                + ", and its state would be overwritten",
                f"If that one is to go, let it leave: {LEAVE}; else restore on a fresh host",
            )
        )
    return found


# Recovering a lost quorum
# ------------------------


def recovery_target(
    settings: Settings, observed: Observed, remaining: Remaining, asked: str | None
) -> Host | Refusal:
    """The manager that goes on alone: the one asked for, else the only one that answers."""
    if asked is not None:
        return settings.host(asked)
    able = [
        host
        for host in settings.managers
        if (m := observed.get(host.name)) and m.in_swarm and (m.manager or m.state == "locked")
    ]
    controlling = [host for host in able if (m := observed[host.name]) and m.controls]
    if controlling:
        return controlling[0]
    if len(able) == 1:
        return able[0]
    if not able:
        return _refused(
            "recovery",
            "no declared host answers as a manager of a swarm, so there is nothing to recover from",
            "Restore a backup: docs/backup.md",
        )
    return _refused(
        "recovery",
        f"{listed([host.name for host in able])} are managers that answer, and only one can go on",
        "Look first why they do not reach each other (port 2377/tcp, power, addresses): most of "
        "them together are a quorum, and then nothing is lost. Else name the one: --data host=…",
    )


def plan_recovery(
    settings: Settings,
    observed: Observed,
    remaining: Remaining,
    target: Host,
    *,
    unlock_key: bool = False,
) -> list[Finding]:
    """The swarm goes on with one manager, or why it must not.

    unlock_key: the key of an autolocked swarm is at hand.
    """
    own, remains = observed.get(target.name), remaining.get(target.name)
    if own is None or remains is None:
        return [
            _refused("recovery", f"{target.name} does not answer", "Bring it up, and run again")
        ]
    if not own.in_swarm or not (own.manager or own.state == "locked"):
        what = f"its engine is {own.engine}" if own.engine != "running" else "it is no manager"
        return [
            _refused(
                "recovery",
                f"{target.name} cannot go on for the swarm: {what}",
                "Name a manager that is left: --data host=…; if there is none, restore a backup: "
                "docs/backup.md",
            )
        ]
    living = [name for name, m in observed.items() if m and m.controls]
    for name in living:
        cluster = observed[name]
        assert cluster is not None
        quorum = Quorum.of(cluster)
        if not quorum.lost:
            left = ghosts(cluster)
            if left and name == target.name:
                return _cleared(left, cluster.node)
            return [
                _refused(
                    "recovery",
                    f"the swarm has its quorum: {quorum.sentence()}, as {name} says",
                    "Nothing has to be forced: `pyinfra inventory.py deploys/site.py`"
                    + _if_it_lies(settings, name),
                )
            ]
    problems = _others(
        settings,
        observed,
        remaining,
        target.name,
        remains.cluster,
        {host.name for host in settings.hosts},
    )
    if remains.locked and not unlock_key:
        problems.append(
            _refused(
                "recovery",
                f"the swarm is autolocked, so its unlock key is needed to force {target.name} (do "
                "not try without: the engine then drops out of the swarm, moby #36852)",
                NEEDS_UNLOCK_KEY,
            )
        )
    if problems:
        return [*problems]
    lost = [
        _lost(node, _name_at(settings, address), address.rpartition(":")[0])
        for node, address in (own.remote_managers or {}).items()
        if node != remains.node
    ]
    lost.sort(key=lambda node: node.hostname)
    findings: list[Finding] = []
    if remains.locked:
        findings.append(
            Change(
                "the lock of the swarm's state",
                "would keep it from going on alone, so it is taken off; the engine puts it back",
            )
        )
    return [*findings, _forced(target.name), *_cleared(lost, remains.node)]


def _others(
    settings: Settings,
    observed: Observed,
    remaining: Remaining,
    target: str,
    cluster: str,
    asked: set[str],
) -> list[Refusal]:
    """Declared hosts that answer, and are managers of the swarm in question, or of another."""
    found: list[Refusal] = []
    for host in settings.hosts:
        own, remains = observed.get(host.name), remaining.get(host.name)
        if host.name == target or host.name not in asked or own is None:
            continue
        if remains is None or not (remains.state or own.in_swarm):
            continue
        here = own.cluster or remains.cluster
        if here and cluster and here != cluster:
            found.append(
                _refused(
                    "recovery",
                    f"{host.name} is in another swarm ({here}) than the one in question "
                    f"({cluster})",
                    f"If that one is to go, let {host.name} leave it: {LEAVE}",
                )
            )
        elif own.controls:
            found.append(
                _refused(
                    "recovery",
                    f"the swarm lives: {host.name} is a manager of it and answers for it",
                    "Nothing has to be restored: `pyinfra inventory.py deploys/site.py`"
                    + _if_it_lies(settings, host.name),
                )
            )
        elif own.manager or remains.manager:
            stopped = "" if own.engine == "running" else ", though its engine does not run now"
            found.append(
                _refused(
                    "recovery",
                    f"{host.name} is still a manager of this swarm{stopped}: with it there would "
                    "be two swarms that take themselves for the same",
                    f"Start its engine and look whether the managers reach each other (2377/tcp): "
                    f"with it there may be a quorum. If its state is to go, on {host.name}: {LEAVE}"
                    + (
                        ""
                        if own.engine == "running"
                        else " (or, without an engine, `rm -r /var/lib/docker/swarm`)"
                    )
                    + _if_it_lies(settings, host.name),
                )
            )
    return found


def _if_it_lies(settings: Settings, name: str) -> str:
    """What is left to do where a declared worker's word stands against going on alone."""
    if settings.host(name).is_manager:
        return ""
    return (
        f". {name} is declared a worker: if that is not true of it, somebody else may be root "
        "there; delete it from cluster.toml, and run again"
    )


# Words
# -----


def _refused(what: str, reason: str, remedy: str) -> Refusal:
    return Refusal(f"the swarm's {what}", reason, remedy=remedy)


def _forced(name: str) -> Change:
    return Change(
        "the swarm",
        f"goes on with {name} as its only manager (force-new-cluster): what the others had agreed "
        f"on and {name} has not heard of is lost",
    )


def _cleared(lost: Iterable[Node], own: str) -> list[Finding]:
    return [
        Change(
            f"node {node.hostname or node.id}",
            "is a manager that is lost for good, so its entry goes",
            expected="removed",
            found=f"{node.id}, {node.address}",
        )
        for node in lost
        if node.id != own
    ]


def _lost(id: str, hostname: str, address: str) -> Node:
    return Node(id, hostname, address, "manager", "active", "down", False, "", {}, "")


def _name_at(settings: Settings, address: str) -> str:
    at = address.rpartition(":")[0]
    return next((host.name for host in settings.hosts if host.address == at), at)
