"""Which backups this computer has written, by the SHA-256 of the whole file.

A backup is encrypted to public keys, so whoever knows one can make a file that opens. The record is
what tells this computer's own files from others': whatever writes to the folder they lie in cannot
write to it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pyinfra_swarm.run.findings import Finding, Notice
from pyinfra_swarm.run.wording import listed, moment, verb

if TYPE_CHECKING:
    from pyinfra_swarm.backup.archive import Backup
    from pyinfra_swarm.settings.model import Settings

_MOST_NAMED = 5
_WAS, _IS = ("was", "were"), ("is", "are")


@dataclass(frozen=True)
class Written:
    """A backup that this computer has written.

    sha256: of the file, in hexadecimal; size: its bytes; file: its name then; cluster: the swarm's
    id; name: what the settings called the cluster; host: whose state it is; taken: when, in seconds
    since 1970.
    """

    sha256: str
    size: int
    file: str
    cluster: str
    name: str
    host: str
    taken: int

    @property
    def time(self) -> str:
        """When it was taken, as a person reads it."""
        return moment(self.taken)


@dataclass(frozen=True)
class Found:
    """A file in the folder of backups. written: what it is, ``None`` for one of unknown origin."""

    name: str
    written: Written | None


def as_line(written: Written) -> str:
    """An entry of the record, as a line of its file."""
    return json.dumps(asdict(written)) + "\n"


def parse(text: str) -> list[Written]:
    """The record's entries; a line that is none, such as one cut by a power cut, is no entry."""
    found = []
    for line in text.split("\n"):
        try:
            entry = Written(**json.loads(line))
        except (ValueError, TypeError, RecursionError):
            continue
        if _is_whole(entry):
            found.append(entry)
    return found


def _is_whole(entry: Written) -> bool:
    texts = (entry.sha256, entry.file, entry.cluster, entry.name, entry.host)
    return (
        all(isinstance(text, str) for text in texts)
        and re.fullmatch(r"[0-9a-f]{64}", entry.sha256) is not None
        and type(entry.size) is int
        and type(entry.taken) is int
        and 0 <= entry.taken < 1 << 33
    )


def file_name(name: str, host: str, taken: int) -> str:
    """What a backup is called: ``home-rk2-20261124T031500Z.tar.age``."""
    stamp = datetime.fromtimestamp(taken, UTC).strftime("%Y%m%dT%H%M%SZ")
    return f"{name}-{host}-{stamp}.tar.age"


def superseded(
    found: Iterable[Found], settings: Settings, *, written: str, now: float
) -> list[str]:
    """The names of those files that are more than are to be kept.

    Only files that this computer has written of this cluster are counted, and go. Never the one
    that was written last (``written``, its name), and never for one that is dated in the future.
    """
    earlier = sorted(
        (file.written.taken, file.name)
        for file in found
        if file.written
        and file.written.name == settings.cluster.name
        and file.name != written
        and file.written.taken <= now
    )
    more = len(earlier) - (settings.backup.keep - 1)
    return [name for _, name in earlier[: max(more, 0)]]


def plan_folder(folder: str, found: Collection[Found], now: float) -> list[Finding]:
    """What in the folder of backups is not what it looks like."""
    findings: list[Finding] = []
    strangers = [file.name for file in found if file.written is None]
    if strangers:
        it, was, is_ = (verb(strangers, *words) for words in (("it", "they"), _WAS, _IS))
        findings.append(
            Notice(
                "the folder of backups",
                f"this computer did not write {_named(strangers)} in {folder}, or {it} {was} "
                f"changed since: nothing proves what {it} {is_}, so {it} {is_} neither counted "
                "nor removed",
                remedy="If no other computer of yours writes to this folder, find out who can",
            )
        )
    ahead = [file.name for file in found if file.written and file.written.taken > now]
    if ahead:
        findings.append(
            Notice(
                "the folder of backups",
                f"{_named(ahead)} in {folder} {verb(ahead, *_IS)} dated in the future, so neither "
                "counted nor removed",
                remedy="Check this computer's clock (`date`); if it is right, remove these files",
            )
        )
    return findings


def plan_origin(
    file: str, written: Written | None, backup: Backup, record: Iterable[Written]
) -> list[Finding]:
    """Where a backup comes from that is to be restored.

    file: its name; written: what the record says of it; backup: what it says of itself.
    """
    if written is None:
        return [
            Notice(
                "the backup",
                f"this computer did not write {file}, or it was changed since. It says of itself: "
                f"{of_itself(backup)}. Nothing proves that",
                remedy="Whoever knows the public key can make such a file, with services, secrets "
                "and a CA of their own. Go on only if you know how it came here (docs/backup.md)",
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


def asked_before_restore(backup: Backup, target: str, *, ours: bool) -> tuple[str, str]:
    """The word that has to be typed before a backup is put back, and what it is for.

    ours: this computer has written it. If not, the word is the swarm's id: it is to be read in what
    the file says of itself, while a host's name is what every restore is answered with.
    """
    consequence = (
        f"the swarm of {backup.time} goes on from {target}: what has changed since is lost, "
        "and none of its old managers may come back with its state"
    )
    if ours:
        return target, consequence
    return backup.cluster, (
        "this computer did not write this file, and nothing proves what it says of itself "
        f"({of_itself(backup)}): {consequence}"
    )


def of_itself(backup: Backup) -> str:
    """What a backup says of itself, for who has to tell whether it can be true."""
    return (
        f"swarm {backup.cluster}, made on {backup.host} at {backup.address} on {backup.time}, "
        f"Docker {backup.engine}"
    )


def _named(names: Collection[str]) -> str:
    shown = sorted(names)[:_MOST_NAMED]
    more = len(names) - len(shown)
    return listed([*shown, f"{more} more"]) if more else listed(shown)
