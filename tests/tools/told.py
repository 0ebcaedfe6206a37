"""What a run has told once for several hosts, told for each: so that a test can ask for one."""

from __future__ import annotations

import re

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_NAMES = r"(?:[a-z]+-?[a-z]*\d+(?:–[a-z]+-?[a-z]*\d+)?(?:, )?)+"
_LINES = (
    (re.compile(rf"^(?P<before>\s*not done: )(?P<names>{_NAMES})(?P<after>: .*)$"), "{0}{1}{2}"),
    (re.compile(rf"^(?P<before>\s*\[)(?P<names>{_NAMES})(?P<after>\] .*)$"), "{0}{1}{2}"),
    (
        re.compile(
            rf"^(?P<before>\s*)(?P<mark>[~!✗] (?P<part>\S+)) +(?P<names>{_NAMES}): (?P<after>.*)$"
        ),
        "{0}[{1}] {3} | {2}",
    ),
)


def of_each(text: str) -> str:
    """The text with a line for each host in the place of one for several; without colours.

    A line of a plan becomes as it is while changes are made: ``[rk1] ~ ssh | sshd: …``.
    """
    return "\n".join(one for line in _COLOURS.sub("", text).split("\n") for one in _each(line))


def _each(line: str) -> list[str]:
    for pattern, shape in _LINES:
        if match := pattern.match(line):
            groups = match.groupdict()
            return [
                shape.format(groups["before"], name, groups["after"], groups.get("mark"))
                for name in _names(groups["names"])
            ]
    return [line]


def _names(text: str) -> list[str]:
    found = []
    for piece in text.split(", "):
        first, _, last = piece.partition("–")
        start = re.search(r"\d+$", first)
        end = re.search(r"\d+$", last or first)
        assert start
        assert end
        stem = first[: start.start()]
        found += [f"{stem}{number}" for number in range(int(start[0]), int(end[0]) + 1)]
    return found
