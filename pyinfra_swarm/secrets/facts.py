"""What a manager says of the swarm's secrets and configs, and of the services that use them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from pyinfra_swarm.engine import values as judged
from pyinfra_swarm.engine.api import ENGINE_STATE
from pyinfra_swarm.run.answer import Sections
from pyinfra_swarm.run.fact import SubjectFact
from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.secrets.objects import KINDS, Object, Seen, User, parse_objects
from pyinfra_swarm.services.service import parse_service, references


class Objects(SubjectFact[Seen]):
    """The swarm's secrets and configs, and the services that use them; never a value.

    Gives a :class:`secrets.objects.Seen`: names, versions, ages, who uses which, and what a
    rollback would use again. Nothing in it where this host is no manager of a swarm. Of a service,
    neither environment nor labels leave the host.
    """

    def script(self) -> str:
        return program(__file__, "objects.sh", using=[ENGINE_STATE])

    def parse(self, said: Sections) -> Seen:
        return parse_seen(said)


def parse_seen(said: Sections) -> Seen:
    """Read what :class:`Objects` prints.

    Raises ``ValueError``, ``KeyError`` or ``TypeError`` for what no engine says.
    """
    engine = said["state"][0]
    if engine != "running":
        return Seen(problem=f"its engine is {engine}")
    found: list[Object] = []
    for kind in KINDS:
        answer = json.loads("\n".join(said[f"{kind}s"]))
        if isinstance(answer, Mapping):
            return Seen(problem=str(answer["message"]))
        found += parse_objects(kind, answer)
    tasks = dict(map(_tasks, said.get("tasks", [])))
    users = (_user(json.loads(line), tasks) for line in said["services"])
    return Seen(tuple(found), tuple(users))


def _tasks(line: str) -> tuple[str, tuple[int, int]]:
    """``0123456789ab 1/2 (max 1 per node)``: how many tasks of a service run, and are to."""
    found = re.match(r"([0-9a-z]+) (\d+)/(\d+)", line)
    if found is None:
        raise ValueError(f"no number of tasks: {line[:80]!r}")
    return found[1], (int(found[2]), int(found[3]))


def _user(entry: Mapping[str, Any], tasks: Mapping[str, tuple[int, int]]) -> User:
    service = parse_service(entry)
    how = service.spec.get("UpdateConfig") or {}
    ended = (entry.get("UpdateStatus") or {}).get("CompletedAt")
    return User(
        id=service.id,
        name=service.name,
        mode=service.mode,
        references=service.references,
        previous=references(service.previous) if service.previous else (),
        update=service.update.state if service.update else "",
        ended=judged.moment(ended) if ended else None,
        goes_on=how.get("FailureAction") == "continue" or bool(how.get("MaxFailureRatio")),
        tasks=next((found for id, found in tasks.items() if service.id.startswith(id)), None),
    )
