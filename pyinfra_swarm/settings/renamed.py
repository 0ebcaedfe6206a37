"""Keys that were renamed: the old name still works, with a notice that names the new one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pyinfra_swarm.settings.errors import Problem

RENAMED = {
    ("firewall", "cut_clear_vxlan"): "drop_cleartext_vxlan",
    ("swarm", "found_without"): "init_without",
}
"""Section and old key to the new key."""


@dataclass(frozen=True)
class Modern:
    """Values under their new names only, and what is to be said of old ones."""

    values: dict[str, Any]
    notices: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


def with_new_names(data: Mapping[str, Any], where: str = "") -> Modern:
    """The same values under the names of today.

    Where both names are given, the new one stays and the other is a problem. `where` is what the
    values come from, as `the environment`.
    """
    values = dict(data)
    notices: list[str] = []
    problems: list[Problem] = []
    for (section, old), new in RENAMED.items():
        table = values.get(section)
        if not isinstance(table, Mapping) or old not in table:
            continue
        rest = {key: value for key, value in table.items() if key != old}
        if new in table:
            problems.append(both_given(f"{section}.{old}", f"{section}.{new}", where))
        else:
            rest[new] = table[old]
            notices.append(old_name(f"{section}.{old}", f"{section}.{new}", where))
        values[section] = rest
    return Modern(values, tuple(notices), tuple(problems))


def old_name(old: str, new: str, where: str) -> str:
    """The notice for an old name."""
    return f"{old}{_in(where)} is now called {new}. The old name still works; please rename it"


def both_given(old: str, new: str, where: str) -> Problem:
    """The problem of two names for one setting."""
    return Problem(
        f"{old}{_in(where)}",
        None,
        f"is the old name of {new}, which is given as well",
        f"{new} only",
    )


def _in(where: str) -> str:
    return f" in {where}" if where else ""
