"""The current versions' names as variables, for stacks that are deployed by other means.

DB_PASSWORD_SECRET=db_password_v3
TRAEFIK_DYNAMIC_CONFIG=traefik_dynamic_v1
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pyinfra_swarm.run.findings import Change, Finding, Refusal
from pyinfra_swarm.run.wording import listed
from pyinfra_swarm.secrets.objects import Key

_HEAD = "# Written by deploys/secrets.py: what the engine calls the current versions.\n"


@dataclass(frozen=True, kw_only=True)
class WriteNames(Change):
    """The file of names is written, here on this computer."""

    path: str
    text: str


def variable(key: Key) -> str:
    """The variable that holds the name of a declared secret or config."""
    return re.sub(r"[^A-Za-z0-9]", "_", f"{key.name}_{key.kind}").upper()


def names_text(names: Mapping[Key, str]) -> str:
    """The file's content, sorted; a stack reads it as ``set -a; . FILE``, or as an env file."""
    lines = sorted(f"{variable(key)}={name}\n" for key, name in names.items())
    return _HEAD + "".join(lines)


def plan_names(path: str, there: str | None, names: Mapping[Key, str]) -> list[Finding]:
    """The file as it is to be. there: what is in it, ``None`` where there is none."""
    if twice := _twice(names):
        return [
            Refusal(
                "--data names",
                f"the names of {listed(twice)} make the same variable",
                remedy="Rename one of them, or leave --data names= out",
            )
        ]
    text = names_text(names)
    if there == text:
        return []
    return [
        WriteNames(
            f"file {path}",
            "holds other names than the current versions have" if there else "is not there",
            path=path,
            text=text,
        )
    ]


def _twice(names: Iterable[Key]) -> list[str]:
    found: dict[str, list[Key]] = {}
    for key in sorted(names):
        found.setdefault(variable(key), []).append(key)
    return [str(key) for keys in found.values() if len(keys) > 1 for key in keys]
