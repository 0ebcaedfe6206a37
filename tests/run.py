"""Run suites, most of them one after the other, and say at the end how long each took.

Each has an expected time and a budget after which it is ended, both for a quick machine with two
cores and scaled to this one, which is measured first (``tools/calibration.py``).
What must pass is expected to take less than 20 minutes. With ``--minutes``, the longer scenarios
begin with another one each day, and those that might not end in time are left out.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

if __package__ in (None, ""):  # run by its path, as make does
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.tools.calibration import slowness

ROOT = Path(__file__).resolve().parents[1]
MUST_RUN = "TESTS_MUST_RUN"
"""Set for the suites: what they would skip here would count as passed."""


@dataclass(frozen=True)
class Suite:
    """Some tests, the seconds they are expected to take, and those they may take.

    environment: variables that they run with, besides those of this process.
    beside: they wait more than they work, and run at the same time as the suite before them.
    """

    name: str
    expected: float
    budget: float
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    beside: bool = False

    def scaled(self, times: float) -> Suite:
        """The same on a machine that takes so many times as long."""
        return replace(self, expected=self.expected * times, budget=self.budget * times)


@dataclass(frozen=True)
class Result:
    """What became of a suite, in a word, and the seconds it took; None where it did not run."""

    suite: Suite
    outcome: str
    seconds: float | None

    @property
    def ok(self) -> bool:
        return self.seconds is None or self.outcome == "passed"

    def __str__(self) -> str:
        if self.seconds is None:
            return f"{self.suite.name:<14} {self.outcome}"
        return f"{self.suite.name:<14} {self.outcome:<16} {self.seconds:6.0f} s"


def _scenarios(
    name: str, expected: int, budget: int, *files: str, on: Mapping[str, str] | None = None
) -> Suite:
    """The longer scenarios of some files.

    on: what the lab or the scenarios shall be like, as variables; the files' shorter scenarios then
    run as well, as they have not run on such a lab.
    """
    paths = tuple(f"tests/scenarios/test_{file}.py" for file in files)
    chosen = ("-m", "lifecycle") if on is None else ()
    return Suite(name, expected, budget, (*paths, *chosen, "-v", "--durations=10"), on or {})


NFTABLES = {"LAB_KERNEL": "build", "LAB_IPTABLES": "nft"}
"""Hosts with the back end that the distributions have today; the first build takes minutes."""

MIXED = {**NFTABLES, "LAB_IPTABLES": "mixed"}
"""Hosts with either back end in one cluster."""

USERLANDS = {**NFTABLES, "LAB_USERLAND": "ubuntu26,debian12,ubuntu24"}
"""Hosts with Debian 12, or that stand for Ubuntu; their images are built first, in some minutes."""


LEGACY = {"LAB_KERNEL": "distribution"}
"""Hosts with the other back end, and Debian's own kernel."""


def _engines(name: str, expected: int, budget: int, *files: str) -> Suite:
    paths = tuple(f"tests/engines/test_{file}.py" for file in files)
    return Suite(name, expected, budget, (*paths, "-v", "--durations=10"))


ARM64 = _scenarios("arm64", 700, 1800, "arm64")
"""One emulated board. Its image is built first, where the cache does not have it."""

SUITES = {
    "test": (
        Suite("unit", 290, 900, ("tests/unit", "-n", "2", "--dist", "loadgroup")),
        # Each test makes its own namespaces and waits in them: three at a time take less than half.
        Suite("netns", 110, 500, ("tests/netns", "-m", "not lifecycle", "-n", "3")),
        # Waiting for an engine to notice what it has lost takes minutes: that is for the lifecycle.
        Suite(
            "engines",
            150,
            500,
            ("tests/engines/test_engines_create.py", "-k", "not without"),
            beside=True,
        ),
        Suite("browser", 45, 240, ("tests/browser",), beside=True),
        Suite("lab", 620, 1200, ("tests/scenarios", "-m", "not lifecycle", "--durations=10")),
    ),
    "lifecycle": (
        _scenarios(
            "interruptions",
            960,
            1800,
            "ssh_lockout",
            "preflight",
            "interruptions",
            "declared_version",
        ),
        _scenarios("demo", 270, 900, "demo"),
        _scenarios("faults", 420, 1000, "create", "faults", "the_lab", "no_secret_leaks"),
        Suite("mutation", 420, 1200, ("tests/mutation", "-v", "-rP")),
        _engines("engines-facts", 160, 500, "engines_facts_fuzzed", "engines_ways_in"),
        _scenarios("commands", 400, 1000, "commands"),
        _scenarios("firewall", 1500, 2100, "firewall_lockout", "firewall_lasts", "firewall_vxlan"),
        _scenarios("proof", 500, 900, "prove"),
        _scenarios("rolling", 900, 1800, "rolling"),
        _scenarios("keys", 400, 900, "autolock"),
        _scenarios("secrets", 400, 1000, "secrets"),
        _scenarios("stacks", 540, 1500, "stacks"),
        _engines(
            "engines-stacks",
            700,
            1500,
            "engines_stack_files",
            "engines_stack_registry",
            "engines_stack_rules",
            "engines_stacks",
        ),
        _engines("engines-secrets", 1100, 2200, "engines_secrets"),
        _engines("engines-canary", 250, 750, "engines_canary", "engines_reruns"),
        _scenarios("removing", 900, 1800, "removing"),
        _scenarios("backup", 600, 1500, "backup"),
        _scenarios("drift", 2400, 3400, "drift_kinds", "drift_check", "drift_timer"),
        _scenarios("drift-alarm", 1500, 2700, "drift_alarm"),
        _scenarios("wireguard", 900, 2100, "wireguard_lockout"),
        Suite("programs", 200, 700, ("tests/userlands/test_programs.py", "-v", "--durations=10")),
        # Nearly all of it is the kernel's building, where the cache does not have it.
        Suite("kernel", 800, 2400, ("tests/userlands/test_kernel.py", "-v")),
        _scenarios("userlands", 900, 2400, "userlands", on=USERLANDS),
        _engines("engines-floating", 300, 900, "engines_floating_address"),
        _scenarios("installed", 200, 600, "installed"),
        _scenarios("drift-together", 530, 1200, "drift_together"),
        ARM64,
        _scenarios("judged", 800, 1800, "judged", on=LEGACY),
        _scenarios("recordings", 500, 1200, "recordings"),
        _scenarios("floating", 1900, 2800, "floating_address"),
        _scenarios("secrets-load", 850, 1700, "secrets_load", on={"ROTATIONS": "20"}),
        _scenarios("secrets-killed", 1100, 2200, "secrets_killed"),
        _scenarios("ctrl-c", 1100, 2400, "ctrl_c"),
        _scenarios("nft", 900, 2400, "create", "firewall_matrix", "prove", on=NFTABLES),
        _scenarios("nft-mixed", 900, 2400, "create", "firewall_matrix", on=MIXED),
        _scenarios(
            "userlands-matrix", 1000, 2400, "create", "firewall_matrix", "prove", on=USERLANDS
        ),
        _scenarios("nft-drift", 2000, 3000, "drift_kinds", on=NFTABLES),
        _scenarios("nft-removing", 900, 1800, "removing", on=NFTABLES),
        _scenarios("nft-rolling", 900, 1800, "rolling", on=NFTABLES),
        _engines("engines-proof", 120, 300, "engines_prove"),
        _engines("simulation", 290, 600, "rules", "simulation"),
        _engines("engines-lock", 180, 600, "engines_lock"),
        _engines(
            "engines-backup",
            900,
            2400,
            "engines_backup",
            "engines_restore",
            "engines_recover",
            "engines_backup_locked",
        ),
        _engines("engines-rolling", 600, 1200, "engines_rolling"),
        _engines("engines-keys", 680, 1500, "engines_keys"),
        _engines(
            "engines-swarm",
            1200,
            2400,
            "engines_create",
            "engines_grows",
            "engines_roles",
            "engines_removal",
            "engines_reset",
            "engines_daemon",
        ),
        _engines("engines-firewall", 150, 400, "engines_firewall", "engines_bridges"),
        _engines(
            "engines-services",
            900,
            2000,
            "engines_services",
            "engines_services_fail",
            "engines_services_others",
        ),
        _engines("engines-exposure", 300, 900, "engines_exposure"),
        _scenarios("roles", 400, 1000, "roles", "updates", "registry"),
        _scenarios("matrix", 700, 1200, "firewall_matrix"),
        Suite("rollback", 280, 750, ("tests/netns", "-m", "lifecycle", "-v", "--durations=10")),
    ),
    # A whole machine is emulated: its image is built first, and what a board does takes minutes.
    "arm64": (
        ARM64,
        _scenarios("arm64-mixed", 700, 2700, "arm64_mixed"),
    ),
}


def run(suite: Suite, output: IO[bytes] | None = None) -> str:
    """Run one suite, within its budget; its outcome in a word.

    output: where it prints to, if not where this process does.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-q", *suite.arguments],
        cwd=ROOT,
        env={**os.environ, MUST_RUN: "1", **suite.environment},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
    )
    try:
        return "passed" if process.wait(timeout=suite.budget) == 0 else "FAILED"
    except subprocess.TimeoutExpired:
        process.send_signal(2)  # pytest ends its fixtures, the lab among them
        try:
            process.wait(timeout=120)
        except subprocess.TimeoutExpired:
            process.kill()
        return "OVER ITS BUDGET"
    except KeyboardInterrupt:
        process.wait()
        raise


def together(suites: Iterable[Suite]) -> list[list[Suite]]:
    """The suites, those in one list that run at the same time."""
    lists: list[list[Suite]] = []
    for suite in suites:
        if suite.beside and lists:
            lists[-1].append(suite)
        else:
            lists.append([suite])
    return lists


def run_together(suites: Sequence[Suite]) -> list[Result]:
    """Run suites at the same time; each one's output stands together, once it has ended."""
    if len(suites) == 1:
        begun = time.monotonic()
        outcome = run(suites[0])
        return [Result(suites[0], outcome, time.monotonic() - begun)]

    def captured(suite: Suite) -> Result:
        begun = time.monotonic()
        with tempfile.TemporaryFile() as output:
            outcome = run(suite, output)
            output.seek(0)
            said = output.read().decode(errors="replace")
        print(f"── {suite.name}\n{said}", end="", flush=True)
        return Result(suite, outcome, time.monotonic() - begun)

    with ThreadPoolExecutor(len(suites)) as pool:
        return list(pool.map(captured, suites))


def run_all(
    suites: Iterable[Suite],
    seconds: float,
    runs: Callable[[Sequence[Suite]], list[Result]] = run_together,
    clock: Callable[[], float] = time.monotonic,
) -> list[Result]:
    """Run those whose budgets fit into so many seconds."""
    results = []
    end = clock() + seconds
    for at_once in together(suites):
        left = end - clock()
        fitting = [suite for suite in at_once if suite.budget <= left]
        results += [
            Result(
                suite,
                f"left out: it may take {suite.budget:.0f} s, "
                f"and {max(left, 0):.0f} s are left of {seconds:.0f}",
                None,
            )
            for suite in at_once
            if suite not in fitting
        ]
        if fitting:
            names = ", ".join(f"{suite.name} (at most {suite.budget:.0f} s)" for suite in fitting)
            print(f"── {names}", flush=True)
            results += runs(fitting)
    return results


def chosen(group: str, names: Iterable[str]) -> list[Suite]:
    """The named suites of a group, as they are named; all of it, where none is.

    ``KeyError`` for one that it does not have.
    """
    known = {suite.name: suite for suite in SUITES[group]}
    return [known[name] for name in names] or list(known.values())


def rotated(suites: Sequence[Suite], day: int) -> list[Suite]:
    """The same, begun with another one each day, so that each has its turn where time is short."""
    first = day % len(suites)
    return [*suites[first:], *suites[:first]]


def main(words: list[str]) -> int:
    """Run a group of suites, or some of it; 0 where all that have run have passed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("group", choices=[*SUITES])
    parser.add_argument("suites", nargs="*", metavar="suite", help="only these, in this order")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="for all together")
    options = parser.parse_args(words)
    try:
        suites = chosen(options.group, options.suites)
    except KeyError as unknown:
        known = ", ".join(suite.name for suite in SUITES[options.group])
        parser.error(f"no suite {unknown} in {options.group}: there are {known}")
    begun = time.monotonic()
    times = slowness()
    print(
        f"This machine takes {times:.1f} times as long as the one the times are of: "
        "all expected times and budgets are scaled by it.",
        flush=True,
    )
    suites = [suite.scaled(times) for suite in suites]
    if options.minutes < float("inf") and not options.suites:
        suites = rotated(suites, datetime.now(UTC).toordinal())
        print(f"Today begins with {suites[0].name}.", flush=True)
    results = run_all(suites, options.minutes * 60 - (time.monotonic() - begun))
    print()
    for result in results:
        print(result)
    return 0 if all(result.ok for result in results) else 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
