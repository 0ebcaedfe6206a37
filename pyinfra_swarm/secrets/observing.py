"""What an operation has to know of declared values, and of tasks, before it can plan.

A value is read once a run, compared with what the swarm's labels say of theirs, and kept in this
process until the run ends.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pyinfra.api import Host

from pyinfra_swarm.engine.api import API
from pyinfra_swarm.run.context import this_run
from pyinfra_swarm.run.converge import Unobserved
from pyinfra_swarm.run.hidden import never_repeat
from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.run.script import quietly
from pyinfra_swarm.secrets import old_tasks
from pyinfra_swarm.secrets.digest import matches
from pyinfra_swarm.secrets.objects import Key, Line, Seen, User, lines
from pyinfra_swarm.secrets.plan import may_go
from pyinfra_swarm.secrets.sources import read_all
from pyinfra_swarm.secrets.steps import Asked, Wanted
from pyinfra_swarm.secrets.value import Unreadable, Value
from pyinfra_swarm.services.service import Task, parse_tasks

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Config, Secret, Settings


@dataclass
class _Values:
    """What this run has read of the declared values."""

    read: dict[Key, Value | Unreadable] = field(default_factory=dict, repr=False)


def declared(settings: Settings) -> dict[Key, Secret | Config]:
    """What is declared, secrets first, by kind and name."""
    every: list[Secret | Config] = [*settings.secrets, *settings.configs]
    return {Key(one.kind, one.name): one for one in every}


def value(settings: Settings, key: Key) -> Value:
    """A declared value, as this run has read it. Raises :class:`secrets.value.Unreadable`."""
    found = _values(settings, [key])[key]
    if isinstance(found, Unreadable):
        raise found
    return found


def wanted(settings: Settings, seen: Seen, asked: Asked) -> tuple[Wanted, ...]:
    """What is declared, and which version has its value.

    Nothing is read for a way back, nor of what is not asked for.
    """
    every = declared(settings)
    chosen = [key for key in every if asked.secret in ("", key.name)]
    read = {} if asked.back else _values(settings, chosen)
    there = lines(seen.objects, every)
    return tuple(_wanted(key, one, there[key], read) for key, one in every.items())


def _wanted(
    key: Key, one: Secret | Config, line: Line, read: Mapping[Key, Value | Unreadable]
) -> Wanted:
    found = read.get(key)
    if isinstance(found, Unreadable):
        return Wanted(key, "", found.problem, found.remedy, one.adopt, one.max_age_seconds)
    matching, line_end = "", False
    if isinstance(found, Value):
        line_end = _ends_a_line(one, found)
        template = one.kind == "config" and one.template
        candidates = line.candidates(template=template)
        matching = next((each.id for each in candidates if matches(found, each.sealed)), "")
    return Wanted(key, matching, "", "", one.adopt, one.max_age_seconds, line_end)


def _ends_a_line(one: Secret | Config, value: Value) -> bool:
    """Whether a secret of one line has kept the line end of its file, and that is not declared.

    Of more lines, such as a key, the last one ends as well: that is how such files are.
    """
    unsaid = one.kind == "secret" and one.newline is None and not one.strips
    return unsaid and value.data.endswith(b"\n") and value.data.count(b"\n") == 1


def _values(settings: Settings, keys: Sequence[Key]) -> Mapping[Key, Value | Unreadable]:
    kept, every = this_run(_Values).read, declared(settings)
    missing = [key for key in keys if key not in kept]
    found = read_all([every[key] for key in missing], settings.folder)
    for value in found:
        if isinstance(value, Value):
            never_repeat(value.data)
    kept.update(zip(missing, found, strict=True))
    return kept


def unended(host: Host, wanted: Sequence[Wanted], seen: Seen, asked: Asked) -> tuple[Task, ...]:
    """The tasks that have not ended, as far as they decide something; asked of this manager.

    All of them where an old version could go. Else those of services that use what has an old
    version, or an object that it was adopted from: one of these tasks may be ending. None where
    there is nothing old.
    """
    if may_go(wanted, seen, asked=asked):
        return _unended(host, seen.users)
    older = old_tasks.with_old_ones(seen.objects, adopted(wanted))
    return _unended(host, [u for u in seen.users if any(one.id in older for one in u.references)])


def adopted(wanted: Iterable[Wanted]) -> frozenset[Key]:
    """What is declared to be adopted: an object of that very name counts as an old version."""
    return frozenset(one.key for one in wanted if one.adopt)


def tasks_use(host: Host, seen: Seen) -> frozenset[str]:
    """The ids of the secrets and configs that tasks of the swarm's services use still.

    Raises :class:`Unobserved` where the manager does not say.
    """
    return used_by(_unended(host, seen.users))


def used_by(tasks: Iterable[Task]) -> frozenset[str]:
    """The ids of the secrets and configs that these use."""
    return frozenset(one.id for task in tasks for one in task.references)


def _unended(host: Host, users: Iterable[User]) -> tuple[Task, ...]:
    return tuple(task for task in tasks_of(host, [one.id for one in users]) if not task.ended)


def tasks_of(host: Host, services: Collection[str]) -> tuple[Task, ...]:
    """All tasks of some services, by id, that the managers have; none of no service.

    Raises :class:`Unobserved` where the manager does not say.
    """
    if not services:
        return ()
    ask = program(
        __file__, "tasks.sh", using=[API], services=json.dumps({"service": sorted(services)})
    )
    outcome = quietly(host, ask)
    if not outcome.done:
        raise Unobserved(f"{host.name} did not list the tasks of services: {outcome.problem}")
    return parse_tasks(outcome.text)
