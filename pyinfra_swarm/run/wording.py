"""How lists, numbers, moments and lengths of time are worded, in every message."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime


def listed(names: Sequence[str], word: str = "and") -> str:
    """An enumeration, as a person writes it: ``rk1, rk2 and rk3``. word: ``and`` or ``or``."""
    return f" {word} ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def verb(names: Sequence[str], one: str, many: str) -> str:
    """The verb after an enumeration: ``one`` after a single name, else ``many``."""
    return one if len(names) == 1 else many


def counted(number: int, thing: str) -> str:
    """A number of things: ``1 host``, ``3 hosts``."""
    return f"{number} {thing}{'s' * (number != 1)}"


_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"))


def duration(seconds: float) -> str:
    """A length of time in the largest unit that it has two of: ``3 days``, ``90 seconds``."""
    for size, unit in _UNITS:
        if seconds >= 2 * size:
            return counted(round(seconds / size), unit)
    return counted(round(seconds), "second")


def moment(seconds: float) -> str:
    """A moment, in seconds since 1970, as a person reads it: ``2026-11-24 03:15 UTC``."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def clock(seconds: float) -> str:
    """Time that has passed, as a watch shows it: ``0:34``, ``12:05``."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02}"
