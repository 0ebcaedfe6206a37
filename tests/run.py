"""Run the suites, each within its time budget, and say at the end how long each took.

python tests/run.py test         everything that must pass
python tests/run.py lifecycle    the longer scenarios on the lab
"""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Suite:
    """Some tests and the seconds they may take."""

    name: str
    budget: int
    arguments: tuple[str, ...]


SUITES = {
    "test": (
        Suite("unit", 180, ("tests/unit",)),
        Suite("netns", 240, ("tests/netns",)),
        Suite("lab", 1800, ("tests/lab", "-m", "not lifecycle", "-v", "--durations=10")),
    ),
    "lifecycle": (
        Suite("lifecycle", 2400, ("tests/lab", "-m", "lifecycle", "-v", "--durations=10")),
    ),
}


def run(suite: Suite) -> tuple[str, float]:
    """Run one suite; its outcome in a word, and the seconds it took."""
    print(f"── {suite.name} (at most {suite.budget} s)", flush=True)
    begun = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-q", *suite.arguments], cwd=ROOT, stdin=subprocess.DEVNULL
    )
    try:
        outcome = "passed" if process.wait(timeout=suite.budget) == 0 else "FAILED"
    except subprocess.TimeoutExpired:
        process.send_signal(2)  # pytest ends its fixtures, the lab among them
        try:
            process.wait(timeout=120)
        except subprocess.TimeoutExpired:
            process.kill()
        outcome = "OVER ITS BUDGET"
    except KeyboardInterrupt:
        process.wait()
        raise
    return outcome, time.monotonic() - begun


def main(arguments: list[str]) -> int:
    """Run the named group of suites; 0 where all have passed."""
    if len(arguments) != 1 or arguments[0] not in SUITES:
        print(__doc__, file=sys.stderr)
        return 2
    results = [(suite, *run(suite)) for suite in SUITES[arguments[0]]]
    print()
    for suite, outcome, seconds in results:
        print(f"{suite.name:<12} {outcome:<16} {seconds:6.0f} s of {suite.budget}")
    return 0 if all(outcome == "passed" for _, outcome, _ in results) else 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
