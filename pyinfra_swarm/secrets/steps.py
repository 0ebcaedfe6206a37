"""What is declared and asked for, and the steps that a plan is made of."""

from __future__ import annotations

from dataclasses import dataclass

from pyinfra_swarm.run.findings import Change
from pyinfra_swarm.secrets.objects import Key


@dataclass(frozen=True)
class Wanted:
    """A declared secret or config, and what is known of its value.

    matching: the id of the version whose value is the declared one; "" where there is none.
    problem, remedy: why the value cannot be had, and what can be done about it, in words.
    max_age: in seconds, ``None`` for any.
    line_end: one line end of a file is part of the value, and nobody has said whether it is meant.
    """

    key: Key
    matching: str = ""
    problem: str = ""
    remedy: str = ""
    adopt: bool = False
    max_age: int | None = None
    line_end: bool = False


@dataclass(frozen=True)
class Asked:
    """What ``--data`` says. secret: only this one, by its name; back: to the version before."""

    secret: str = ""
    back: bool = False


NOTHING = Asked()
"""All that is declared, as it is declared."""


# Steps
# -----


@dataclass(frozen=True, kw_only=True)
class Create(Change):
    """A version is created; it is the current one from then on."""

    key: Key
    version: int
    turn: int


@dataclass(frozen=True, kw_only=True)
class MakeCurrent(Change):
    """A version that there is becomes the current one again. id: its object's."""

    key: Key
    id: str
    turn: int


@dataclass(frozen=True, kw_only=True)
class Withdraw(Change):
    """The current version is taken back: the one before is current then. id: its object's."""

    key: Key
    id: str


@dataclass(frozen=True, kw_only=True)
class Await(Change):
    """The end of a service's update is awaited, which this run has not begun.

    id: the service's own; ours: an earlier run has begun it, and it is put back where it fails.
    """

    id: str
    service: str
    ours: bool


@dataclass(frozen=True, kw_only=True)
class AwaitOldTasks(Change):
    """The end of a service's old tasks is awaited, which an earlier run has not seen.

    id: the service's own; not_awaited: the ids of those of its old tasks that are told instead.
    """

    id: str
    service: str
    not_awaited: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Flip(Change):
    """A service gets the current versions.

    id: its own; keys: of what it uses another version; old: the ids of what it uses instead.
    """

    id: str
    service: str
    keys: tuple[Key, ...]
    old: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Remove(Change):
    """A version that nothing can need any more is removed. id: its object's."""

    key: Key
    id: str
    name: str
