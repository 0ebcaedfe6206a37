"""Which version is to be the current one, what it takes, and what is kept beside it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from pyinfra_swarm.run.findings import Change
from pyinfra_swarm.secrets.objects import Key, Line, Object, User
from pyinfra_swarm.secrets.steps import Asked, Create, MakeCurrent, Wanted, Withdraw
from pyinfra_swarm.services.service import Reference


@dataclass(frozen=True)
class Coming:
    """What is to be the current version of something.

    id: its object's, "" for one that is yet to be created; name: what the engine calls it, "" where
    there is none. kept: ids of what is kept beside it, though no service may use it: the version
    before, to go back to, and one that has the declared value. steps: what makes it so.
    taken_back: the version that has the declared value, and was taken back; not used again.
    """

    id: str
    name: str
    kept: frozenset[str]
    steps: tuple[Change, ...] = ()
    taken_back: Object | None = None


def coming_of(wanted: Wanted, line: Line, asked: Asked) -> Coming:
    """What is to be the current version.

    asked.back: the version before, though the declared value is another one. There has to be one.
    """
    current = line.current
    if asked.back:
        return _back(line)
    matching = next((one for one in line.versions if one.id == wanted.matching), None)
    if matching is None:
        return _created(line)
    if matching is current:
        return _standing(line)
    if matching.withdrawn is not None and not asked.secret:
        return _standing(line, matching)
    return _current_again(line, matching)


def _standing(line: Line, taken_back: Object | None = None) -> Coming:
    """As it is; taken_back: the version that the declared value is that of, if it was."""
    kept = {one.id for one in (*line.standing[1:2], taken_back) if one is not None}
    current = line.current
    return Coming(
        current.id if current else "",
        current.name if current else "",
        frozenset(kept),
        taken_back=taken_back,
    )


def _created(line: Line) -> Coming:
    current, name = line.current, line.key.versioned(line.next_version)
    reason = "is declared and does not exist"
    if current is not None:
        reason = "its declared value is another one than the swarm has"
    step = Create(
        str(line.key),
        reason,
        expected=name,
        found=current.name if current else "",
        key=line.key,
        version=line.next_version,
        turn=line.next_turn,
    )
    return Coming("", name, frozenset(one.id for one in line.standing[:1]), (step,))


def _current_again(line: Line, matching: Object) -> Coming:
    current = line.current
    reason = f"its declared value is that of {matching.name} again"
    if matching.withdrawn is not None:
        reason = f"{matching.name}, which was taken back, is used again, as asked for"
    step = MakeCurrent(
        str(line.key),
        reason,
        expected=matching.name,
        found=current.name if current else "",
        key=line.key,
        id=matching.id,
        turn=line.next_turn,
    )
    kept = frozenset([current.id] if current else [])
    return Coming(matching.id, matching.name, kept, (step,))


def _back(line: Line) -> Coming:
    """To the version before the last one: asked for twice, it goes no further.

    A run that was interrupted is run again with the same words.
    """
    if line.last_taken_back is not None:
        return _standing(line, line.last_taken_back)
    taken, before = line.standing[:2]
    step = Withdraw(
        str(line.key),
        "goes back to the version before, as asked for",
        expected=before.name,
        found=taken.name,
        key=line.key,
        id=taken.id,
    )
    return Coming(before.id, before.name, frozenset(), (step,))


def outdated_in(
    user: User, every: Mapping[Key, Line], coming: Mapping[Key, Coming], adopted: Collection[Key]
) -> dict[Key, tuple[Reference, ...]]:
    """What a service uses other versions of, and its references to them.

    adopted: keys of which an object that is not ours counts as an old version.
    """
    found: dict[Key, tuple[Reference, ...]] = {}
    for key, turn in coming.items():
        line = every[key]
        old = {one.id for one in line.versions} - {turn.id}
        if key in adopted and line.plain is not None:
            old.add(line.plain.id)
        used = tuple(one for one in user.references if one.id in old)
        if used and turn.name:
            found[key] = used
    return found
