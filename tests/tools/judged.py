"""The tables of docs/judged.md: what outside judges say of a host, and why a finding stays.

``python -m tests.tools.judged write`` writes them into the page.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from pyinfra_swarm.settings.paths import ROOT
from tests.tools import docker_bench, lynis

PAGE = ROOT / "docs" / "judged.md"


def _docker_bench() -> list[str]:
    rows = [
        (check.number, check.title, check.then, check.now, check.reason or check.remark or "–")
        for check in docker_bench.CHECKS
    ]
    return _table(("Check", "What", "Before", "Now", "Why"), rows)


def _lynis() -> list[str]:
    rows = [
        (one.number, _says(one), _held(one.before), _held(one.now), one.reason or "–")
        for one in lynis.FINDINGS
    ]
    left_out = "; ".join(f"{number} ({what})" for number, what in lynis.SKIPPED.items())
    return [
        f"Its hardening index is {lynis.INDEX_NOW} of 100, and was {lynis.INDEX_BEFORE}.",
        "",
        *_table(("Test", "What it says", "Before", "Now", "Why"), rows),
        "",
        f"Left out, as the answer is another one each time, or takes long: {left_out}.",
    ]


def _says(one: lynis.Finding) -> str:
    details = f": {', '.join(one.details)}" if one.details else ""
    return f"{one.words}{details}"


def _held(found: bool) -> str:
    return "finding" if found else "holds"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    cells = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    return [f"| {' | '.join(line)} |" for line in cells]


_MARKS = {"docker-bench": _docker_bench, "lynis": _lynis}


def page(text: str) -> str:
    """The page with its tables as they are here."""
    for mark, lines in _MARKS.items():
        begin, end = f"<!-- {mark} -->\n", f"<!-- end of {mark} -->"
        before, rest = text.split(begin)
        text = before + begin + "\n".join(["", *lines(), "", ""]) + end + rest.split(end)[1]
    return text


if __name__ == "__main__" and sys.argv[1:] == ["write"]:
    PAGE.write_text(page(PAGE.read_text()))
