"""What is wrong with a text that is no TOML, as far as the parser's words and the place tell."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection

from pyinfra_swarm.settings.errors import secret_in

_COMPARE = "compare the line with cluster.example.toml"
_ONCE = "each key and each [table] once; only [[hosts]] and its like repeat"
_TRUTH = {"yes": "true", "on": "true", "true": "true"}
_TRUTH |= {"no": "false", "off": "false", "false": "false"}


def explained_toml(
    error: tomllib.TOMLDecodeError, text: str, many: Collection[str] = ()
) -> tuple[str, str, str]:
    """Where, as ``, line 3, column 5``; the parser's reason; and what to write instead.

    many: the tables that repeat, each in double brackets.
    """
    reason = str(error)
    place = re.search(r"\(at (?:line (\d+), column (\d+)|end of document)\)", reason)
    where, line, column = "", 0, 0
    if place:
        reason = reason[: place.start()].strip()
        where = ", at its end"
    if place and place[1]:
        line, column = int(place[1]), int(place[2])
        where = f", line {line}, column {column}"
    if table := re.search(r"\('(.*)',?\)", reason):  # a table's name, as Python's tuple
        name = table[1].replace("', '", ".")
        reason = reason.replace(table[0], f"[{name}]")
    lines = text.split("\n")
    if place and not line:
        line = len(lines)
    if unclosed := _unclosed(reason, lines):
        quote, found = unclosed
        where = where if line < len(lines) or not found else f", line {found}"
        instead = f"the other quote, {quote}, where the text ends"
        return where, "is not TOML: a text is not closed", instead
    return where, f"is not TOML: {reason}", _instead(reason, lines, line, column, many)


def _instead(reason: str, lines: list[str], line: int, column: int, many: Collection[str]) -> str:
    here = lines[line - 1] if line else ""
    rest = here[column - 1 :] if line else ""
    if re.search("overwrite|declare|[Dd]uplicate", reason):
        return _twice(lines, line, many)
    if "nvalid value" in reason or "newline or end of document after a statement" in reason:
        word = re.match(r"[A-Za-z]+", rest)
        if word and word[0].lower() in _TRUTH:
            return f"{_TRUTH[word[0].lower()]}, in small letters and without quotes"
        return f'a text stands in straight quotes, as in name = "rk1"; {_COMPARE}'
    if "Unclosed array" in reason:
        return "a comma between two items of a list, each text in two quotes, and ] at its end"
    if "key part" in reason or "inline table" in reason:
        if re.match(r"\s*(#|$)", rest):
            return "a table in braces on one line, from { to }; only a list may have many lines"
        if re.match(r"\s*\}", rest):
            return "no comma in front of }"
        if "inline table" in reason:
            return f"a comma between two keys of a table in braces; {_COMPARE}"
    if "Expected '='" in reason:
        return f'= between a key and its value, as in name = "rk1"; {_COMPARE}'
    if "hex value" in reason or "Unescaped" in reason:
        return "two backslashes for one, or the text in single quotes, which take it as it is"
    return _COMPARE


def _unclosed(reason: str, lines: list[str]) -> tuple[str, int] | None:
    """The quote that a text begins with and does not end with, and the line, 0 if unknown.

    The parser says that the line's end is not allowed in a text, or looks for the quote up to the
    end of the file.
    """
    if reason in ("Illegal character '\\n'", "Unterminated string"):
        long = [n for n, line in enumerate(lines, start=1) if line.count('"""') % 2]
        return ('"""', long[-1]) if long and "Unterminated" in reason else ('"', 0)
    if found := re.fullmatch(r"""Expected "('{1,3})\"""", reason):
        quote = found[1]
        odd = [n for n, line in enumerate(lines, start=1) if re.search(rf"[=\[,]\s*{quote}", line)]
        return quote, next((n for n in odd if lines[n - 1].count(quote) % 2), 0)
    return None


def _twice(lines: list[str], line: int, many: Collection[str]) -> str:
    """What to do about a table, or a key, that stands in an earlier line, too."""
    header = _header(lines[line - 1]) if line else None
    if header in many:
        single = [
            number
            for number, one in enumerate(lines, start=1)
            if _header(one) == header and not one.lstrip().startswith("[[")
        ]
        where = f"line{'s' * (len(single) > 1)} {' and '.join(map(str, single))}"
        return f"[[{header}]], in double brackets, in {where}"
    if header:
        for number, earlier in enumerate(lines[: line - 1], start=1):
            if _header(earlier) == header:
                name = f"[{header}]"
                return (
                    f"put it under the {name} that is there, in line {number}, and take this "
                    f"{name} out; only [[hosts]] and its like repeat"
                )
        return _ONCE
    key = _key(lines[line - 1]) if line else None
    if key is None or secret_in(key):
        return _ONCE
    first, more = 0, ""
    for number in range(line - 1, 0, -1):
        earlier = lines[number - 1]
        if header := _header(earlier):
            more = f"; or [[{header}]] above it, to begin another one" if "[[" in earlier else ""
            break
        if _key(earlier) == key:
            first = number
    return _taken(key, first, more) if first else _ONCE


def _taken(key: str, line: int, more: str = "") -> str:
    return f"{key} is there already, in line {line}: one of the two lines, not both{more}"


def _header(line: str) -> str | None:
    """The table that a line begins."""
    found = re.match(r"\s*\[{1,2}\s*([\w.\-\"' ]+?)\s*\]", line)
    return found[1] if found else None


def _key(line: str) -> str | None:
    found = re.match(r"\s*([\w.\-]+)\s*=", line)
    return found[1] if found else None
