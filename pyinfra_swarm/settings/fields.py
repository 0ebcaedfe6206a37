"""The fields of a settings model, found by their place."""

from __future__ import annotations

from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel

Loc = tuple[int | str, ...]
"""A place in the settings, as pydantic counts it: `("hosts", 2, "address")`."""


def model_of(annotation: Any) -> type[BaseModel] | None:
    """The model that an annotation is, may be, or holds many of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) is tuple:
        return model_of(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return next((found for one in get_args(annotation) if (found := model_of(one))), None)
    return None


def model_at(root: type[BaseModel], loc: Loc) -> type[BaseModel] | None:
    """The model at a place, `None` where there is no model."""
    here: type[BaseModel] | None = root
    for part in loc:
        if isinstance(part, str) and here is not None:
            field = here.model_fields.get(part)
            here = model_of(field.annotation) if field else None
    return here


def model_around(root: type[BaseModel], loc: Loc) -> type[BaseModel]:
    """The model at a place, or the nearest one around it."""
    found = (model_at(root, loc[:length]) for length in range(len(loc), 0, -1))
    return next((one for one in found if one), root)


def repeated(root: type[BaseModel], path: str = "") -> frozenset[str]:
    """The tables of which there are many, as `hosts` and `firewall.open`: in double brackets."""
    found: set[str] = set()
    for name, field in root.model_fields.items():
        inner = model_of(field.annotation)
        if inner is not None:
            found |= {f"{path}{name}"} if get_origin(field.annotation) is tuple else set()
            found |= repeated(inner, f"{path}{name}.")
    return frozenset(found)


def is_field(root: type[BaseModel], loc: Loc) -> bool:
    """Whether the model declares a field at this place."""
    parent = model_at(root, loc[:-1])
    return parent is not None and loc[-1] in parent.model_fields
