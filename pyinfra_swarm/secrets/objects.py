"""Secrets and configs as the swarm has them: versions of ours, and who uses them.

A declared secret ``db_password`` is at the engine as ``db_password_v1``, ``db_password_v2``, …: an
object's value cannot be changed, only its labels. Ours is what has that name and our labels.

The *current* version is the one that services are to use: of those that were not taken back, the
one whose turn came last. So it is known without the declared value, and a new version is current
as soon as it exists. A version whose value is declared again gets another turn.

Source: swarmkit ``manager/controlapi/secret.go`` and ``config.go``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

from pyinfra_swarm.engine import values as judged
from pyinfra_swarm.run.observation import Observation
from pyinfra_swarm.services.service import Kind, Mode, Reference
from pyinfra_swarm.settings.labels import LABEL_PREFIX, NAME

VERSION = f"{LABEL_PREFIX}version"
"""Label: which version it is, as a number."""

SEALED = f"{LABEL_PREFIX}sealed"
"""Label: how its value is recognised (:mod:`secrets.digest`)."""

TURN = f"{LABEL_PREFIX}turn"
"""Label: when it became the current one, as a number that only grows."""

WITHDRAWN = f"{LABEL_PREFIX}withdrawn"
"""Label: when it was taken back, in seconds since 1970."""

KINDS: tuple[Kind, ...] = get_args(Kind)

_VERSIONED = re.compile(r"(?P<name>.+)_v(?P<version>[1-9][0-9]{0,8})")


@dataclass(frozen=True, order=True)
class Key:
    """What is declared, or was: a secret or a config by its stable name."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    def versioned(self, version: int) -> str:
        """What the engine calls a version of it."""
        return f"{self.name}_v{version}"


@dataclass(frozen=True)
class Object(Observation):
    """A secret or a config of the swarm, without its value.

    name: what the engine calls it. key: what it is a version of, ``None`` where it is not ours;
    version, turn: 0 there. index: goes up with each write. created, withdrawn: in seconds since
    1970; withdrawn is ``None`` where it was not taken back. labels: all of them.
    """

    kind: Kind
    id: str
    name: str
    index: int
    created: float
    key: Key | None = None
    version: int = 0
    turn: int = 0
    sealed: str = field(default="", repr=False)
    withdrawn: float | None = None
    template: bool = False
    labels: Mapping[str, str] = field(default_factory=dict, repr=False)

    def to_json(self) -> dict[str, Any]:
        """What can be shown to anybody."""
        return {
            "kind": self.kind,
            "id": self.id,
            "name": self.name,
            "ours": self.key is not None,
            "of": self.key.name if self.key else "",
            "version": self.version,
            "created": self.created,
            "withdrawn": self.withdrawn,
            "template": self.template,
        }


@dataclass(frozen=True)
class User(Observation):
    """A service, as far as secrets and configs go.

    previous: what a rollback would have it use again. update: how its last update stands
    (:data:`services.service.UPDATE_STATES`), "" where the engine says nothing; ended: when, in
    seconds since 1970. goes_on: the managers go on over tasks that fail, and call it completed.
    tasks: how many run, and how many are to; ``None`` where it is not known.
    """

    id: str
    name: str
    mode: Mode
    references: tuple[Reference, ...] = ()
    previous: tuple[Reference, ...] = ()
    update: str = ""
    ended: float | None = None
    goes_on: bool = False
    tasks: tuple[int, int] | None = None

    @property
    def is_job(self) -> bool:
        """Whether its tasks run once, to their end; each update runs them again."""
        return self.mode in ("replicated-job", "global-job")

    def to_json(self) -> dict[str, Any]:
        """What can be shown to anybody."""
        return {
            "id": self.id,
            "name": self.name,
            "mode": self.mode,
            "uses": [f"{one.kind} {one.name}" for one in self.references],
            "used": [f"{one.kind} {one.name}" for one in self.previous],
            "update": self.update,
        }


@dataclass(frozen=True)
class Seen(Observation):
    """All secrets, configs and services of the swarm, as a manager lists them.

    problem: why it cannot say, in words; "" where it could.
    """

    objects: tuple[Object, ...] = ()
    users: tuple[User, ...] = ()
    problem: str = ""

    def to_json(self) -> dict[str, Any]:
        """What can be shown to anybody."""
        return {
            "problem": self.problem,
            "objects": [one.to_json() for one in self.objects],
            "services": [one.to_json() for one in self.users],
        }


@dataclass(frozen=True)
class Line:
    """All versions of one secret or config.

    versions: ours, the current one's turn first. others: what is not ours and has a name of ours,
    NAME or NAME_vN.
    """

    key: Key
    versions: tuple[Object, ...] = ()
    others: tuple[Object, ...] = ()

    @property
    def standing(self) -> tuple[Object, ...]:
        """Those that were not taken back; the first is the current one."""
        return tuple(one for one in self.versions if one.withdrawn is None)

    @property
    def current(self) -> Object | None:
        """The version that services are to use; ``None`` where there is none yet."""
        return next(iter(self.standing), None)

    @property
    def last_taken_back(self) -> Object | None:
        """The version whose turn came last of all, where it was taken back."""
        last = next(iter(self.versions), None)
        return last if last is not None and last.withdrawn is not None else None

    @property
    def next_version(self) -> int:
        """One more than any that there is, whoever has made it."""
        taken = [versioned(one.name)[1] for one in (*self.versions, *self.others)]
        return max(taken, default=0) + 1

    @property
    def next_turn(self) -> int:
        """One more than any that was."""
        return max((one.turn for one in self.versions), default=0) + 1

    @property
    def plain(self) -> Object | None:
        """The object NAME that is not ours, if there is one."""
        return next((one for one in self.others if one.name == self.key.name), None)

    @property
    def in_the_way(self) -> tuple[Object, ...]:
        """What is called as a version of ours would be, and is not ours."""
        return tuple(one for one in self.others if one.name != self.key.name)

    def candidates(self, *, template: bool) -> tuple[Object, ...]:
        """The versions that the declared value may be that of, the likeliest first."""
        taken_back = tuple(one for one in self.versions if one.withdrawn is not None)
        return tuple(one for one in self.standing + taken_back if one.template == template)


def versioned(name: str) -> tuple[str, int]:
    """What an object's name says: the stable name and the version; 0 where it names none."""
    found = _VERSIONED.fullmatch(name)
    return (found["name"], int(found["version"])) if found else (name, 0)


def lines(objects: Iterable[Object], declared: Iterable[Key]) -> dict[Key, Line]:
    """All versions by what they are versions of: of what is declared, and of ours that is not."""
    ours: dict[Key, list[Object]] = {key: [] for key in declared}
    others: dict[Key, list[Object]] = {key: [] for key in ours}
    for one in objects:
        if one.key is not None:
            ours.setdefault(one.key, []).append(one)
            continue
        for key in {Key(one.kind, one.name), Key(one.kind, versioned(one.name)[0])} & {*others}:
            others[key].append(one)
    return {
        key: Line(
            key,
            tuple(sorted(found, key=lambda one: (one.turn, one.version), reverse=True)),
            tuple(sorted(others.get(key, []), key=lambda one: one.name)),
        )
        for key, found in ours.items()
    }


def needed(users: Iterable[User]) -> set[str]:
    """The ids of all that services use, or would use again after a rollback."""
    return {one.id for user in users for one in (*user.references, *user.previous)}


def current_names(declared: Iterable[Key], objects: Sequence[Object]) -> dict[Key, str]:
    """What the engine calls the current version of each; what has none is left out."""
    return {
        key: line.current.name
        for key, line in lines(objects, declared).items()
        if line.current is not None
    }


def parse_objects(kind: Kind, entries: Iterable[Mapping[str, Any]]) -> tuple[Object, ...]:
    """The engine's answer to ``GET /secrets`` or ``GET /configs``; values in it are dropped.

    Raises ``ValueError`` or ``KeyError`` for what no engine gives.
    """
    return tuple(_object(kind, entry) for entry in entries)


def _object(kind: Kind, entry: Mapping[str, Any]) -> Object:
    spec = entry["Spec"]
    name = str(spec["Name"])
    labels = {str(key): str(value) for key, value in (spec.get("Labels") or {}).items()}
    stable, version = versioned(name)
    ours = version > 0 and labels.get(NAME) == stable and labels.get(VERSION) == str(version)
    return Object(
        kind=kind,
        id=judged.swarm_id(entry["ID"]),
        name=name,
        index=int(entry["Version"]["Index"]),
        created=judged.moment(entry["CreatedAt"]),
        key=Key(kind, stable) if ours else None,
        version=version if ours else 0,
        turn=_number(labels.get(TURN), version) if ours else 0,
        sealed=labels.get(SEALED, "") if ours else "",
        withdrawn=_withdrawn(labels) if ours else None,
        template=bool(spec.get("Templating")),
        labels=labels,
    )


def _withdrawn(labels: Mapping[str, str]) -> float | None:
    return float(_number(labels[WITHDRAWN], 0)) if WITHDRAWN in labels else None


def _number(text: str | None, otherwise: int) -> int:
    """A label's number; anybody can write anything there."""
    fits = text is not None and re.fullmatch(r"[0-9]{1,12}", text)
    return int(text) if fits and text else otherwise
