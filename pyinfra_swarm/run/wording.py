"""Words that more than one plan needs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime


def listed(names: Sequence[str]) -> str:
    """An enumeration, as a person writes it: ``rk1, rk2 and rk3``."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def verb(names: Sequence[str], one: str, many: str) -> str:
    """The verb after an enumeration: ``one`` after a single name, else ``many``."""
    return one if len(names) == 1 else many


def moment(seconds: float) -> str:
    """A moment, in seconds since 1970, as a person reads it: ``2026-11-24 03:15 UTC``."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
