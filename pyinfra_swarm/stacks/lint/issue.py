"""What the lint finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pyinfra_swarm.run.printable import plain
from pyinfra_swarm.stacks.document import Place
from pyinfra_swarm.stacks.lint.rules import RULES, Rule

Severity = Literal["refusal", "notice"]


@dataclass(frozen=True)
class Issue:
    """One thing that is wrong with a stack.

    rule: its id; severity: a ``refusal`` keeps the stack from being deployed, a ``notice`` is told;
    file, line, column: where; path: which part (``services.web.ports[0]``); reason: what is wrong
    and what comes of it; remedy: what to write instead.

    Each text is one line that can be printed, whatever the file holds. No text has the value of a
    variable or of an environment in it.
    """

    rule: str
    severity: Severity
    file: str
    line: int
    column: int
    path: str
    reason: str
    remedy: str

    def __post_init__(self) -> None:
        for name in ("file", "path", "reason", "remedy"):
            object.__setattr__(self, name, plain(getattr(self, name)))

    @property
    def source(self) -> str:
        """Where it is written that the engine behaves so."""
        return RULES[self.rule].source

    @property
    def title(self) -> str:
        """The rule in a few words."""
        return RULES[self.rule].title


def refusal(rule: Rule, place: Place, path: str, reason: str, remedy: str) -> Issue:
    """What keeps the stack from being deployed."""
    return Issue(rule.id, "refusal", place.file, place.line, place.column, path, reason, remedy)


def notice(rule: Rule, place: Place, path: str, reason: str, remedy: str) -> Issue:
    """What is told."""
    return Issue(rule.id, "notice", place.file, place.line, place.column, path, reason, remedy)
