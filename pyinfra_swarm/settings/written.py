"""Settings as they were written, read leniently: values of another kind than expected are left out.

The value itself is reported as wrong by the model. The checks between settings skip it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def items(value: Any) -> Sequence[Any]:
    """The items of a list, with all that is in it; none where it is no list."""
    return value if isinstance(value, list | tuple) else ()


def table(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The table of this name; empty where it is none."""
    value = data.get(name)
    return value if isinstance(value, Mapping) else {}


def tables(value: Any) -> list[Mapping[str, Any]]:
    """A list of tables, an empty one for each item that is none, so that positions stay."""
    return [item if isinstance(item, Mapping) else {} for item in items(value)]


def number(value: Any) -> int | None:
    """A whole number, `None` where it is none."""
    return value if isinstance(value, int) else None
