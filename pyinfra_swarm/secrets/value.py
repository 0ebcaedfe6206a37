"""The value of a secret or a config in memory: what it is, and why there is none."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Value:
    """A value. Nothing shows it: neither a representation of it, nor a message with it."""

    data: bytes = field(repr=False)

    def __repr__(self) -> str:
        return "Value(not shown)"

    def __reduce__(self) -> str:
        raise TypeError("a value is not written down")


class Unreadable(Exception):
    """Why there is no value, in words for a person; never the value, or a part of it.

    + problem: a phrase that begins with a verb or with the thing that fails: `file = "secrets/db":
      is not there`
    + remedy: what to do about it
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy
