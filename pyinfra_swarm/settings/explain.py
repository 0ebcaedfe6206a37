"""pydantic's errors in plain words, and the nearest known key for each unknown one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from pyinfra_swarm.settings.errors import NOT_SHOWN, Problem, field_name, nearest, shown
from pyinfra_swarm.settings.fields import Loc, model_at, model_of
from pyinfra_swarm.settings.values.numbers import port_in

_KINDS = {
    "string": ("a text", "a text in quotes"),
    "int": ("a whole number", "a whole number, without quotes"),
    "bool": ("true or false", "true or false, without quotes"),
    "tuple": ("a list", "a list: [ … ]"),
    "list": ("a list", "a list: [ … ]"),
    "dict": ("a table", "a table: { key = … }"),
    "model": ("a table", "a table: { key = … }"),
}


def explained(
    error: ValidationError, data: Mapping[str, Any], model: type[BaseModel]
) -> list[Problem]:
    """One problem per error; `data` is the input, `model` what it was to become.

    A key that is missing because it is misspelt is one problem: the one of the key that is there.
    """
    errors = error.errors(include_url=False)
    misspelt = {
        (*loc[:-1], _meant(loc, model)) for loc in _locs(errors, "extra_forbidden") if len(loc) > 1
    }
    return [
        _problem(dict(one), data, model)
        for one in errors
        # A file without hosts is reported with more advice by the consistency checks.
        if not (one["type"] == "missing" and one["loc"] in {("hosts",), *misspelt})
    ]


def _locs(errors: Sequence[ErrorDetails], kind: str) -> list[Loc]:
    return [one["loc"] for one in errors if one["type"] == kind]


def _problem(error: Mapping[str, Any], data: Mapping[str, Any], model: type[BaseModel]) -> Problem:
    loc: Loc = error["loc"]
    kind: str = error["type"]
    context: Mapping[str, Any] = error.get("ctx", {})
    name = str(loc[-1]) if loc else ""
    place = field_name(loc, data)
    if kind == "extra_forbidden":
        reason, instead = _unknown(loc, data, model)
        return Problem(place, None, reason, instead)
    example = _example(model, loc)
    if kind == "missing":
        return Problem(place, None, "is missing", f"{name} = {example}" if example else "add it")
    value = shown(error.get("input"), name)
    if kind == "setting":
        # Where the key itself is wrong, its value says nothing.
        found = None if loc and loc[-1] == "[key]" else value
        found = NOT_SHOWN if context.get("hidden") else found
        return Problem(place, found, context["reason"], context["instead"])
    reason, instead = _of_kind(kind, context, error.get("input"), error["msg"])
    if shape := _brackets(loc, error.get("input"), model):
        reason, instead = shape
    as_json = _as_json(kind) if isinstance(error.get("input"), str) or not shape else ""
    listed = isinstance(error.get("input"), str) and instead.startswith("a list: [")
    if example and not (listed and not shape) and kind.endswith(("_type", "_parsing")):
        instead += f", such as {example}"
    return Problem(place, value, reason, instead, as_json=as_json)


def _as_json(kind: str) -> str:
    """How a variable holds a list or a table: what is no JSON stays a text, which is neither."""
    stem = kind.removesuffix("_type").removesuffix("_attributes")
    if stem in ("tuple", "list"):
        return f'{_JSON}: ["one", "two"]'
    return f'{_JSON}: {{"key": "value"}}' if stem in ("dict", "model") else ""


_JSON = "JSON, in which texts are in double quotes"


def _brackets(loc: Loc, value: Any, root: type[BaseModel]) -> tuple[str, str] | None:
    """What is said of a table that is written as one of many, or the other way round."""
    model = model_at(root, loc)
    if model is None:
        return None
    path = ".".join(str(part) for part in loc if isinstance(part, str))
    one = "{ … }"
    if isinstance(value, str) and "name" in model.model_fields:
        one = f"{{ name = {shown(value)} }}"
    elif "port" in model.model_fields and (port := port_in(value)):
        one = f"{{ port = {port} }}"
    if isinstance(loc[-1], int):
        if path != "hosts":
            return "is not a table", f"a table: {one}"
        lines = "with a line each for name, address and role"
        return "is not a table", f"[[hosts]], once for each host, {lines}"
    many = get_origin(_annotation(root, loc)) is tuple
    if many and isinstance(value, str):
        return "is not a list", f"a list of tables: [{one}]"
    if many and isinstance(value, Mapping):
        once = "once for each host" if path == "hosts" else "once for each"
        return "is a single table", f"[[{path}]], in double brackets, {once}"
    if not many and len(loc) == 1 and isinstance(value, list | tuple):
        return "is a list of tables", f"[{path}], in single brackets, once"
    return None


def _annotation(root: type[BaseModel], loc: Loc) -> Any:
    parent = model_at(root, loc[:-1])
    field = parent.model_fields.get(str(loc[-1])) if parent else None
    return field.annotation if field else None


def _of_kind(kind: str, context: Mapping[str, Any], value: Any, message: str) -> tuple[str, str]:
    if kind == "literal_error":
        allowed = str(context["expected"]).replace("'", '"')
        words = [word.strip('"') for word in allowed.replace(" or ", ", ").split(", ")]
        meant = nearest(value, words) if isinstance(value, str) else None
        return f"is not one of {allowed}", f'"{meant}"' if meant else allowed
    if kind in ("greater_than_equal", "less_than_equal"):
        bound = context.get("ge", context.get("le"))
        few = kind.startswith("greater")
        return f"is too {'small' if few else 'large'}", f"{bound} or {'more' if few else 'less'}"
    stem = kind.removesuffix("_type").removesuffix("_parsing").removesuffix("_attributes")
    stem = "int" if stem in ("int_from_float", "finite_number") else stem
    if stem in _KINDS:
        wanted, instead = _KINDS[stem]
        if wanted == "a list" and isinstance(value, str | int):
            instead = f"a list: [{shown(value)}]"
        seconds = re.fullmatch(r"\s*(\d+)\s*s(ec(onds?)?)?\.?\s*", str(value), re.IGNORECASE)
        if wanted == "a whole number" and seconds:
            instead = f"{int(seconds[1])}, without quotes and without a unit"
        if wanted == "a table" and (pairs := _pairs(value)):
            instead = f"a table: {{ {pairs} }}"
        return f"is not {wanted}", instead
    return message[:1].lower() + message[1:], "a value of the kind cluster.example.toml shows"


def _pairs(value: Any) -> str:
    """The keys and values of texts such as ``disk=nvme``; "" where they are none."""
    texts = value if isinstance(value, list | tuple) else [value]
    found = [re.fullmatch(r"([\w-]+)\s*[=:]\s*(.+)", one) for one in texts if isinstance(one, str)]
    if not found or len(found) != len(texts) or not all(found):
        return ""
    return ", ".join(f"{one[1]} = {shown(one[2], one[1])}" for one in found if one)


def _unknown(loc: Loc, data: Mapping[str, Any], root: type[BaseModel]) -> tuple[str, str]:
    name = str(loc[-1])
    here = model_at(root, loc[:-1])
    known = list(here.model_fields) if here else []
    meant = _meant(loc, root)
    # Above all tables, the key of one of them is likelier than a table of a similar name.
    if meant and len(loc) > 1:
        return "is not a known key", f'"{meant}"'
    for section, field in root.model_fields.items():
        inner = model_of(field.annotation)
        if inner is not None and name in inner.model_fields and inner is not here:
            return "is not known here", f"it belongs in {_in_brackets(section, field)}"
    if meant:
        field = root.model_fields[meant]
        table = model_of(field.annotation) is not None
        return "is not a known key", _in_brackets(meant, field) if table else f'"{meant}"'
    if name == "encrypted" and loc[0] == "networks":
        return "is not a known key", "take it out: all networks are encrypted"
    return "is not a known key", f"one of {', '.join(known)}, or take it out"


def _in_brackets(section: str, field: FieldInfo) -> str:
    """A table's head, as it is written."""
    return f"[[{section}]]" if get_origin(field.annotation) is tuple else f"[{section}]"


def _meant(loc: Loc, root: type[BaseModel]) -> str | None:
    """The key of the same table that an unknown one is a slip for."""
    here = model_at(root, loc[:-1])
    return nearest(str(loc[-1]), here.model_fields) if here else None


def _example(root: type[BaseModel], loc: Loc) -> str | None:
    names = [part for part in loc if isinstance(part, str)]
    if not names or loc[-1] == "[key]":
        return None
    parent = model_at(root, tuple(names[:-1]))
    field = parent.model_fields.get(names[-1]) if parent else None
    if field is None:
        return None
    if field.examples:
        first = field.examples[0]
        return shown(first[0] if isinstance(loc[-1], int) and isinstance(first, list) else first)
    allowed = _literals(field)
    return shown(allowed[0]) if allowed else None


def _literals(field: FieldInfo) -> tuple[Any, ...]:
    return tuple(arg for arg in get_args(field.annotation) if isinstance(arg, str))
