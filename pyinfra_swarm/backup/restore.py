"""A swarm whose managers are lost, restored from a backup.

Source: Docker's administration guide for swarm (“Restore from a backup”).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from pyinfra_swarm.backup.archive import Backup
from pyinfra_swarm.backup.force_new_cluster import (
    LEAVE,
    NEEDS_UNLOCK_KEY,
    AwaitAnswer,
    AwaitLock,
    PutStateBack,
    RestoreAvailability,
    attachment,
    cleared,
    forced,
    has_company,
    known_managers,
    lock_taken_off,
    lost_entries,
    lost_manager,
    needs_lock_off,
    other_managers,
)
from pyinfra_swarm.engine.versions import order
from pyinfra_swarm.nodes.membership import (
    Membership,
    Node,
    Observed,
)
from pyinfra_swarm.nodes.on_disk import OnDisk, OnDisks
from pyinfra_swarm.run.findings import Finding, Notice, Refusal, refusals
from pyinfra_swarm.run.printable import quoted, setting
from pyinfra_swarm.run.wording import listed

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Host, Settings


def restore_target(settings: Settings, backup: Backup, asked: str | None) -> Host | Refusal:
    """The host that a backup goes to: the one asked for, else the one at the backup's address."""
    at = next((host for host in settings.hosts if host.address == backup.address), None)
    found = settings.host(asked) if asked is not None else at
    if found is None:
        return _refused(
            f"no declared host has the address {backup.address}, and a manager's state works at "
            "its own address only: the other nodes, and its own certificates, know it by that",
            "Give the host that is to be restored this address, and declare it so",
        )
    if found.address != backup.address:
        return _refused(
            f"the backup is {backup.host}'s at {backup.address}, and {found.name} is at "
            f"{found.address}: a manager's state works at its own address only",
            f"Restore it on {at.name}" if at else f"Give {found.name} that address",
        )
    return found


def plan_restore(
    settings: Settings,
    observed: Observed,
    remaining: OnDisks,
    backup: Backup,
    target: Host,
    gone: Collection[str] = (),
    *,
    unlock_key: bool = False,
    another_key: bool = False,
) -> list[Finding]:
    """The backup put back on a fresh host, or why not.

    gone: silent hosts that, by the owner's word, will not come back as they were.
    unlock_key: the key of an autolocked swarm is at hand.
    another_key: the restored swarm answers, and its unlock key is not at hand.
    """
    own, remains = observed.get(target.name), remaining.get(target.name)
    if own is None or remains is None:
        return [_refused(f"{target.name} does not answer", "Bring it up, and run again")]
    mine = remains.state and remains.node == backup.node
    # The swarm of its state may have grown since the backup.
    known = known_managers(settings, own) if mine and not own.controls else []
    problems = other_managers(
        settings,
        observed,
        remaining,
        target.name,
        backup.cluster,
        _managers(settings, backup, known),
        gone,
        job="restore",
    )
    if mine and own.controls and not lost_entries(own):
        others = [m for name, m in observed.items() if m and name != target.name]
        if problems and any(m.controls for m in others):
            return [*problems]
        return [
            *(_left_over(own, remains, backup, target, unlock_key) or _restored(backup, target)),
            *([_another_key(target)] if another_key else []),
        ]
    problems += _silent(
        observed, remaining, _managers(settings, backup, known) - {target.name}, gone
    )
    problems += _unfit(own, remains, backup, target, mine)
    forces = not own.controls and max(len(backup.managers), len(known)) > 1
    survives = forces and mine and remains.locked  # what is put back is unlocked on the disk
    if mine and own.state == "locked":
        problems.append(_locked(target))
    elif survives and not unlock_key:
        problems.append(needs_lock_off(target.name, "restore"))
    if backup.autolock and not mine and not unlock_key:
        problems.append(
            _refused(
                f"the swarm was autolocked on {backup.time}, so the unlock key of that time is "
                "needed",
                NEEDS_UNLOCK_KEY,
            )
        )
    attached = _attached(own, backup, target, unlock_key) if mine else []
    problems += refusals(attached)
    if problems:
        return [*problems]
    findings: list[Finding] = []
    if not mine:
        findings.append(
            PutStateBack(
                "the swarm's state",
                f"is put back as {backup.host} had it on {backup.time}; what has changed since is "
                "lost",
                expected=f"swarm {backup.cluster}, node {backup.node}",
            )
        )
    if survives:
        findings.append(lock_taken_off())
    if forces:
        findings.append(forced(target.name))
    elif mine and not own.controls:
        findings.append(
            AwaitAnswer(
                f"node {target.name}",
                "holds the swarm's state and does not answer for the swarm yet; the run waits for "
                "it",
                found=own.engine if own.engine != "running" else own.error or own.state,
            )
        )
    if own.controls:
        lost = lost_entries(own)
    elif len(known) > 1:
        lost = known
    else:
        lost = [lost_manager(m.node, m.hostname, m.address) for m in backup.managers]
    findings += cleared(lost, backup.node)
    later = own.controls or any(isinstance(step, AwaitAnswer) for step in findings)
    return findings + attached + _availability(own, backup, target, later=later)


def still_autolocked(backup: Backup, own: Membership | None) -> bool:
    """Whether the swarm is autolocked once it is restored.

    own: what the backup's host says. A restored swarm may have had its autolock turned off since.
    """
    if own is None or not own.controls or own.spec is None:
        return backup.autolock
    return backup.autolock and own.spec.autolock


def locks_when_restarted(backup: Backup, own: Membership) -> bool:
    """Whether its engine is locked after a restart: autolock may have been turned on since, too."""
    on = own.controls and own.spec is not None and own.spec.autolock
    return on or still_autolocked(backup, own)


def _left_over(
    own: Membership, remains: OnDisk, backup: Backup, target: Host, unlock_key: bool
) -> list[Finding]:
    """What an interrupted restore has not come to: it ends with networks, availability and lock.

    Nothing where other managers have joined since: from then on it is for the site to say.
    """
    if has_company(own):
        return []
    autolock = still_autolocked(backup, own)
    findings = _attached(own, backup, target, unlock_key)
    if refusals(findings):
        return findings
    if autolock and not remains.locked:
        findings.append(
            AwaitLock("the lock of the swarm's state", "is not on the disk again yet: awaited")
        )
    return findings + _availability(own, backup, target, later=bool(findings))


def _attached(own: Membership, backup: Backup, target: Host, unlock_key: bool) -> list[Finding]:
    autolock = locks_when_restarted(backup, own)
    return attachment(own, target.name, autolock=autolock, unlock_key=unlock_key, job="restore")


def _availability(own: Membership, backup: Backup, target: Host, *, later: bool) -> list[Finding]:
    """In the state it is drained, if it was for its backup.

    One that answers may have been drained by its owner since. Its state does not tell. So that its
    owner can say no to this alone, it is asked in a run without other steps. later: there are some.
    """
    if has_company(own):
        return []
    now = next((node.availability for node in own.nodes or () if node.id == own.node), "drain")
    if backup.availability in ("", now) or now != "drain":
        return []
    if later:
        state = "is drained" if own.controls else "may be drained, as it was for its backup"
        return [
            Notice(
                f"node {target.name}",
                f"{state}; this run leaves it so",
                remedy="To have it take tasks again, run the same command once more after this "
                "run: it asks first",
            )
        ]
    return [
        RestoreAvailability(
            f"node {target.name}",
            "is drained, by the restore or by you (the run cannot tell); after your confirmation "
            "it takes tasks again"
            if own.controls
            else "takes tasks again as before: it was drained for the backup",
            expected=backup.availability,
            found=now,
            availability=backup.availability,
        )
    ]


def _restored(backup: Backup, target: Host) -> list[Finding]:
    return [
        Notice(
            "the swarm's state",
            f"{target.name} is a manager of this swarm and answers: nothing is restored",
            remedy=f"To go back to the state of {backup.time}, make it leave first: {LEAVE}",
        )
    ]


def _another_key(target: Host) -> Notice:
    return Notice(
        "the swarm's unlock key",
        "is another one than is at hand",
        remedy=f"`sudo docker swarm unlock-key` on {target.name} prints it. Keep it: without it no "
        "manager comes back after a reboot",
    )


def _managers(settings: Settings, backup: Backup, known: Iterable[Node]) -> set[str]:
    """Declared hosts that were managers or are to be: a silent one of them may still be one."""
    at = {manager.address for manager in backup.managers} | {node.address for node in known}
    return {host.name for host in settings.hosts if host.is_manager or host.address in at}


def _silent(
    observed: Observed, remaining: OnDisks, managers: set[str], gone: Iterable[str]
) -> list[Refusal]:
    silent = sorted(
        name for name in managers - {*gone} if _is_silent(observed.get(name), remaining.get(name))
    )
    if not silent:
        return []
    return [
        _refused(
            f"{listed(silent)} did not answer, and may still be a manager of this swarm: two of "
            "the old managers that come back would be a second swarm beside the restored one",
            "Bring them up, so that they can answer. If they are gone for good, or will be "
            f"installed again before they come back: `--data gone={quoted(','.join(silent))}`",
        )
    ]


def _is_silent(own: Membership | None, remains: OnDisk | None) -> bool:
    """Whether a host gave no answer. Half an answer is judged by :func:`other_managers`."""
    if own is None:
        return remains is None
    return own.engine.startswith("unreachable")


def _unfit(
    own: Membership, remains: OnDisk, backup: Backup, target: Host, mine: bool
) -> list[Refusal]:
    found: list[Refusal] = []
    if own.engine == "absent" or not remains.engine:
        return [
            _refused(
                f"{target.name} has no Docker yet",
                "Prepare it as far as Docker and its firewall, not the swarm: `pyinfra "
                f"inventory.py deploys/docker.py deploys/firewall.py --limit "
                f"{quoted(target.name)}`",
            )
        ]
    if order(remains.engine) < order(backup.engine):
        found.append(
            _refused(
                f"{target.name} runs Docker {remains.engine}, and the state is from "
                f"{backup.engine}: an older engine may not understand it",
                f"Declare docker.version = {setting(backup.engine)} or newer, and run "
                "deploys/docker.py",
            )
        )
    if remains.addresses and target.address not in remains.addresses:
        found.append(
            _refused(
                f"{target.name} does not have its declared address {target.address} (it has "
                f"{', '.join(remains.addresses)})",
                "Give it that address: the state works at that address only",
            )
        )
    if not mine and (own.in_swarm or remains.state):
        found.append(
            _refused(
                f"{target.name} is in a swarm already"
                + (f" ({remains.cluster})" if remains.cluster else "")
                + ", and its state would be overwritten",
                f"If that swarm may be discarded, run {LEAVE} on it; otherwise restore on a fresh "
                "host",
            )
        )
    return found


def _locked(target: Host) -> Refusal:
    """An engine that is locked cannot be forced, and one whose cluster was forced needs not be.

    Without its lock, it leads and locks itself again before it could be forced.
    """
    return _refused(
        f"{target.name} already holds this swarm's state, and its engine is locked: an autolocked "
        "engine locks at each start",
        f"Unlock it (`pyinfra inventory.py deploys/unlock.py --limit {quoted(target.name)} --data "
        "key_file=PATH`), then run the same command again. If the unlocking ends without a quorum, "
        f"the other managers are lost: recover {target.name} instead, with `pyinfra inventory.py "
        f"deploys/recover.py --limit {quoted(target.name)} --data unlock=PATH`",
    )


def _refused(reason: str, remedy: str) -> Refusal:
    return Refusal("the swarm's restore", reason, remedy=remedy)
