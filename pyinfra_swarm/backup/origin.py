"""Where a backup comes from, and the word that its restore asks for."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from pyinfra_swarm.backup.force_new_cluster import (
    LEAVE,
    ClearEntry,
    ForceNewCluster,
    PutStateBack,
    RestoreAvailability,
    what_is_lost,
)
from pyinfra_swarm.backup.record import Written
from pyinfra_swarm.run.findings import Change, Finding, Notice
from pyinfra_swarm.run.wording import listed

if TYPE_CHECKING:
    from pyinfra_swarm.backup.archive import Backup


def plan_origin(
    file: str, written: Written | None, backup: Backup, record: Iterable[Written]
) -> list[Finding]:
    """What is known about where a backup comes from that is to be restored.

    file: its name; written: what the record says of it; backup: what it says of itself.
    """
    if written is None:
        return [
            Notice(
                "the backup",
                f"this computer did not write {file}, or it was changed since. It says of itself: "
                f"{of_itself(backup)}. Nothing proves that",
                remedy="Anybody who knows the public key can make such a file, with services, "
                "secrets and a CA of their own. Continue only if you know how it came here "
                "(docs/backup.md)",
            )
        ]
    findings: list[Finding] = []
    if file != written.file:
        findings.append(
            Notice(
                "the backup",
                f"{file} is what this computer wrote as {written.file}: {of_itself(backup)}",
            )
        )
    later = [
        other
        for other in record
        if other.cluster == written.cluster and other.taken > written.taken
    ]
    if later:
        newest = max(later, key=lambda other: other.taken)
        findings.append(
            Notice(
                "the backup",
                f"{file} is of {written.time}, and this computer has written a newer one of the "
                f"same swarm: {newest.file}, of {newest.time}",
                remedy="If the newer one is gone or was changed, find out who can write to its "
                "folder",
            )
        )
    return findings


def asked_before_restore(
    backup: Backup, target: str, steps: Collection[Finding], *, recorded: bool
) -> tuple[str, str]:
    """The word that confirms a restore, and its consequence.

    steps: what is done. Where the state is not put back, it is the host's own, or was put back by a
    run that was interrupted. recorded: this computer has written the backup. If not, the word is
    the swarm's id, which stands in what the file says of itself: every restore is confirmed with a
    host's name, so that would be typed out of habit.
    """
    consequence = _consequence(backup, target, steps)
    if recorded:
        return target, consequence
    return backup.cluster, (
        "this computer did not write this file, and nothing proves what it says of itself "
        f"({of_itself(backup)}): {consequence}"
    )


def _consequence(backup: Backup, target: str, steps: Collection[Finding]) -> str:
    kinds = {type(step) for step in steps if isinstance(step, Change)}
    if PutStateBack in kinds:
        return (
            f"the swarm of {backup.time} continues from {target}: what has changed since is lost, "
            "and none of its old managers may come back with its state"
        )
    if ForceNewCluster in kinds:
        return (
            f"{target} already holds this swarm's state (its own, or what an interrupted restore "
            "has put back), and keeps it: this run puts nothing back. To have the backup instead, "
            f"type another word, run {LEAVE} on {target}, then the same command again. "
            f"{what_is_lost(steps, target)}"
        )
    told = []
    if lost := [step.name for step in steps if isinstance(step, ClearEntry)]:
        told.append(
            f"the swarm forgets {listed(lost)}, which must never come back with an old state"
        )
    if RestoreAvailability in kinds:
        told.append(
            f"{target} takes tasks again. If you drained it yourself, "
            + (
                f"type another word: the restore is complete, and {target} stays drained"
                if kinds == {RestoreAvailability}
                else "drain it again afterwards"
            )
        )
    return ". ".join(told)


def of_itself(backup: Backup) -> str:
    """What a backup says of itself, for its owner to judge."""
    return (
        f"swarm {backup.cluster}, made on {backup.host} at {backup.address} on {backup.time}, "
        f"Docker {backup.engine}"
    )
