"""What a manager says of the swarm's secrets and configs, and of the services that use them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

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
    return Seen(tuple(found), tuple(_user(json.loads(line)) for line in said["services"]))


def _user(entry: Mapping[str, Any]) -> User:
    service = parse_service(entry)
    return User(
        id=service.id,
        name=service.name,
        mode=service.mode,
        references=service.references,
        previous=references(service.previous) if service.previous else (),
        update=service.update.state if service.update else "",
    )
