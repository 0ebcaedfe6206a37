"""Autolock as declared: managers that encrypt their keys on disk, and a file that keeps the key.

Source: Docker's guide “Lock your swarm to protect its encryption key”.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyinfra_swarm.keys.unlock_key import KeyFile, fetched, made_private
from pyinfra_swarm.nodes.membership import (
    Observed,
    acting_manager,
    view,
)
from pyinfra_swarm.run.findings import Change, Finding, Notice, Refusal

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Host, Settings


@dataclass(frozen=True, kw_only=True)
class TurnAutolockOn(Change):
    """Autolock is turned on. path: the file that gets the unlock key."""

    path: str


@dataclass(frozen=True)
class TurnAutolockOff(Change):
    """Autolock is turned off."""


def needs_fingerprint(settings: Settings, observed: Observed, host: Host) -> bool:
    """Whether it matters, in this host's name, which unlock key the swarm has."""
    cluster = view(settings, observed)
    return bool(
        cluster
        and cluster.spec
        and cluster.spec.autolock
        and settings.swarm.unlock_key_file
        and acting_manager(settings, observed) == host.name
    )


def plan_autolock(
    settings: Settings,
    observed: Observed,
    host: Host,
    file: KeyFile | None,
    fingerprint: str,
) -> list[Finding]:
    """Autolock on or off as declared, and the swarm's unlock key in its file.

    file: the declared one as it is, ``None`` where none is declared: then autolock is not managed.
    fingerprint: of the swarm's unlock key, empty where it was not asked for, or there is none.
    """
    cluster = view(settings, observed)
    if cluster is None:
        return _of_a_new_swarm(settings, observed, host, file)
    if acting_manager(settings, observed) != host.name or cluster.spec is None:
        return []
    on = cluster.spec.autolock
    if file is None:
        return [_BY_HAND] if on else []
    if not settings.swarm.autolock:
        return [_turned_off(file)] if on else []
    if file.problem:
        return [_unusable(file, on=on)]
    if not on:
        return [_turned_on(file), *made_private(file)]
    return [*fetched(file, fingerprint), *made_private(file)]


def _of_a_new_swarm(
    settings: Settings, observed: Observed, host: Host, file: KeyFile | None
) -> list[Finding]:
    if not settings.swarm.autolock or file is None:
        return []
    able = [m.name for m in settings.managers if (o := observed.get(m.name)) and o.in_none]
    if not able or able[0] != host.name:
        return []
    return [_unusable(file, on=False) if file.problem else _turned_on(file)]


def _turned_on(file: KeyFile) -> Change:
    return TurnAutolockOn(
        "autolock",
        "is off: a stolen disk of a manager gives away the swarm's keys and secrets",
        expected=f"on, the unlock key kept in {file.path}",
        found="off",
        path=file.path,
    )


def _turned_off(file: KeyFile) -> Change:
    return TurnAutolockOff(
        "autolock",
        f"is on, and declared off; {file.path} stays, but is of no use then",
        expected="off",
        found="on",
    )


_BY_HAND = Notice(
    "autolock",
    "is on, set by hand: a manager is locked when its engine starts",
    remedy="Declare swarm.unlock_key_file, and swarm.autolock = true to keep it on, or false to "
    "have it turned off",
)


def _unusable(file: KeyFile, *, on: bool) -> Refusal:
    return Refusal(
        "unlock key",
        f"cannot be kept in {file.path}: {file.problem}"
        + ("; autolock is on, so it is needed after the next reboot" if on else ""),
        remedy="Make the folder, or mount what it is on, or set swarm.unlock_key_file to another "
        "path; then run again",
    )
