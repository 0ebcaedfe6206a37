"""Whether each secret and config has exactly one source of its value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pyinfra_swarm.settings.applications import SOURCES, Config
from pyinfra_swarm.settings.errors import Problem, field_name
from pyinfra_swarm.settings.written import items, tables

_EXAMPLE = 'command = ["pass", "show", "lab/db"]'


def one_source(data: Mapping[str, Any]) -> Iterator[Problem]:
    for section in ("secrets", "configs"):
        written = items(data.get(section))
        for index, table in enumerate(tables(written)):
            if isinstance(written[index], Mapping):
                yield from _sources(data, section, index, table)


def _sources(
    data: Mapping[str, Any], section: str, index: int, table: Mapping[str, Any]
) -> Iterator[Problem]:
    given = [name for name in SOURCES if table.get(name) not in (None, "", [], ())]
    # A key that is not known is reported as that, and may be the source that was meant.
    if not given and {*table} <= {*Config.model_fields}:
        yield Problem(
            field_name((section, index), data),
            None,
            "does not say where its value comes from",
            f"one of {', '.join(SOURCES)}: {_EXAMPLE}",
        )
    if len(given) > 1:
        yield Problem(
            field_name((section, index), data),
            None,
            f"has {len(given)} sources: {', '.join(given)}",
            "one of them only",
        )
