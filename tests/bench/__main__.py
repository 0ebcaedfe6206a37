"""Measure the whole job on the lab: ``python -m tests.bench`` (see README.md beside this file)."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from lab import api, description
from lab.description import Description
from lab.errors import LabError
from pyinfra_swarm.settings import load
from tests.bench import floor, product
from tests.bench.product import Timed
from tests.bench.remote_commands import commands_in, facts_in, parts, table
from tests.scenarios.conftest import ROOT, SITE

RESULTS = Path(__file__).with_name("results.md")
CONVERGE, RERUN, DRY, COMMANDS = 1.3, 3.5, 2.5, 8
"""The goals: times the floor, and remote commands a host."""


@dataclass(frozen=True)
class Row:
    """A line of the table: what was measured, the floor, their ratio and the goal."""

    what: str
    seconds: float
    floor: float
    goal: float

    @property
    def ratio(self) -> float:
        return self.seconds / self.floor

    @property
    def met(self) -> bool:
        return self.ratio <= self.goal

    def __str__(self) -> str:
        verdict = "yes" if self.met else "**no**"
        return (
            f"| {self.what} | {self.seconds:.1f} | {self.floor:.1f} | {self.ratio:.2f} "
            f"| {self.goal} | {verdict} |"
        )


def converge(lab: Description, say: Callable[[str], None]) -> tuple[Row, list[str]]:
    """Fresh hosts to a cluster, against the floor on hosts just as fresh."""
    say("flashing the hosts, then the floor of a first run")
    api.reset()
    settle(lab)
    steps = floor.create(lab, load().networks.ingress_subnet)
    floor.verify(lab)
    say(f"the floor: {floor.total(steps):.1f} s; flashing the hosts again, then the product")
    api.reset()
    settle(lab)
    run = product.run("-y", *SITE, log=Path("/tmp/swarm-bench-converge.log"))
    row = Row("first run on four fresh hosts", run.seconds, floor.total(steps), CONVERGE)
    detail = ["The floor of a first run:", ""]
    detail += ["| step | s |", "|---|---:|"]
    detail += [f"| {step.name} | {step.seconds:.1f} |" for step in steps]
    return row, [*detail, "", "The first run:", "", *costs(run)]


def reruns(
    lab: Description, rounds: int, say: Callable[[str], None]
) -> tuple[list[Row], list[str]]:
    """Runs on a converged cluster, against its probes as one script on a cold connection."""
    product.run("-y", *SITE)
    asked = facts_in(product.run("--dry", "-vv", *SITE).log)
    scripts = floor.probes(asked)
    probes: list[float] = []
    again: list[Timed] = []
    dry: list[Timed] = []
    checks: list[Timed] = []
    logins: list[float] = []
    for number in range(rounds):
        probes.append(floor.everywhere(scripts)[1])
        again.append(product.run("-y", *SITE))
        dry.append(product.run("--dry", *SITE))
        checks.append(product.check())
        logins.append(floor.everywhere(dict.fromkeys(scripts, "true"))[1])
        say(
            f"round {number + 1} of {rounds}{' (not counted)' if not number else ''}: probes "
            f"{probes[-1]:.1f} s, -y {again[-1].seconds:.1f} s, --dry {dry[-1].seconds:.1f} s, "
            f"drift {checks[-1].seconds:.1f} s, ssh true {logins[-1]:.1f} s"
        )
    base = median(probes[1:])
    rows, detail = [], []
    for what, runs, goal in (("`-y`", again, RERUN), ("`--dry`", dry, DRY)):
        middle = sorted(runs[1:], key=lambda run: run.seconds)[(len(runs) - 1) // 2]
        row = Row(f"{what} without changes", median(r.seconds for r in runs[1:]), base, goal)
        rows.append(row)
        detail += ["", f"{what} without changes, a run in the middle:", "", *costs(middle)]
    checked = median(check.seconds for check in checks[1:])
    rows.append(Row("`drift` in sync", checked, base, DRY))
    cold = median(logins[1:])
    detail += [
        "",
        f"A cold `ssh HOST true`, all hosts at once: {cold:.1f} s; `drift` takes "
        f"{checked / cold:.1f} times that.",
    ]
    return rows, detail[1:]


def costs(run: Timed) -> list[str]:
    """What a run was busy with, as a table; what takes no time is summed up."""
    lines, rest = ["| stage or operation | s |", "|---|---:|"], 0.0
    for name, seconds in product.stages(run):
        if seconds < 0.05:
            rest += seconds
        else:
            lines.append(f"| {name} | {seconds:.1f} |")
    return [*lines, f"| everything else | {rest:.1f} |"]


def counts(lab: Description) -> tuple[str, int]:
    """Remote commands of a dry run: the table of parts, and the most that any host saw."""
    log = product.run("--dry", "-vv", *SITE).log
    names = [host.name for host in lab.hosts]
    return table(parts(facts_in(log)), names), max(commands_in(log).values())


def settle(lab: Description) -> None:
    """Wait until freshly booted hosts are busy with nothing but us."""
    for host in lab.hosts:
        api.run(host.name, "systemctl is-system-running --wait", check=False, timeout=60)


def report(rows: Sequence[Row], commands: int, by_part: str, details: Sequence[str]) -> str:
    """Everything that was measured, as Markdown."""
    verdict = "yes" if commands <= COMMANDS else "**no**"
    commit = subprocess.run(
        ["git", "-C", str(ROOT), "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    lines = [
        "# Results of `make bench`",
        "",
        f"{time.strftime('%Y-%m-%d')}, commit {commit}, {os.cpu_count()} cores "
        f"({platform.machine()}). The method is in README.md.",
        "",
        "| | s | floor, s | times | goal | met |",
        "|---|---:|---:|---:|---:|---|",
        *map(str, rows),
        f"| remote commands per host in a dry run | {commands} | | | {COMMANDS} | {verdict} |",
        "",
        "## Remote commands per host and part, in a dry run",
        "",
        by_part,
        "",
        "## What costs the time",
        "",
        *details,
    ]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and keep the results; 1 where a goal was missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=6, help="of reruns; the first is not counted")
    parser.add_argument(
        "--reruns-only", action="store_true", help="on the lab as it is; nothing is kept"
    )
    options = parser.parse_args(arguments)
    begun = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - begun:4.0f} s] {text}", file=sys.stderr, flush=True)

    lab, ours = description.read(), False
    if lab is None:
        lab, ours = api.up(say=say), True
    try:
        rows: list[Row] = []
        details: list[str] = []
        if not options.reruns_only:
            row, details = converge(lab, say)
            rows.append(row)
            say(f"the first run: {row.seconds:.1f} s, {row.ratio:.2f} times the floor")
        more, detail = reruns(lab, options.rounds, say)
        rows += more
        by_part, commands = counts(lab)
        text = report(rows, commands, by_part, [*details, *([""] if details else []), *detail])
        print(text)
        if not options.reruns_only:
            RESULTS.write_text(text)
    except (LabError, floor.Failed, product.Failed) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    finally:
        if ours:
            api.down()
    return 0 if all(row.met for row in rows) and commands <= COMMANDS else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
