"""How a check of a single value says that it is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticCustomError


def wrong(reason: str, instead: str, *, hidden: bool = False) -> PydanticCustomError:
    """The error a check of a single value raises; both texts reach the user.

    hidden: the value does not, since it may be a secret.
    """
    context = {"reason": reason, "instead": instead, "hidden": hidden}
    return PydanticCustomError("setting", "{reason}", context)


def a_table(example: str, *, optional: bool = False) -> Callable[[Any], Any]:
    """A check that a value is a table, before its keys are looked at. optional: or is `None`."""

    def checked(value: Any) -> Any:
        if isinstance(value, Mapping | BaseModel) or (optional and value is None):
            return value
        raise wrong("is not a table", f"a table: {example}")

    return checked
