"""``${VARIABLE}`` in a compose file, put in as the docker CLI does.

From docker/cli: ``cli/compose/template/template.go`` (what a variable looks like),
``cli/compose/interpolation`` and ``cli/compose/loader/interpolate.go`` (what becomes a number or a
truth value once a variable is in).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from pyinfra_swarm.stacks.document import Items, Node, Place, Scalar, Table

Path: TypeAlias = tuple[str | int, ...]
"""The way to a part of a file: keys, and positions in lists."""


@dataclass(frozen=True)
class Variables:
    """What variables stand for.

    values: by name; complete: a name that is not among them has no value, and docker puts nothing
    in its place. Where that is False, its value is unknown.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    complete: bool = False


@dataclass(frozen=True)
class Missing:
    """A variable that has no value and no default: docker puts nothing in its place."""

    name: str
    place: Place
    path: Path


@dataclass(frozen=True)
class NotPutIn:
    """A variable that cannot be put in, so that docker refuses the file."""

    place: Place
    path: Path
    reason: str
    remedy: str


@dataclass
class Found:
    """What came up while variables were put in."""

    missing: list[Missing] = field(default_factory=list)
    refused: list[NotPutIn] = field(default_factory=list)


# Go's (?i) folds two letters beyond ASCII into it, as Python's does: both name no variable here.
_SUBST = r"[_a-zA-Z][_a-zA-Z0-9]*(?::?[-?][^}]*)?"
_VARIABLE = re.compile(
    rf"\$(?:(?P<escaped>\$)|(?P<named>{_SUBST})|{{(?P<braced>{_SUBST})}}|(?P<invalid>))"
)


class _Unknown(Exception):
    """The value depends on a variable that nobody knows here."""


class _Refused(Exception):
    def __init__(self, reason: str, remedy: str) -> None:
        self.reason, self.remedy = reason, remedy


def put_in(root: Table, variables: Variables) -> tuple[Table, Found]:
    """The tree with its variables put in, and what came up. Keys hold no variables."""
    found = Found()
    made = _node(root, (), variables, found)
    assert isinstance(made, Table)
    return made, found


def _node(node: Node, path: Path, variables: Variables, found: Found) -> Node:
    match node:
        case Table():
            entries = {
                key: _node(value, (*path, key), variables, found)
                for key, value in node.entries.items()
            }
            return Table(entries, node.place, node.keys, node.size, node.depth)
        case Items():
            items = tuple(
                _node(item, (*path, index), variables, found)
                for index, item in enumerate(node.items)
            )
            return Items(items, node.place, node.size, node.depth)
        case Scalar():
            return _scalar(node, path, variables, found)


def _scalar(node: Scalar, path: Path, variables: Variables, found: Found) -> Scalar:
    text = node.value
    if not isinstance(text, str) or "$" not in text:
        return node
    names: list[str] = []
    try:
        value = substituted(text, variables, names)
    except _Unknown:
        return Scalar(text, node.place, written=text, unknown=True)
    except _Refused as refused:
        found.refused.append(NotPutIn(node.place, path, refused.reason, refused.remedy))
        return Scalar(text, node.place, written=text, unknown=True)
    found.missing += [Missing(name, node.place, path) for name in dict.fromkeys(names)]
    if value == text:
        return node
    cast = _cast(path)
    if cast is None:
        return Scalar(value, node.place, written=text)
    try:
        return Scalar(cast(value), node.place, written=text)
    except ValueError:
        expected = "a whole number, a number or a truth value, as the key asks for"
        found.refused.append(
            NotPutIn(
                node.place,
                path,
                f"{text} does not come out as {expected}",
                "give the variable such a value, or a default: ${NAME:-1}",
            )
        )
        return Scalar(text, node.place, written=text, unknown=True)


def substituted(text: str, variables: Variables, missing: list[str]) -> str:
    """The text with its variables put in; the names of those without a value go to ``missing``."""

    def one(match: re.Match[str]) -> str:
        if match["escaped"]:
            return "$"
        said = match["named"] or match["braced"]
        if not said:
            raise _Refused(
                "a $ begins no variable", "write $$ for the sign itself, or ${NAME} for a variable"
            )
        # As docker looks: for the first sign that is there at all, in this order.
        for sign in (":-", "-", ":?", "?"):
            if sign in said:
                name, _, rest = said.partition(sign)
                return _with(sign, name, rest, variables)
        value = variables.values.get(said)
        if value is None:
            if not variables.complete:
                raise _Unknown
            missing.append(said)
            return ""
        return value

    return _VARIABLE.sub(one, text)


def _with(sign: str, name: str, rest: str, variables: Variables) -> str:
    value = variables.values.get(name)
    if value is None and not variables.complete and sign.endswith("?"):
        raise _Unknown
    empty = value is None or (sign.startswith(":") and not value)
    if not empty:
        return value or ""
    if sign.endswith("-"):
        return rest
    raise _Refused(
        f"the variable {name} must have a value, and has none" + (f": {rest}" if rest else ""),
        f"give {name} a value",
    )


def _whole(text: str) -> int:
    # As strconv.Atoi: no blanks, no underscores, ASCII digits.
    if not re.fullmatch(r"[-+]?[0-9]{1,19}", text):
        raise ValueError
    return int(text)


def _number(text: str) -> float:
    if not re.fullmatch(r"[-+0-9.eE]{1,40}", text):
        raise ValueError
    return float(text)


def _truth(text: str) -> bool:
    match text.lower():
        case "y" | "yes" | "true" | "on":
            return True
        case "n" | "no" | "false" | "off":
            return False
    raise ValueError


_CASTS: dict[tuple[str, ...], Callable[[str], int | float | bool]] = {
    ("services", "*", "configs", "[]", "mode"): _whole,
    ("services", "*", "secrets", "[]", "mode"): _whole,
    ("services", "*", "healthcheck", "retries"): _whole,
    ("services", "*", "healthcheck", "disable"): _truth,
    ("services", "*", "deploy", "replicas"): _whole,
    ("services", "*", "deploy", "update_config", "parallelism"): _whole,
    ("services", "*", "deploy", "update_config", "max_failure_ratio"): _number,
    ("services", "*", "deploy", "rollback_config", "parallelism"): _whole,
    ("services", "*", "deploy", "rollback_config", "max_failure_ratio"): _number,
    ("services", "*", "deploy", "restart_policy", "max_attempts"): _whole,
    ("services", "*", "deploy", "placement", "max_replicas_per_node"): _whole,
    ("services", "*", "ports", "[]", "target"): _whole,
    ("services", "*", "ports", "[]", "published"): _whole,
    ("services", "*", "ulimits", "*"): _whole,
    ("services", "*", "ulimits", "*", "hard"): _whole,
    ("services", "*", "ulimits", "*", "soft"): _whole,
    ("services", "*", "privileged"): _truth,
    ("services", "*", "oom_score_adj"): _whole,
    ("services", "*", "read_only"): _truth,
    ("services", "*", "stdin_open"): _truth,
    ("services", "*", "tty"): _truth,
    ("services", "*", "volumes", "[]", "read_only"): _truth,
    ("services", "*", "volumes", "[]", "volume", "nocopy"): _truth,
    **{
        (section, "*", "external"): _truth
        for section in ("networks", "volumes", "secrets", "configs")
    },
    ("networks", "*", "internal"): _truth,
    ("networks", "*", "attachable"): _truth,
}
"""Where what a variable gives is no text (``interpolateTypeCastMapping``)."""


def _cast(path: Path) -> Callable[[str], int | float | bool] | None:
    # As docker matches: a key that holds dots is several parts to it.
    parts = ".".join("[]" if isinstance(part, int) else part for part in path).split(".")
    for pattern, cast in _CASTS.items():
        if len(pattern) == len(parts) and all(
            wanted in ("*", part) for wanted, part in zip(pattern, parts, strict=True)
        ):
            return cast
    return None


def is_whole(path: Path) -> bool:
    """Whether a variable there becomes a whole number."""
    return _cast(path) is _whole


def is_truth(path: Path) -> bool:
    """Whether a variable there becomes a truth value."""
    return _cast(path) is _truth


def is_number(path: Path) -> bool:
    """Whether a variable there becomes a number."""
    return _cast(path) is _number
