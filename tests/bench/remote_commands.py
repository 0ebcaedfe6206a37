"""What a run asked of its hosts, read from what pyinfra prints with ``-vv``."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

_FACT = re.compile(
    r"\[(?P<host>[^\]]+)\]\s+Loaded fact (?P<fact>[\w.]+)(?: \((?P<arguments>.*)\))?$"
)
_INPUT = re.compile(r"^\s*\[(?P<host>[^\]]+)\] >>> ")
_ANSI = re.compile(r"\x1b\[[0-9;]*m")

PART_OF = {"host": "preflight", "nodes": "swarm"}
"""The part of the job that a room's facts belong to, where it has another name."""


@dataclass(frozen=True)
class Asked:
    """A fact that a host was asked for.

    arguments: the fact's own, without pyinfra's (``_timeout``).
    """

    host: str
    fact: str
    arguments: tuple[tuple[str, str], ...]

    @property
    def part(self) -> str:
        """The part of the job that wanted to know."""
        _, room, *_ = self.fact.split(".")  # pyinfra_swarm.ROOM.facts.NAME
        return PART_OF.get(room, room)


def facts_in(log: str) -> list[Asked]:
    """Every fact in the log of a run with ``-v`` or more, in order."""
    found = []
    for line in _ANSI.sub("", log).splitlines():
        if match := _FACT.search(line):
            pairs = (pair.split("=", 1) for pair in (match["arguments"] or "").split(", ") if pair)
            own = tuple((name, value) for name, value in pairs if not name.startswith("_"))
            found.append(Asked(match["host"], match["fact"], own))
    return found


def commands_in(log: str) -> Counter[str]:
    """Remote commands of each host in the log of a run with ``-vv``: whatever was sent, facts
    and all."""
    lines = _ANSI.sub("", log).splitlines()
    return Counter(match["host"] for line in lines if (match := _INPUT.match(line)))


def parts(asked: Iterable[Asked]) -> dict[str, Counter[str]]:
    """Part of the job → host → number of remote commands, in the order in which they came."""
    found: dict[str, Counter[str]] = {}
    for one in asked:
        found.setdefault(one.part, Counter())[one.host] += 1
    return found


def table(found: dict[str, Counter[str]], hosts: Iterable[str]) -> str:
    """The numbers of :func:`parts` as a Markdown table, with a line of sums."""
    columns = list(hosts)
    lines = [
        f"| part | {' | '.join(columns)} |",
        "|---|" + "---:|" * len(columns),
        *(
            f"| {part} | {' | '.join(str(counts[host]) for host in columns)} |"
            for part, counts in found.items()
        ),
    ]
    sums = [sum(counts[host] for counts in found.values()) for host in columns]
    return "\n".join([*lines, f"| all | {' | '.join(map(str, sums))} |"])
