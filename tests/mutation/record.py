"""``tests/mutation.md``: the scores that are not to fall, and the survivors that stay."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import dropwhile

from tests.mutation.mutants import ROOT, Mutant
from tests.mutation.running import Outcome

PAGE = ROOT / "tests/mutation.md"
_ROW = re.compile(r"^\| `(?P<module>[^`]+)` \| (?P<killed>\d+) of (?P<total>\d+) \| .* \|$")
_NOT_YET = re.compile(r"^- `(?P<module>[^`]+)`: not measured yet: \S")
_HEAD = "| module | killed | score | seconds |\n|---|---|---|---|\n"


@dataclass(frozen=True)
class Score:
    """How many of a module's mutants the tests notice, and the seconds it takes to see it."""

    killed: int
    total: int
    seconds: int = 0

    @property
    def percent(self) -> float:
        return 100 * self.killed / max(self.total, 1)

    @classmethod
    def of(cls, outcome: Outcome) -> Score:
        return cls(outcome.killed, outcome.total, round(outcome.seconds))


def recorded(text: str) -> dict[str, Score]:
    """The scores on the page, by module."""
    found = {}
    for line in text.splitlines():
        if row := _ROW.match(line):
            seconds = int(line.rstrip(" |").rpartition("|")[2])
            found[row["module"]] = Score(int(row["killed"]), int(row["total"]), seconds)
    return found


def unmeasured(text: str) -> set[str]:
    """The modules of which the page says that they have no score yet, and why."""
    return {row["module"] for line in text.splitlines() if (row := _NOT_YET.match(line))}


def with_scores(text: str, scores: Mapping[str, Score]) -> str:
    """The page with its table written anew; what has a score is no longer without one."""
    text = "".join(
        line
        for line in text.splitlines(keepends=True)
        if not ((row := _NOT_YET.match(line)) and row["module"] in scores)
    )
    before, _, rest = text.partition(_HEAD)
    after = dropwhile(lambda line: line.startswith("|"), rest.splitlines(keepends=True))
    rows = [
        f"| `{module}` | {score.killed} of {score.total} | {score.percent:.1f} % "
        f"| {score.seconds} |"
        for module, score in sorted(scores.items())
    ]
    killed = sum(score.killed for score in scores.values())
    every = Score(killed, sum(score.total for score in scores.values()))
    rows.append(f"| all | {every.killed} of {every.total} | {every.percent:.1f} % | |")
    return before + _HEAD + "\n".join(rows) + "\n" + "".join(after)


def entry(module: str, mutant: Mutant) -> str:
    """How the page names a survivor; lines move, so it is by what it changes."""
    return f"- `{module}` {mutant}"


def unexplained(text: str, module: str, survivors: Iterable[Mutant]) -> list[Mutant]:
    """Survivors that the page explains neither by their place nor for every place."""
    return [
        mutant
        for mutant in survivors
        if entry(module, mutant) + ": " not in text
        and f"- anywhere: `{mutant.old}` → `{mutant.new}`: " not in text
    ]


def told(module: str, outcome: Outcome, text: str) -> str:
    """What came out, with the survivors that nobody has explained."""
    score = Score.of(outcome)
    lines = [
        f"{module}: {score.killed} of {score.total} changes noticed ({score.percent:.1f} %, "
        f"{score.seconds} s)"
    ]
    lines += [
        f"  {module}:{mutant.line} {mutant}"
        for mutant in unexplained(text, module, outcome.survivors)
    ]
    return "\n".join(lines)


def portions(seconds: Mapping[str, int], limit: int) -> list[list[str]]:
    """The modules in as few groups as the limit of seconds allows, the same every time."""
    found: list[list[str]] = []
    left: list[int] = []
    for module in sorted(seconds, key=lambda module: (-seconds[module], module)):
        at = next((at for at, room in enumerate(left) if seconds[module] <= room), len(left))
        if at == len(left):
            found.append([])
            left.append(limit)
        found[at].append(module)
        left[at] -= seconds[module]
    return found
