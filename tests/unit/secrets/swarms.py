"""Secrets, configs and services as tests declare and meet them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pyinfra_swarm.secrets.objects import (
    SEALED,
    TURN,
    VERSION,
    WITHDRAWN,
    Key,
    Object,
    Seen,
    User,
)
from pyinfra_swarm.secrets.steps import Wanted
from pyinfra_swarm.services.service import Kind, Mode, Reference
from pyinfra_swarm.settings.labels import NAME

NOW = 1_800_000_000.0
DAY = 86400.0
DB = Key("secret", "db_password")
SITE = Key("config", "site")


def id_of(name: str) -> str:
    """An id as the engine gives one, that a test can read."""
    plain = "".join(re.findall(r"[a-z0-9]", name.lower()))
    return plain[:25].ljust(25, "0")


def version(number: int, key: Key = DB, **differing: Any) -> Object:
    """A version of ours, whose turn came when it was created."""
    name = key.versioned(number)
    given: dict[str, Any] = {
        "kind": key.kind,
        "id": id_of(name),
        "name": name,
        "index": number,
        "created": NOW - 10 * DAY,
        "key": key,
        "version": number,
        "turn": number,
        **differing,
    }
    return Object(**given)


def stranger(name: str, kind: Kind = "secret") -> Object:
    """An object that is not ours."""
    return Object(kind, id_of(f"x{name}"), name, 1, NOW)


def to(*objects: Object) -> tuple[Reference, ...]:
    file = {"Name": "secret", "UID": "0", "GID": "0", "Mode": 292}
    return tuple(Reference(one.kind, one.id, one.name, file) for one in objects)


def user(
    name: str,
    *uses: Object,
    before: Iterable[Object] = (),
    update: str = "",
    mode: Mode = "replicated",
) -> User:
    return User(id_of(f"s{name}"), name, mode, to(*uses), to(*before), update)


def seen(*parts: Object | User) -> Seen:
    return Seen(
        tuple(one for one in parts if isinstance(one, Object)),
        tuple(one for one in parts if isinstance(one, User)),
    )


def wanted(matching: Object | None = None, key: Key = DB, **more: Any) -> Wanted:
    """What is declared; matching: the version that has the declared value."""
    return Wanted(key, matching.id if matching else "", **more)


def entry(name: str, labels: Mapping[str, str] | None = None, **more: Any) -> dict[str, Any]:
    """An object as the engine lists it."""
    return {
        "ID": id_of(name),
        "Version": {"Index": 11},
        "CreatedAt": "2026-11-27T18:00:00.123456789Z",
        "UpdatedAt": "2026-11-27T18:00:00.123456789Z",
        "Spec": {"Name": name, "Labels": labels or {}, **more},
    }


def ours(name: str = "db_password", number: int = 1, **more: str) -> dict[str, Any]:
    labels = {NAME: name, VERSION: str(number), TURN: str(number), SEALED: "scrypt$x"}
    names = {"turn": TURN, "withdrawn": WITHDRAWN, "name": NAME, "version": VERSION}
    labels |= {names[key]: value for key, value in more.items()}
    return entry(f"{name}_v{number}", labels)
