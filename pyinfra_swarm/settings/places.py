"""Where in a settings file a value stands. tomllib, which reads the file, does not say."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from pyinfra_swarm.settings.fields import Loc

_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}' + r"|'''.*?'{3,5}" + r'|"(?:[^"\\\n]|\\.)*"' + r"|'[^'\n]*'",
    re.DOTALL,
)
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SPACE = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_SCALAR = re.compile(r"[^,\]}\n#]+")


def lines_of(text: str) -> dict[Loc, int]:
    """The line of every table, key and item of a list, counted from 1. The text is TOML.

    Line ends are ``\\n`` alone. From where this reader does not follow, nothing more is found:
    whoever asks then takes the place around it, or none.
    """
    found: dict[Loc, int] = {}
    with suppress(ValueError):
        for loc, at in _Reader(text).places():
            found.setdefault(loc, text.count("\n", 0, at) + 1)
    return found


def line_of(loc: Loc, lines: Mapping[Loc, int]) -> int | None:
    """The line of a place, or of the nearest one around it; `None` where it is in no line."""
    around = (loc[:length] for length in range(len(loc), 0, -1))
    return next((lines[one] for one in around if one in lines), None)


_PART = re.compile(r'\[(\d+)\](?: "(?:[^"\\]|\\.)*")?|\.?([^.\[\s]+)')


def loc_of(field: str) -> Loc:
    """The place that a problem's field names, as ``hosts[2] "rk3".address``; `()` for none."""
    loc: Loc = ()
    at = 0
    while at < len(field):
        match = _PART.match(field, at)
        if match is None:
            return ()
        loc = (*loc, int(match[1]) if match[1] else match[2])
        at = match.end()
    return loc


class _Reader:
    """Reads a text that tomllib has taken, for the places in it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self._many: dict[Loc, int] = {}

    def places(self) -> Iterator[tuple[Loc, int]]:
        here: Loc = ()
        while self._skip() < len(self.text):
            begin = self.at
            if self.text.startswith("[[", begin):
                here = self._table(2)
                number = self._many[here] = self._many.get(here, -1) + 1
                yield here, begin
                here = (*here, number)
            elif self.text.startswith("[", begin):
                here = self._table(1)
            else:
                loc = (*here, *self._key())
                yield from ((loc[:n], begin) for n in range(len(here) + 1, len(loc) + 1))
                self._expect("=")
                yield from self._value(loc)
                continue
            yield here, begin

    def _table(self, brackets: int) -> Loc:
        self.at += brackets
        loc: Loc = ()
        parts = self._key()
        for number, part in enumerate(parts, start=1):
            loc = (*loc, part)
            # A table below one of many belongs to the last of them.
            if loc in self._many and not (brackets == 2 and number == len(parts)):
                loc = (*loc, self._many[loc])
        self._skip()
        self.at += brackets
        return loc

    def _key(self) -> list[str]:
        parts: list[str] = []
        while True:
            self._skip()
            match = _STRING.match(self.text, self.at) or _BARE.match(self.text, self.at)
            if match is None:
                raise ValueError(f"no key at {self.at}")
            self.at = match.end()
            parts.append(_text(match[0]))
            if not self.text.startswith(".", self._skip()):
                return parts
            self.at += 1

    def _value(self, loc: Loc) -> Iterator[tuple[Loc, int]]:
        begin = self._skip()
        if self.text.startswith("[", begin):
            self.at += 1
            number = 0
            while not self.text.startswith("]", self._skip()):
                yield (*loc, number), self.at
                yield from self._value((*loc, number))
                number += 1
                self._comma()
            self.at += 1
        elif self.text.startswith("{", begin):
            self.at += 1
            while not self.text.startswith("}", self._skip()):
                place = self.at
                inner = (*loc, *self._key())
                yield from ((inner[:n], place) for n in range(len(loc) + 1, len(inner) + 1))
                self._expect("=")
                yield from self._value(inner)
                self._comma()
            self.at += 1
        else:
            match = _STRING.match(self.text, begin) or _SCALAR.match(self.text, begin)
            if match is None:
                raise ValueError(f"no value at {begin}")
            self.at = match.end()

    def _skip(self) -> int:
        match = _SPACE.match(self.text, self.at)
        self.at = match.end() if match else self.at
        return self.at

    def _expect(self, sign: str) -> None:
        if not self.text.startswith(sign, self._skip()):
            raise ValueError(f"no {sign} at {self.at}")
        self.at += len(sign)

    def _comma(self) -> None:
        if self.text.startswith(",", self._skip()):
            self.at += 1


def _text(key: str) -> str:
    """A key as it is meant, without its quotes."""
    if key[0] not in "\"'":
        return key
    read: dict[str, Any] = tomllib.loads(f"key = {key}")
    return str(read["key"])
