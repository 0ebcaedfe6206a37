"""Answers of hosts for tests, from text in which ``#> NAME`` begins a section.

So are they recorded (:mod:`tests.tools.facts_page`) and written by hand; over the wire they look
different (:mod:`run.answer`).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable

from pyinfra_swarm.run.answer import Sections
from pyinfra_swarm.run.answer import sections as taken_apart

MARK = "0f3c6c1e-8d0b-4a53-9a51-3c7b1f2c9d10"


def encoded(plain: str | Iterable[str], *, status: int = 0, words: str = "") -> list[str]:
    """The lines that come from a host that has said this.

    status, words: how its script ended, and what it said on standard error.
    """
    text = plain if isinstance(plain, str) else "\n".join(plain)
    marked = re.sub(r"(?m)^#> ", f"\n#> {MARK} ", text)
    whole = f"{marked}\n#! {MARK}\n{words}\n#. {MARK} {status}\n"
    return ["", f"#> {MARK}", base64.b64encode(f"\n{whole}".encode()).decode()]


def sections(plain: str | Iterable[str]) -> Sections:
    """What a parser is given of it."""
    return taken_apart(encoded(plain))


def recorded(lines: Iterable[str]) -> str:
    """The other way round: what a host has said, as it is recorded."""
    said = taken_apart(lines)
    return "".join("\n".join(["", f"#> {name}", *own, ""]) for name, own in said.items())
