"""What the lint found, for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from pyinfra_swarm.run.wording import counted, listed
from pyinfra_swarm.stacks.lint import Issue

_COLOURS = {"notice": 36, "refusal": 31, "clean": 32}
_MARKS = {"notice": "!", "refusal": "✗"}
_INDENT = 6


def render(
    issues: Sequence[Issue],
    files: Sequence[str],
    untold: Sequence[str] = (),
    *,
    width: int = 100,
    colour: bool = False,
) -> str:
    """The issues as lines of at most ``width`` columns (names that are longer are not cut).

    untold: what no rule could look at, since it is not known here.
    """

    def paint(text: str, style: str) -> str:
        return f"\x1b[{_COLOURS[style]}m{text}\x1b[0m" if colour else text

    lines = []
    for issue in issues:
        mark = paint(_MARKS[issue.severity], issue.severity)
        path = f" {issue.path}" if issue.path else ""
        lines.append(f"{mark} {issue.file}:{issue.line}:{issue.column} {issue.rule}{path}")
        lines += _wrap(issue.reason, width)
        lines += _wrap(f"→ {issue.remedy}", width)
        lines.append("")
    lines += _fill(headline(issues, files, paint("clean", "clean") if not issues else ""), width, 0)
    if untold:
        lines += _fill(
            f"Not checked: {listed(untold)}.",
            width,
            0,
        )
    return "\n".join(lines) + "\n"


def headline(issues: Sequence[Issue], files: Sequence[str], clean: str = "clean") -> str:
    """The whole in one line."""
    name = listed(files)
    refusals = sum(issue.severity == "refusal" for issue in issues)
    notices = len(issues) - refusals
    if not issues:
        return f"{name}: {clean or 'clean'}"
    said = [
        counted(number, word)
        for number, word in ((refusals, "refusal"), (notices, "notice"))
        if number
    ]
    more = "; a refusal keeps the stack from being deployed" if refusals else ""
    return f"{name}: {listed(said)}{more}. What each rule means: docs/stacks.md"


def _wrap(text: str, width: int) -> list[str]:
    return _fill(text, width, _INDENT)


def _fill(text: str, width: int, indent: int) -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=" " * indent,
        subsequent_indent=" " * indent,
        break_on_hyphens=False,
        break_long_words=False,
    )
