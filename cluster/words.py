"""Words that more than one plan needs."""

from __future__ import annotations

from collections.abc import Sequence


def in_words(names: Sequence[str]) -> str:
    """An enumeration, as a person writes it: ``rk1, rk2 and rk3``."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def verb(names: Sequence[str], one: str, many: str) -> str:
    """The verb after an enumeration: ``one`` after a single name, else ``many``."""
    return one if len(names) == 1 else many
