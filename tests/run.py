"""Run the suites, each within its time budget, and say at the end how long each took.

python tests/run.py test         everything that must pass
python tests/run.py lifecycle    the longer scenarios on the lab
python tests/run.py lifecycle interruptions …    only these suites of the group
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


def _scenarios(name: str, budget: int, *files: str) -> Suite:
    paths = tuple(f"tests/lab/test_{file}.py" for file in files)
    return Suite(name, budget, (*paths, "-m", "lifecycle", "-v", "--durations=10"))


def _engines(name: str, budget: int, *files: str) -> Suite:
    paths = tuple(f"tests/engines/test_{file}.py" for file in files)
    return Suite(name, budget, (*paths, "-v", "--durations=10"))


SUITES = {
    "test": (
        Suite("unit", 300, ("tests/unit",)),
        Suite("netns", 240, ("tests/netns",)),
        # Waiting for an engine to notice what it has lost takes minutes: that is for the lifecycle.
        Suite("engines", 240, ("tests/engines/test_engines_create.py", "-k", "not without")),
        Suite("browser", 120, ("tests/browser",)),
        Suite("lab", 1800, ("tests/lab", "-m", "not lifecycle", "--durations=10")),
    ),
    "lifecycle": (
        _scenarios(
            "interruptions", 1800, "ssh_lockout", "preflight", "interruptions", "declared_version"
        ),
        _scenarios("firewall", 1500, "firewall_lockout", "firewall_lasts"),
        _scenarios("proof", 900, "prove"),
        _scenarios("drift", 2400, "drift"),
        _scenarios("rolling", 1800, "rolling"),
        _scenarios("keys", 900, "autolock"),
        _scenarios("backup", 1500, "backup"),
        _scenarios("removing", 1800, "removing"),
        _engines("simulation", 600, "rules", "simulation"),
        _engines(
            "engines-swarm",
            2400,
            "engines_create",
            "engines_roles",
            "engines_removal",
            "engines_reset",
            "engines_daemon",
        ),
        _engines("engines-lock", 600, "engines_lock"),
        _engines("engines-proof", 300, "engines_prove"),
        _engines("engines-rolling", 900, "engines_rolling"),
        _engines("engines-keys", 1500, "engines_keys"),
        _engines("engines-backup", 1500, "engines_backup"),
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
    """Run the named group of suites, or some of it; 0 where all have passed."""
    group, *names = arguments or [""]
    known = [suite.name for suite in SUITES.get(group, ())]
    if not known or not set(names) <= set(known):
        print(__doc__, file=sys.stderr)
        if known:
            print(f"The suites of {group}: {', '.join(known)}", file=sys.stderr)
        return 2
    results = [(suite, *run(suite)) for suite in SUITES[group] if not names or suite.name in names]
    print()
    for suite, outcome, seconds in results:
        print(f"{suite.name:<14} {outcome:<16} {seconds:6.0f} s of {suite.budget}")
    return 0 if all(outcome == "passed" for _, outcome, _ in results) else 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
