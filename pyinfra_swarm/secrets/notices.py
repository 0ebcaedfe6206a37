"""What is only reported of secrets and configs, and what forbids going on."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from pyinfra_swarm.run.findings import Finding, Notice, Refusal
from pyinfra_swarm.run.printable import quoted
from pyinfra_swarm.run.wording import duration, listed, moment, verb
from pyinfra_swarm.secrets.coming import Coming, outdated_in
from pyinfra_swarm.secrets.objects import Key, Line, Object, User, needed
from pyinfra_swarm.secrets.steps import Asked, Wanted
from pyinfra_swarm.services.service import Reference

DEPLOY = "`pyinfra inventory.py deploys/secrets.py --data secret={name}`"


# Refusals
# --------


def untold(problem: str) -> Refusal:
    """Why nothing is known of the swarm's secrets. problem: the engine's words."""
    return Refusal(
        "secrets and configs",
        f"the manager that speaks for the swarm cannot list them: {problem}",
        remedy="Look at its engine (`sudo journalctl -u docker`), and run again",
    )


def unreadable(chosen: Iterable[Wanted]) -> list[Finding]:
    """Values that cannot be had: nothing is changed without them."""
    return [
        Refusal(
            str(one.key),
            f"its value cannot be had: {'. '.join(filter(None, [one.problem, one.remedy]))}",
            remedy="Nothing was changed. Fix that, and run again",
        )
        for one in chosen
        if one.problem
    ]


def misasked(
    wanted: Sequence[Wanted],
    every: Mapping[Key, Line],
    chosen: Sequence[Wanted],
    asked: Asked,
) -> list[Finding]:
    """What ``--data`` asks for and cannot have. chosen: what it means, of all that is wanted."""
    if asked.back and not asked.secret:
        return [
            Refusal(
                "--data back",
                "does not say which secret or config is meant",
                remedy="Name it: `--data secret=NAME --data back=yes`",
            )
        ]
    if asked.secret and not chosen:
        # Between backticks stand commands, and a name is none.
        names = sorted({one.key.name.replace("`", "'") for one in wanted})
        return [
            Refusal(
                "--data secret",
                f"no secret or config is declared by the name {asked.secret}",
                remedy=f"Declared are {listed(names)}" if names else "None is declared",
            )
        ]
    if not asked.back:
        return []
    return [
        Refusal(
            str(one.key),
            "there is no version before the current one to go back to",
            found=listed([version.name for version in every[one.key].standing]) or "none",
            remedy="Put the old value back where it comes from, and run "
            + DEPLOY.format(name=quoted(one.key.name)),
        )
        for one in chosen
        if not every[one.key].standing
        or (len(every[one.key].standing) < 2 and every[one.key].last_taken_back is None)
    ]


# Notices
# -------


def _taken_back(line: Line, taken: Object, asked: Asked) -> Notice:
    name = quoted(line.key.name)
    when = moment(taken.withdrawn or 0)
    stay = f"services stay at {line.current.name}" if line.current else "no version is left"
    if asked.back:
        return Notice(
            str(line.key),
            f"{taken.name} was taken back already, on {when}; {stay}",
            remedy=f"To use {taken.name} again: {DEPLOY.format(name=name)}",
        )
    return Notice(
        str(line.key),
        f"the declared value is that of {taken.name}, which was taken back on {when}; {stay}",
        remedy=f"Change the value where it comes from, or run {DEPLOY.format(name=name)} to use "
        f"{taken.name} again",
    )


def notices(
    chosen: Sequence[Wanted],
    every: Mapping[Key, Line],
    coming: Mapping[Key, Coming],
    users: Sequence[User],
    adopted: Collection[Key],
    asked: Asked,
    now: float,
) -> list[Finding]:
    """What is reported of what is declared, and is the owner's to decide."""
    found: list[Finding] = []
    for one in chosen:
        line, turn = every[one.key], coming[one.key]
        if turn.taken_back is not None:
            found.append(_taken_back(line, turn.taken_back, asked))
        found += _line_end(one)
        found += _in_the_way(line)
        found += _not_ours(line, users, adopted)
        if not turn.steps:
            found += _old(line, one.max_age, now)
    for user in sorted(users, key=lambda one: one.name):
        outdated = outdated_in(user, every, coming, adopted)
        if outdated and user.is_job:
            found.append(_job(user, outdated, coming))
    return found


def _line_end(wanted: Wanted) -> list[Finding]:
    if not wanted.line_end:
        return []
    return [
        Notice(
            f"line end of {wanted.key}",
            "its value is one line, and the line end of the file is a part of it: a program that "
            "takes the value as it is refuses such a password",
            remedy=f'Declare newline = "strip" for {wanted.key}, which takes it off; '
            'or "keep", if it is meant',
        )
    ]


def _in_the_way(line: Line) -> list[Finding]:
    names = [one.name for one in line.in_the_way]
    if not names:
        return []
    return [
        Notice(
            f"versions of {line.key}",
            f"{listed(names)} {verb(names, 'has', 'have')} a name of its versions, and "
            f"{verb(names, 'is', 'are')} not made by this project: left alone, and no version gets "
            "that number",
            remedy=f"If nothing needs {verb(names, 'it', 'them')}, " + _removal(line.key, names),
        )
    ]


def _removal(key: Key, names: Sequence[str]) -> str:
    return f"`docker {quoted(key.kind)} rm {' '.join(map(quoted, names))}`"


def _not_ours(line: Line, users: Sequence[User], adopted: Collection[Key]) -> list[Finding]:
    plain = line.plain
    names = [
        user.name
        for user in sorted(users, key=lambda one: one.name)
        if plain is not None and any(one.id == plain.id for one in user.references)
    ]
    if not names or line.key in adopted:
        return []
    return [
        Notice(
            f"{line.key} that is not ours",
            f"is an object of that very name, which nothing rotates; it is used by {listed(names)}",
            remedy=f"Declare adopt = true for {line.key}: then {verb(names, 'it is', 'they are')} "
            "flipped to the declared one",
        )
    ]


def _old(line: Line, max_age: int | None, now: float) -> list[Finding]:
    current = line.current
    if current is None or max_age is None or now - current.created <= max_age:
        return []
    return [
        Notice(
            f"age of {line.key}",
            "has not been changed for longer than declared",
            expected=f"at most {duration(max_age)}",
            found=duration(now - current.created),
            remedy="Change the value where it comes from, and run "
            + DEPLOY.format(name=quoted(line.key.name)),
        )
    ]


def _job(
    user: User, outdated: Mapping[Key, Sequence[Reference]], coming: Mapping[Key, Coming]
) -> Notice:
    used = [(key, one) for key, ones in outdated.items() for one in ones]
    words = [word for key, one in used for word in _by_hand(key, one, coming[key].name)]
    words += [user.name]
    return Notice(
        f"service {user.name}",
        "is a job, which would run again if it were updated, and does not use the current version "
        "of " + listed([str(key) for key in outdated]),
        expected=listed([coming[key].name for key in outdated]),
        found=listed([one.name for _, one in used]),
        remedy="When it may run again: "
        f"`docker service update --detach {' '.join(map(quoted, words))}`",
    )


def _by_hand(key: Key, old: Reference, new: str) -> list[str]:
    """Options of ``docker service update`` that replace a reference and keep its file."""
    told, file = [f"source={new}"], old.file or {}
    for option, name in (("target", "Name"), ("uid", "UID"), ("gid", "GID")):
        if file.get(name) is not None:
            told.append(f"{option}={file[name]}")
    if isinstance(mode := file.get("Mode"), int):
        told.append(f"mode={mode:04o}")
    return [f"--{key.kind}-rm", old.name, f"--{key.kind}-add", ",".join(told)]


def undeclared(
    every: Mapping[Key, Line], declared: Collection[Key], users: Sequence[User]
) -> list[Finding]:
    """Versions of ours that nobody declares."""
    found: list[Finding] = []
    for key in sorted({*every} - {*declared}):
        versions = every[key].versions
        ids, names = {one.id for one in versions}, [one.name for one in versions]
        use = [user.name for user in users if ids & needed([user])]
        if use:
            reason = f"is not declared any more, and is used by {listed(sorted(use))}"
            remedy = "Declare it again, or take it out of these services"
        else:
            reason = "is not declared any more, and nothing uses it"
            remedy = f"Declare it again, or remove it: {_removal(key, names)}"
        found.append(Notice(str(key), reason, found=listed(names), remedy=remedy))
    return found
