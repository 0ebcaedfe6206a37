"""How a part of a file may look: which kind of thing, which keys, which words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pyinfra_swarm.settings.errors import nearest
from pyinfra_swarm.stacks.document import Items, Node, Place, Scalar, Table
from pyinfra_swarm.stacks.longform import said
from pyinfra_swarm.stacks.variables import Path, is_number, is_truth, is_whole


@dataclass(frozen=True)
class Violation:
    """A part of a file that docker refuses."""

    place: Place
    path: Path
    reason: str
    remedy: str


@dataclass(frozen=True)
class Value:
    """A single value. kinds: in the words of ``_WORDS``; wrong: what is wrong with its text."""

    kinds: tuple[str, ...]
    wrong: Callable[[str], tuple[str, str] | None] | None = None


@dataclass(frozen=True)
class Listed:
    """A list. unique: no two entries are equal; instead: of something that is no list."""

    entry: Shape
    unique: bool = False
    instead: str = ""


@dataclass(frozen=True)
class Mapped:
    """A mapping.

    keys: the ones that are known; any_key: what every other key holds, ``None`` where there may be
    none; required: keys that must be there; named: the other keys are names; extensions: keys that
    begin with ``x-`` may hold anything.
    """

    keys: Mapping[str, Shape] = field(default_factory=dict)
    any_key: Shape | None = None
    required: tuple[str, ...] = ()
    named: bool = False
    extensions: bool = False


@dataclass(frozen=True)
class Either:
    """One of several: the one of the right kind."""

    shapes: tuple[Value | Listed | Mapped, ...]


@dataclass(frozen=True)
class Anything:
    """Whatever it is."""


Shape = Value | Listed | Mapped | Either | Anything

_WORDS = {
    "mapping": "a mapping",
    "list": "a list",
    "text": "a text",
    "number": "a number",
    "whole": "a whole number",
    "truth": "true or false",
    "nothing": "nothing",
}


def violations(
    shape: Shape, node: Node, place: Place, path: Path, instead: Mapping[str, str]
) -> Iterator[Violation]:
    """Where a part is not as it may be. instead: for keys that docker does not know, a remedy."""
    match shape:
        case Either():
            fitting = [one for one in shape.shapes if _kind(node, path) in _kinds(one)]
            if fitting:
                yield from violations(fitting[0], node, place, path, instead)
                return
            kinds = [kind for one in shape.shapes for kind in _kinds(one)]
            yield _wrong_kind(kinds, node, place, path)
        case Value() | Listed() | Mapped():
            if _kind(node, path) not in _kinds(shape):
                remedy = shape.instead if isinstance(shape, Listed) else ""
                yield _wrong_kind(_kinds(shape), node, place, path, remedy)
            elif isinstance(shape, Value):
                yield from _value(shape, node, place, path)
            elif isinstance(shape, Listed) and isinstance(node, Items):
                yield from _list(shape, node, path, instead)
            elif isinstance(shape, Mapped) and isinstance(node, Table):
                yield from _mapping(shape, node, place, path, instead)


def _kinds(shape: Value | Listed | Mapped) -> tuple[str, ...]:
    match shape:
        case Value(kinds=kinds):
            return (*kinds, "whole") if "number" in kinds else kinds
        case Listed():
            return ("list",)
    return ("mapping",)


def _kind(node: Node, path: Path) -> str:
    match node:
        case Table():
            return "mapping"
        case Items():
            return "list"
        case Scalar(unknown=True):
            if is_truth(path):
                return "truth"
            return "whole" if is_whole(path) or is_number(path) else "text"
        case Scalar(value=bool()):
            return "truth"
        case Scalar(value=int()):
            return "whole"
        case Scalar(value=float()):
            return "number"
        case Scalar(value=str()):
            return "text"
    return "nothing"


def _wrong_kind(
    kinds: Sequence[str], node: Node, place: Place, path: Path, instead: str = ""
) -> Violation:
    found = _kind(node, path)
    less = {"nothing", "whole" if "number" in kinds else ""}
    wanted = " or ".join(dict.fromkeys(_WORDS[one] for one in kinds if one not in less))
    value = node.value if isinstance(node, Scalar) else None
    remedy = instead or f"write {wanted}"
    if "text" in kinds and isinstance(value, int | float):
        remedy = f'quote it: "{said(value)}"'
    elif "whole" in kinds and isinstance(value, str) and value.isdigit():
        remedy = "write it without quotes"
    reason = f"is {_WORDS[found]}, where docker stack wants {wanted}"
    return Violation(place, path, reason, remedy)


def _value(shape: Value, node: Node, place: Place, path: Path) -> Iterator[Violation]:
    if shape.wrong and isinstance(node, Scalar) and not node.unknown:
        found = shape.wrong(said(node.value))
        if found:
            yield Violation(place, path, *found)


def _list(
    shape: Listed, node: Items, path: Path, instead: Mapping[str, str]
) -> Iterator[Violation]:
    seen: set[str] = set()
    for number, item in enumerate(node.items):
        yield from violations(shape.entry, item, item.place, (*path, number), instead)
        written = repr(_bare(item))
        if shape.unique and written in seen:
            yield Violation(item.place, (*path, number), "is there twice", "delete one of the two")
        seen.add(written)


def _bare(node: Node) -> object:
    """A part without its places."""
    match node:
        case Table():
            return sorted((key, repr(_bare(value))) for key, value in node.entries.items())
        case Items():
            return [_bare(item) for item in node.items]
        case Scalar():
            return node.value


def _mapping(
    shape: Mapped, node: Table, place: Place, path: Path, instead: Mapping[str, str]
) -> Iterator[Violation]:
    for key, value in node.entries.items():
        at, inner = node.keys.get(key, value.place), (*path, key)
        known = shape.keys.get(key)
        if known is not None:
            yield from violations(known, value, at, inner, instead)
        elif shape.extensions and key.startswith("x-"):
            continue
        elif shape.any_key is None:
            yield _unknown_key(shape, key, at, inner, instead)
        elif shape.named and not _is_name(key):
            yield Violation(
                at,
                inner,
                "docker allows letters, digits, dots, dashes and underscores in a name",
                "give it another name",
            )
        else:
            yield from violations(shape.any_key, value, at, inner, instead)
    for key in shape.required:
        if key not in node.entries:
            yield Violation(place, path, f"has no {key}", "add it")


def _unknown_key(
    shape: Mapped, key: str, place: Place, path: Path, instead: Mapping[str, str]
) -> Violation:
    meant = nearest(key, shape.keys)
    remedy = instead.get(key) or (f"did you mean {meant}?" if meant else "delete it")
    return Violation(
        place, path, "docker stack knows no such key here, and refuses the file", remedy
    )


def _is_name(text: str) -> bool:
    return bool(text) and all(one.isascii() and (one.isalnum() or one in "._-") for one in text)
