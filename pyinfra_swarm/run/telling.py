"""Findings as a person reads them: once, with the hosts that they concern."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pyinfra_swarm.run.findings import KINDS, Finding
from pyinfra_swarm.run.wording import listed

T = TypeVar("T")

MARKS = {"change": "~", "notice": "!", "refusal": "✗", "remark": "·"}
"""By the kind of a finding."""

COLOURS = {"change": "yellow", "notice": "cyan", "refusal": "red", "remark": "bright_black"}
"""The same for a terminal that has them."""

_AT_MOST = 6
"""Names in a line. What is longer says how many more there are."""


@dataclass(frozen=True)
class Told:
    """A finding that a run has reported of a host."""

    host: str
    part: str
    finding: Finding


@dataclass(frozen=True)
class Line:
    """What is told once. pieces: the findings behind it, each with its hosts, for ``-v``."""

    kind: str
    part: str
    hosts: tuple[str, ...]
    text: str
    pieces: tuple[tuple[str, tuple[str, ...]], ...] = ()


def lines(told: Iterable[Told]) -> list[Line]:
    """What is told of these findings: in the order of the marks, each as it was found first."""
    found = []
    for same in grouped(
        told,
        lambda one: (
            one.finding.kind,
            "" if one.finding.once else one.part,
            one.finding.told,
        ),
    ):
        first = same[0]
        pieces = [
            (piece[0].finding.sentence(), tuple(dict.fromkeys(one.host for one in piece)))
            for piece in grouped(same, lambda one: one.finding.sentence())
            if piece[0].finding.within
        ]
        found.append(
            Line(
                first.finding.kind,
                first.part,
                tuple(dict.fromkeys(one.host for one in same)),
                first.finding.told,
                tuple(pieces),
            )
        )
    return sorted(found, key=lambda line: [*MARKS].index(line.kind))


def grouped(items: Iterable[T], same: Callable[[T], Hashable]) -> list[list[T]]:
    """The items that are the same in this respect together, each group where its first one was."""
    groups: dict[Hashable, list[T]] = {}
    for item in items:
        groups.setdefault(same(item), []).append(item)
    return list(groups.values())


def tally(kinds: Iterable[str], *, done: bool = False) -> str:
    """How many there are of each kind: ``3 to change, 2 for you, 1 refused``; "" where none.

    kinds: of what is told, each line once; done: the changes are made. Every tool counts so. What
    is no difference is not counted.
    """
    every = [*kinds]
    counts = {kind: every.count(kind) for kind in KINDS}
    words = {"change": "changed" if done else "to change", "notice": "for you"}
    return ", ".join(
        f"{count} {words.get(kind, 'refused')}" for kind, count in counts.items() if count
    )


def held_up(found: Iterable[Line], hosts: Collection[str]) -> int:
    """How many of the changes are not made as long as nothing is carried out on these hosts."""
    return sum(line.kind == "change" and {*line.hosts} <= {*hosts} for line in found)


def named(hosts: Iterable[str], everybody: Sequence[str]) -> str:
    """Hosts as a person names them, in the order of all: ``node1–node4``, ``rk1, rk3``."""
    wanted = set(hosts)
    ordered = [name for name in everybody if name in wanted]
    ordered += sorted(wanted.difference(everybody))
    if len(ordered) > _AT_MOST and wanted.issuperset(everybody):
        runs = _runs(ordered)
        return f"all {len(ordered)} hosts" if len(runs) > 1 else _shown(runs[0])
    shown = [_shown(run) for run in _runs(ordered)]
    if len(shown) > _AT_MOST:
        left = sum(map(len, _runs(ordered)[_AT_MOST - 1 :]))
        shown = [*shown[: _AT_MOST - 1], f"{left} more"]
        return listed(shown)
    return ", ".join(shown)


def _runs(names: Sequence[str]) -> list[list[str]]:
    """Names that only count on, together; two are no run."""
    runs: list[list[str]] = []
    for name in names:
        if runs and _next(runs[-1][-1]) == name:
            runs[-1].append(name)
        else:
            runs.append([name])
    return [part for run in runs for part in ([run] if len(run) > 2 else [[one] for one in run])]


def _next(name: str) -> str | None:
    number = re.search(r"(?a:\d+)$", name)
    if number is None:
        return None
    digits = number[0]
    return name[: number.start()] + str(int(digits) + 1).zfill(len(digits))


def _shown(run: Sequence[str]) -> str:
    return run[0] if len(run) == 1 else f"{run[0]}–{run[-1]}"


def rendered(line: Line, everybody: Sequence[str], *, pieces: bool = False) -> list[str]:
    """A line as it is printed, after its mark; with its pieces below, where these are asked for."""
    where = named(line.hosts, everybody)
    shown = [f"{line.part:<9} {where}: {line.text}"]
    if pieces:
        shown += [f"{named(hosts, everybody)}: {text}" for text, hosts in line.pieces]
    return shown
