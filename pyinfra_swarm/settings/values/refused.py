"""How a check of a single value says that it is refused."""

from __future__ import annotations

from pydantic_core import PydanticCustomError


def wrong(reason: str, instead: str) -> PydanticCustomError:
    """The error a check of a single value raises; both texts reach the user."""
    return PydanticCustomError("setting", "{reason}", {"reason": reason, "instead": instead})
