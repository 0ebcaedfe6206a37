"""Secrets, configs and services of a swarm, by the rules that the engine's source states.

- [name]   an object's name is there once; its value never changes, its labels may (swarmkit
  ``manager/controlapi/secret.go CreateSecret, UpdateSecret``).
- [use]    a service is updated only to objects that exist, by id *and* name
  (``checkSecretExistence``).
- [remove] an object is refused to be removed while a service's specification names it; what a
  rollback would bring back is not looked at (``RemoveSecret``, ``serviceIndexerBySecret``).
- [update] an update makes the specification the previous one; a failed one is paused, goes on, or
  is rolled back by the managers themselves, which then know no previous one any more
  (``manager/orchestrator/update/updater.go``).
- [task]   a task that has not started yet needs what its specification names.

Between any two requests the controller may die, and so may the connection after a request was
carried out.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pyinfra_swarm.secrets.objects import Key, Object, Seen, User
from pyinfra_swarm.services.service import Mode, Spec, references

EPOCH = 1_800_000_000.0


class Crash(Exception):
    """The controller dies, or its connection breaks."""


class Refused(Exception):
    """The engine does not do it."""


@dataclass
class Service:
    """A service. on_failure: ``pause``, ``rollback`` or ``continue``."""

    id: str
    name: str
    spec: Spec
    previous: Spec | None = None
    update: str = ""
    version: int = 1
    mode: Mode = "replicated"
    on_failure: str = "pause"
    replicas: int = 1
    runs: int = 1
    hanging: list[Spec] = field(default_factory=list)
    """What tasks were made of that do not end."""


@dataclass(repr=False)
class World:
    """The swarm. values: of each object, by its id; broken: values with which no task starts.

    requests: how many more the controller lives for, ``None`` for ever. meanwhile: what else
    happens before each step.
    """

    objects: dict[str, Object] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    services: dict[str, Service] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    requests: int | None = None
    meanwhile: Callable[[], None] = lambda: None
    now: float = EPOCH
    ids: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def __repr__(self) -> str:
        lines = [
            f"{one.name} turn {one.turn} withdrawn {one.withdrawn} = {self.values[one.id]}"
            for one in self.objects.values()
        ]
        for one in self.services.values():
            now, before = _names(one.spec), _names(one.previous) if one.previous else "-"
            lines.append(f"{one.name} ({one.mode}): {now}, before {before}, {one.update or '-'}")
        return "\n".join(lines)

    def id(self, what: str) -> str:
        return f"{what}{next(self.ids)}".ljust(25, "x")[:25]

    def alive(self) -> None:
        """A request is sent now, or not any more."""
        if self.requests is not None:
            if self.requests <= 0:
                raise Crash
            self.requests -= 1

    # What is the case
    # ----------------

    def seen(self) -> Seen:
        users = tuple(
            User(
                one.id,
                one.name,
                one.mode,
                references(one.spec),
                references(one.previous) if one.previous else (),
                one.update,
                self.now,
                one.on_failure == "continue",
                (0 if self.fails(one.spec) else one.replicas, one.replicas),
            )
            for one in self.services.values()
        )
        return Seen(tuple(self.objects.values()), users)

    def living(self) -> frozenset[str]:
        """The ids that tasks use which have not ended."""
        specs = [one.spec for one in self.services.values() if not one.mode.endswith("job")]
        specs += [spec for one in self.services.values() for spec in one.hanging]
        return frozenset(one.id for spec in specs for one in references(spec))

    # Objects
    # -------

    def add(self, object: Object, value: str) -> str:
        """[name]"""
        if any((one.kind, one.name) == (object.kind, object.name) for one in self.objects.values()):
            raise Refused(f"{object.name} already exists")
        id = self.id("o")
        self.objects[id] = replace(object, id=id, index=1, created=self.now)
        self.values[id] = value
        return id

    def relabel(self, id: str, **differing: Any) -> None:
        if id not in self.objects:
            raise Refused("not found")
        found = self.objects[id]
        self.objects[id] = replace(found, index=found.index + 1, **differing)

    def remove(self, id: str) -> None:
        """[remove]"""
        if any(id == one.id for svc in self.services.values() for one in references(svc.spec)):
            raise Refused("in use")
        self.objects.pop(id, None)

    # Services
    # --------

    def start(self, service: Service) -> None:
        self.services[service.id] = service
        self._exist(service.spec)

    def update(self, id: str, spec: Spec, version: int) -> None:
        """[update], as far as it is begun; :meth:`go_on` brings it to its end."""
        service = self.services[id]
        if service.version != version:
            raise Refused("update out of sequence")
        self._exist(spec)
        service.version += 1
        if service.mode.endswith("job"):
            service.runs += 1
        service.previous, service.spec = service.spec, spec
        service.update = "updating" if service.replicas else ""

    def go_on(self, id: str) -> None:
        """What the managers do by themselves, to the end."""
        service = self.services[id]
        if service.update != "updating":
            return
        if not self.fails(service.spec):
            service.update = "completed"
        elif service.on_failure == "pause":
            service.update = "paused"
        elif service.on_failure == "rollback" and service.previous is not None:
            self._exist(service.previous)  # or tasks would be rejected for ever
            service.spec, service.previous = service.previous, None
            service.version += 1
            service.update = "rollback_completed"
        else:
            service.update = "completed"

    def roll_back(self, id: str, before: Spec) -> None:
        """Put back by the controller: an update like any other."""
        service = self.services[id]
        self.update(id, before, service.version)
        self.go_on(id)

    def fails(self, spec: Spec) -> bool:
        return any(self.values[one.id] in self.broken for one in references(spec))

    def _exist(self, spec: Spec) -> None:
        """[use]"""
        for one in references(spec):
            there = self.objects.get(one.id)
            if there is None or there.name != one.name:
                raise Refused(f"{one.kind} {one.name} not found")

    # The promises
    # ------------

    def check(self) -> None:
        """No service, no rollback and no task is left without what it needs."""
        for service in self.services.values():
            for spec in (service.spec, service.previous, *service.hanging):
                for one in references(spec) if spec else ():
                    assert one.id in self.objects, f"{service.name}: {one.name} is gone\n{self!r}"


def spec(name: str, *objects: Object, file: Mapping[str, Any] | None = None) -> Spec:
    """A specification that uses these, each in a file of its own."""
    container: dict[str, Any] = {"Image": "busybox", "Secrets": [], "Configs": []}
    for number, one in enumerate(sorted(objects, key=lambda one: one.name)):
        kind = one.kind.capitalize()
        container[f"{kind}s"].append(
            {
                f"{kind}ID": one.id,
                f"{kind}Name": one.name,
                "File": {
                    "Name": f"file{number}",
                    "UID": "0",
                    "GID": "0",
                    "Mode": 292,
                    **(file or {}),
                },
            }
        )
    return {"Name": name, "TaskTemplate": {"ContainerSpec": container}}


def of(key: Key, version: int, turn: int) -> Object:
    """A version as it is created."""
    return Object(key.kind, "", key.versioned(version), 0, EPOCH, key, version, turn)


def _names(spec: Spec) -> str:
    return ", ".join(one.name for one in references(spec)) or "nothing"
