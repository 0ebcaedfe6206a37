"""Which backups in this computer's folder are kept, and what else is in it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from pyinfra_swarm.backup.record import Found
from pyinfra_swarm.run.findings import Finding, Notice
from pyinfra_swarm.run.wording import listed, verb

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings


_MOST_NAMED = 5
_WAS, _IS = ("was", "were"), ("is", "are")


def superseded(
    found: Iterable[Found], settings: Settings, *, cluster: str, written: str, now: float
) -> list[str]:
    """The names of the files that are removed, since newer ones are kept.

    Only files of this cluster that this computer has written are counted and removed: of its name,
    and of the same swarm (``cluster``, its id), since two clusters may have one name. The file
    that was written last (``written``, its name) stays, and one dated in the future displaces none.
    """
    earlier = sorted(
        (file.written.taken, file.name)
        for file in found
        if file.written
        and file.written.name == settings.cluster.name
        and file.written.cluster == cluster
        and file.name != written
        and file.written.taken <= now
    )
    more = len(earlier) - (settings.backup.keep - 1)
    return [name for _, name in earlier[: max(more, 0)]]


def plan_namesakes(
    settings: Settings, folder: str, found: Iterable[Found], cluster: str
) -> list[Finding]:
    """Backups in the folder of other swarms with this cluster's name. cluster: this swarm's id."""
    name = settings.cluster.name
    theirs = [
        file.name
        for file in found
        if file.written and file.written.name == name and file.written.cluster != cluster
    ]
    if not theirs:
        return []
    is_ = verb(theirs, *_IS)
    return [
        Notice(
            "the folder of backups",
            f"{_named(theirs)} in {folder} {is_} of another swarm that is called {name} as well, "
            f"so {verb(theirs, 'it', 'they')} {is_} neither counted nor removed",
            remedy="If that swarm is gone for good, remove what you do not need of it. If not, "
            "give one of the two another cluster.name, or another backup.folder",
        )
    ]


def plan_folder(folder: str, found: Collection[Found], now: float) -> list[Finding]:
    """Files in the folder of backups that are not what they look like."""
    findings: list[Finding] = []
    unknown = [file.name for file in found if file.written is None]
    if unknown:
        it, was, is_ = (verb(unknown, *words) for words in (("it", "they"), _WAS, _IS))
        findings.append(
            Notice(
                "the folder of backups",
                f"this computer did not write {_named(unknown)} in {folder}, or {it} {was} "
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


def _named(names: Collection[str]) -> str:
    shown = sorted(names)[:_MOST_NAMED]
    more = len(names) - len(shown)
    return listed([*shown, f"{more} more"]) if more else listed(shown)
