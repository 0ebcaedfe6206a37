"""Words that more than one plan needs."""

from __future__ import annotations

from collections.abc import Sequence


def in_words(names: Sequence[str]) -> str:
    """An enumeration, as a person writes it: ``rk1, rk2 and rk3``."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
