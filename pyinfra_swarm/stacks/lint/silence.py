"""Comments in a file that silence a notice: ``# pyinfra-swarm: ignore S5 because it is tiny``.

Beside the line that the notice names, or alone on the line above it. A refusal is never silenced:
what would go over the wires in clear text, or would not work, needs another file and no comment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pyinfra_swarm.stacks.document import Comment
from pyinfra_swarm.stacks.lint.issue import Issue, notice
from pyinfra_swarm.stacks.lint.rules import COMMENT, RULES

_IGNORE = re.compile(
    r"ignore\s+(?P<rules>S[0-9]+(?:\s*,\s*S[0-9]+)*)(?:\s+because\s+(?P<reason>\S.*))?"
)
FORM = "# pyinfra-swarm: ignore S5 because …"


@dataclass
class _Ignore:
    comment: Comment
    rules: tuple[str, ...]
    reason: str
    line: int
    used: set[str] = field(default_factory=set)


def silence(issues: Iterable[Issue], comments: Iterable[Comment]) -> Iterator[Issue]:
    """The issues that no comment silences, and what is wrong with the comments."""
    ignores: list[_Ignore] = []
    wrong: list[Issue] = []
    for comment in comments:
        read = _read(comment)
        if isinstance(read, Issue):
            wrong.append(read)
        else:
            ignores.append(read)
    beside: dict[tuple[str, int, str], list[_Ignore]] = {}
    for ignore in ignores:
        for rule in ignore.rules:
            beside.setdefault((ignore.comment.place.file, ignore.line, rule), []).append(ignore)
    refused: set[tuple[str, int, str]] = set()
    for issue in issues:
        here = beside.get((issue.file, issue.line, issue.rule), ())
        for ignore in here:
            ignore.used.add(issue.rule)
        if here and issue.severity == "refusal":
            refused.add((issue.file, issue.line, issue.rule))
        if not here or issue.severity == "refusal":
            yield issue
    yield from wrong
    for ignore in ignores:
        for rule in ignore.rules:
            yield from _useless(ignore, rule, refused)


def _read(comment: Comment) -> _Ignore | Issue:
    match = _IGNORE.fullmatch(comment.text)
    if match is None:
        return _wrong(comment, f"“{comment.text}” is nothing that can be asked for")
    rules = tuple(re.findall(r"S[0-9]+", match["rules"]))
    if unknown := [rule for rule in rules if rule not in RULES]:
        return _wrong(comment, f"there is no rule {unknown[0]}")
    if not match["reason"]:
        return _wrong(comment, "gives no reason, which whoever reads the file next will want")
    line = comment.place.line + comment.alone
    return _Ignore(comment, rules, match["reason"], line)


def _wrong(comment: Comment, reason: str) -> Issue:
    return notice(COMMENT, comment.place, "", reason, f"write {FORM}")


def _useless(ignore: _Ignore, rule: str, refused: set[tuple[str, int, str]]) -> Iterator[Issue]:
    place = ignore.comment.place
    if (place.file, ignore.line, rule) in refused:
        reason = f"{rule} refuses the stack there, and no comment silences a refusal"
        yield notice(COMMENT, place, "", reason, "do what the refusal says, and delete the comment")
    elif rule not in ignore.used:
        yield notice(
            COMMENT,
            place,
            "",
            f"silences nothing: {rule} says nothing about line {ignore.line}",
            "delete it, or put it beside the line that the notice names, or alone above that line",
        )
