"""Measure what scrypt costs for secrets, and what a rerun pays: ``python -m tests.bench.seals``.

Processor time, so that what else the machine does is not in it.
"""

from __future__ import annotations

import os
import platform
import tempfile
import time
from pathlib import Path
from statistics import median

from pyinfra_swarm.secrets import seal_cache
from pyinfra_swarm.secrets.digest import matches, seal
from pyinfra_swarm.secrets.value import Value

SECRETS = 50
RESULTS = Path(__file__).with_name("seals-results.md")


def main() -> None:
    """Measure, print, and keep the results."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_STATE_HOME"] = folder
        values = [Value(f"secret number {number}".encode()) for number in range(SECRETS)]
        each, sealed = [], {}
        for value in values:
            start = time.process_time()
            sealed[value] = seal(value)
            each.append(time.process_time() - start)
        known = [_rerun(sealed) for _ in range(5)]
        seal_cache.place().unlink()
        unknown = _rerun(sealed)
    ms = {name: median(times) * 1000 for name, times in (("each", each), ("known", known))}
    rows = [
        f"| one value: a new version, or a comparison | {ms['each']:.0f} ms |",
        f"| {SECRETS} unchanged secrets, this computer knows them | {ms['known']:.1f} ms |",
        f"| {SECRETS} unchanged secrets, from another computer | {unknown:.1f} s |",
    ]
    machine = f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}"
    text = "\n".join(
        [
            "# What seals cost",
            "",
            f"Processor time, {machine}.",
            "",
            "| | |",
            "|---|---:|",
            *rows,
            "",
        ]
    )
    print(text)
    RESULTS.write_text(text)


def _rerun(sealed: dict[Value, str]) -> float:
    """The seconds that a new run takes to see that nothing has changed."""
    seal_cache.forget()
    start = time.process_time()
    assert all(matches(value, text) for value, text in sealed.items())
    return time.process_time() - start


if __name__ == "__main__":
    main()
