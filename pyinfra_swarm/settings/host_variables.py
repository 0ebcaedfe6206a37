"""Variables that set a value of a single host: `SWARM_HOSTS__RK4__AVAILABILITY=drain`.

A host is found by its name in capitals, with `_` for `-`. They come above `SWARM_HOSTS`, which sets
all hosts at once.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pyinfra_swarm.settings.errors import Problem, field_name
from pyinfra_swarm.settings.fields import Loc
from pyinfra_swarm.settings.written import tables

PREFIX = "SWARM_HOSTS__"


@dataclass(frozen=True)
class HostVariable:
    """A variable of a single host.

    + name: as it is spelled; where: the environment, or `.env`
    + host: the host's name, in capitals; path: the key, and those of tables in it
    """

    name: str
    where: str
    host: str
    path: tuple[str, ...]
    value: str


@dataclass(frozen=True)
class WithHosts:
    """The settings with what variables say of single hosts; the rest is as in `Variables`."""

    values: dict[str, Any]
    origins: dict[str, str]
    problems: tuple[Problem, ...]
    notices: tuple[str, ...] = ()


def host_variable(name: str, value: str, where: str) -> HostVariable | None:
    """A variable of a single host; `None` for any other."""
    host, _, key = name.upper().removeprefix(PREFIX).partition("__")
    if not name.upper().startswith(PREFIX) or not host or not key:
        return None
    return HostVariable(name, where, host, tuple(key.lower().split("__")), value)


def of_single_hosts(data: Mapping[str, Any], variables: Iterable[HostVariable]) -> WithHosts:
    """The same values, with those of single hosts put in. The last variable of a value wins."""
    hosts = data.get("hosts")
    known = {
        _in_capitals(str(host["name"])): at
        for at, host in enumerate(tables(hosts))
        if "name" in host
    }
    made = [dict(host) if isinstance(host, Mapping) else host for host in tables(hosts)]
    origins: dict[str, str] = {}
    problems: list[Problem] = []
    set_ = {}
    for one in variables:
        if (at := known.get(one.host)) is None:
            problems.append(_no_host(one, known))
            continue
        _put(made[at], one.path, _read(one.value))
        loc: Loc = ("hosts", at, *one.path)
        set_[loc] = f"{one.name} in {one.where}"
    values = {**data, "hosts": made} if set_ else dict(data)
    origins = {field_name(loc, values): said for loc, said in set_.items()}
    return WithHosts(values, origins, tuple(problems))


def _in_capitals(name: str) -> str:
    return name.upper().replace("-", "_")


def _put(table: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    first, *rest = path
    if rest:
        inner = table.get(first)
        table[first] = dict(inner) if isinstance(inner, Mapping) else {}
        _put(table[first], tuple(rest), value)
    else:
        table[first] = value


def _read(text: str) -> Any:
    """Lists and tables as JSON; a text that is no JSON stays the text that it is."""
    if text.strip().startswith(("{", "[")):
        with suppress(ValueError):
            return json.loads(text)
    return text


def _no_host(variable: HostVariable, known: Mapping[str, int]) -> Problem:
    key = "__".join(variable.path).upper()
    names = [f"{PREFIX}{host}__{key}" for host in known]
    instead = (
        f"{names[0]}, or with another host's name: {', '.join(known)}" if names else "unset it"
    )
    return Problem(f"{variable.name} in {variable.where}", None, "names no declared host", instead)
