"""Values of a settings file that have another TOML type than the one that is asked for.

A variable holds nothing but text, so the settings read numbers, true and false from texts. In a
file `"1500"` is a slip, and the next one may mean something else (`"false"` in another program is
true): it is refused with what to write.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError

from pyinfra_swarm.settings.errors import Problem, field_name, shown
from pyinfra_swarm.settings.fields import Loc, model_of

_READERS: Mapping[type, TypeAdapter[Any]] = {bool: TypeAdapter(bool), int: TypeAdapter(int)}
_WANTED = {bool: "true or false", int: "a whole number"}


def wrong_types(
    data: Mapping[str, Any], model: type[BaseModel], variables: Iterable[str]
) -> list[Problem]:
    """A problem for each value that would be read although it has another type.

    variables: the fields that variables set, as :func:`field_name` names them; they are left out.
    """
    set_by_variables = tuple(variables)
    found = []
    for loc, kind, value in _values(data, model):
        name = field_name(loc, data)
        meant = _read(kind, value)
        if meant is None or any(_within(name, one) for one in set_by_variables):
            continue
        found.append(
            Problem(
                name,
                shown(value, str(loc[-1])),
                f"is {_written(value)}, not {_WANTED[kind]}",
                f"{shown(meant)}{', without quotes' if isinstance(value, str) else ''}",
            )
        )
    return found


def _values(
    data: Mapping[str, Any], model: type[BaseModel], loc: Loc = ()
) -> Iterator[tuple[Loc, type, Any]]:
    """Each value that is to be a number, or true or false, with its place and its type."""
    for name, field in model.model_fields.items():
        if name not in data:
            continue
        value, here = data[name], (*loc, name)
        inner, kind = model_of(field.annotation), _kind(field.annotation)
        items = list(enumerate(value)) if isinstance(value, list | tuple) else []
        if inner is not None:
            tables = [((*here, number), item) for number, item in items] or [(here, value)]
            for place, table in tables:
                if isinstance(table, Mapping):
                    yield from _values(table, inner, place)
        elif kind is not None and get_origin(field.annotation) is tuple:
            yield from (((*here, number), kind, item) for number, item in items)
        elif kind is not None:
            yield here, kind, value


def _kind(annotation: Any) -> type | None:
    """bool or int, where a field, or each item of its list, is one."""
    if get_origin(annotation) in (tuple, Annotated):
        return _kind(get_args(annotation)[0])
    return annotation if annotation in (bool, int) else None


def _read(kind: type, value: Any) -> Any:
    """What the settings would read; ``None`` where the type is right, or nothing can be read."""
    right = isinstance(value, bool) if kind is bool else type(value) is int
    taken = isinstance(value, str | int | float) and not isinstance(value, bool)
    if right or not taken:
        return None
    try:
        return _READERS[kind].validate_python(value)
    except ValidationError:
        return None  # which is told in full where the settings are validated


def _written(value: Any) -> str:
    if isinstance(value, str):
        return "a text"
    return "a number with a point" if isinstance(value, float) else "a number"


def _within(name: str, outer: str) -> bool:
    return name == outer or name.startswith((f"{outer}.", f"{outer}[", f"{outer} "))
