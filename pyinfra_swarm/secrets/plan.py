"""Declared secrets and configs: which versions come and go, and which services use which.

A changed value becomes a new version; each service that uses another one is flipped to it, one at
a time; then versions that nothing could need any more go. What a step needs to be carried out is
in the step; the operation looks again before each.

Sources: swarmkit ``manager/controlapi/secret.go`` (an object is removed although a rollback would
need it: only a service's current specification is looked at), ``manager/orchestrator/update``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from pyinfra_swarm.run.findings import Finding
from pyinfra_swarm.run.wording import listed
from pyinfra_swarm.secrets import old_tasks
from pyinfra_swarm.secrets.coming import Coming, coming_of, outdated_in
from pyinfra_swarm.secrets.notices import misasked, notices, undeclared, unreadable, untold
from pyinfra_swarm.secrets.objects import Key, Line, Object, Seen, User, lines, needed
from pyinfra_swarm.secrets.steps import NOTHING, Asked, Await, Flip, Remove, Wanted
from pyinfra_swarm.services.service import Reference, Spec, Task, references, with_references

UNDER_WAY = ("updating", "rollback_started")
STOPPED = ("paused", "rollback_paused")

JUST_ENDED = 86400.0
"""Seconds after an update in which tasks that do not run are taken for its failure."""


# The plan
# --------


def plan(
    wanted: Sequence[Wanted],
    seen: Seen,
    *,
    asked: Asked = NOTHING,
    living: Collection[str] = (),
    ending: Sequence[Task] = (),
    down: Collection[str] = (),
    now: float,
) -> list[Finding]:
    """What it takes until every service uses the current version of what is declared.

    wanted: all that is declared; where asked for a way back, without the values.
    living: ids of the objects that tasks use which have not ended, whatever their service says;
    ending: those tasks that are told to end, and use a version that is not the current one.
    down: ids of the nodes that the managers list as down. now: in seconds since 1970.
    """
    if seen.problem:
        return [untold(seen.problem)]
    every = lines(seen.objects, [one.key for one in wanted])
    chosen = chosen_of(wanted, asked)
    if refusals := [
        *misasked(wanted, every, chosen, asked),
        *unreadable([] if asked.back else chosen),
    ]:
        return refusals
    coming = {one.key: coming_of(one, every[one.key], asked) for one in chosen}
    adopted = {one.key for one in chosen if one.adopt}
    flips = _flips(seen.users, every, coming, adopted)
    flipped = {flip.id for flip in flips}
    findings: list[Finding] = [step for turn in coming.values() for step in turn.steps]
    awaited = _awaited(seen.users, every, coming, flips, now)
    findings += [*awaited, *flips]
    seen_to = flipped | {one.id for one in awaited}
    left = [task for task in ending if task.service not in seen_to]
    findings += old_tasks.findings(left, seen.users, now, down)
    if not asked.back:
        findings += _removed(every, coming, seen.users, flipped, living)
    findings += notices(chosen, every, coming, seen.users, adopted, asked, now)
    if not asked.secret:
        findings += undeclared(every, {one.key for one in wanted}, seen.users)
    return findings


def chosen_of(wanted: Iterable[Wanted], asked: Asked) -> list[Wanted]:
    """What ``--data`` means, of all that is declared."""
    return [one for one in wanted if asked.secret in ("", one.key.name)]


def names_after(wanted: Sequence[Wanted], seen: Seen, asked: Asked = NOTHING) -> dict[Key, str]:
    """What the engine calls the current version of each, once a plan without refusals is done."""
    every = lines(seen.objects, [one.key for one in wanted])
    chosen = chosen_of(wanted, asked)
    names = {key: line.current.name for key, line in every.items() if line.current}
    coming = {one.key: coming_of(one, every[one.key], asked).name for one in chosen}
    return {one.key: name for one in wanted if (name := {**names, **coming}.get(one.key))}


# Services
# --------


def _flips(
    users: Iterable[User],
    every: Mapping[Key, Line],
    coming: Mapping[Key, Coming],
    adopted: Collection[Key],
) -> list[Flip]:
    flips = []
    for user in sorted(users, key=lambda one: one.name):
        outdated = outdated_in(user, every, coming, adopted)
        if not outdated or user.is_job:
            continue
        flips.append(
            Flip(
                f"service {user.name}",
                "does not use the current version of " + listed([str(key) for key in outdated]),
                expected=listed([coming[key].name for key in outdated]),
                found=listed(_names(outdated)),
                id=user.id,
                service=user.name,
                keys=tuple(outdated),
                old=tuple(dict.fromkeys(one.id for ones in outdated.values() for one in ones)),
            )
        )
    return flips


def _names(outdated: Mapping[Key, Sequence[Reference]]) -> list[str]:
    return [*dict.fromkeys(one.name for ones in outdated.values() for one in ones)]


def flipped(spec: Spec, seen: Seen, step: Flip) -> Spec | None:
    """A specification with the current versions; ``None`` where it has them already.

    spec, seen: the service's and the swarm's, as they are when the step's turn has come.
    """
    new = spec
    for key, line in lines(seen.objects, step.keys).items():
        if line.current is None or key not in step.keys:
            continue
        by = line.current.id, line.current.name
        old = {one.id for one in line.versions} - {line.current.id}
        old |= {one.id for one in line.others} & {*step.old}
        used = {one.id for one in references(spec, key.kind)} & old
        new = with_references(new, key.kind, dict.fromkeys(used, by))
    return None if new == spec else new


def _awaited(
    users: Iterable[User],
    every: Mapping[Key, Line],
    coming: Mapping[Key, Coming],
    flips: Sequence[Flip],
    now: float,
) -> list[Await]:
    """Updates that have not ended well yet: ours, of a run that was interrupted; and others' that
    are under way in a service that is to be flipped."""
    flipped = {flip.id for flip in flips}
    declared = {one.id: key for key in coming for one in every[key].versions}
    found: list[Await] = []
    for user in sorted(users, key=lambda one: one.name):
        used, before = (
            {one.id for one in used_then if one.id in declared}
            for used_then in (user.references, user.previous)
        )
        ours = used != before and bool(before)
        if user.id in flipped:
            open_end = user.update in UNDER_WAY and not ours
        else:
            fails = _fails_unseen(user, now)
            open_end = (user.update in (*UNDER_WAY, *STOPPED) or fails) and ours
        if user.is_job or not open_end:
            continue
        found.append(
            Await(
                f"update of service {user.name}",
                "has not ended well yet"
                if user.id not in flipped
                else "is under way, and comes first",
                expected="completed",
                found=user.update.replace("_", " "),
                id=user.id,
                service=user.name,
                ours=ours,
            )
        )
    return found


def _fails_unseen(user: User, now: float) -> bool:
    """Whether the managers have called an update completed whose tasks do not run.

    Later on it has other causes: what is wrong then is no reason to go back to an old version.
    """
    running, wanted = user.tasks or (0, 0)
    just = user.ended is not None and now - user.ended < JUST_ENDED
    return user.update == "completed" and user.goes_on and just and running < wanted


# What goes
# ---------


def unneeded(
    wanted: Wanted, seen: Seen, living: Collection[str] = (), *, asked: Asked = NOTHING
) -> tuple[Object, ...]:
    """The versions of one that can go, as things stand: none of them can be needed any more."""
    line = lines(seen.objects, [wanted.key])[wanted.key]
    turn = coming_of(wanted, line, asked)
    in_use = needed(seen.users) | {*living}
    return tuple(one for one in line.versions if one.id not in in_use | turn.kept | {turn.id})


def may_go(wanted: Sequence[Wanted], seen: Seen, *, asked: Asked = NOTHING) -> tuple[Object, ...]:
    """What would go if no task had it: then it is worth asking for the tasks."""
    every = lines(seen.objects, [one.key for one in wanted])
    chosen = [one for one in chosen_of(wanted, asked) if not one.problem]
    if asked.back or seen.problem:
        return ()
    coming = {one.key: coming_of(one, every[one.key], asked) for one in chosen}
    adopted = {one.key for one in chosen if one.adopt}
    flipped = {flip.id for flip in _flips(seen.users, every, coming, adopted)}
    return _gone(every, coming, seen.users, flipped, ())


def _gone(
    every: Mapping[Key, Line],
    coming: Mapping[Key, Coming],
    users: Iterable[User],
    flipped: Collection[str],
    living: Collection[str],
) -> tuple[Object, ...]:
    """What can go when the flips have ended: a flip makes what a service uses its previous one."""
    in_use = {*living}
    for user in users:
        in_use |= {one.id for one in user.references}
        if user.id not in flipped:
            in_use |= {one.id for one in user.previous}
    return tuple(
        one
        for key, turn in coming.items()
        for one in every[key].versions
        if one.id not in in_use | turn.kept | {turn.id}
    )


def _removed(
    every: Mapping[Key, Line],
    coming: Mapping[Key, Coming],
    users: Sequence[User],
    flipped: Collection[str],
    living: Collection[str],
) -> list[Finding]:
    return [
        Remove(
            f"{one.kind} {one.name}",
            "is an old version, and no service uses it or would go back to it",
            key=one.key,
            id=one.id,
            name=one.name,
        )
        for one in _gone(every, coming, users, flipped, living)
        if one.key is not None
    ]


# What reports show
# -----------------


def measures(wanted: Iterable[Key], seen: Seen, now: float) -> list[dict[str, object]]:
    """Of each declared: ``{"kind", "name", "version", "versions", "users", "age_days"}``.

    version: of the current one, 0 where there is none; users: services that use any version.
    """
    keys = sorted(wanted)
    found: list[dict[str, object]] = []
    every = lines(seen.objects, keys)
    for key in keys:
        line = every[key]
        ids = {one.id for one in line.versions}
        current = line.current
        users = [user for user in seen.users if ids & {one.id for one in user.references}]
        found.append(
            {
                "kind": key.kind,
                "name": key.name,
                "version": current.version if current else 0,
                "versions": len(line.versions),
                "users": len(users),
                "age_days": round(max(now - current.created, 0) / 86400, 2) if current else None,
            }
        )
    return found
