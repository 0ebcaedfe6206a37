"""docs/drift.md says what the check can do, and nothing else."""

from __future__ import annotations

import re

from cluster.settings_sources import ROOT
from drift.cli import parser, schedule_options
from drift.metrics import render
from tests.unit.drift_examples import AT, all_looked, found, measure, reported, run_of

TEXT = (ROOT / "docs/drift.md").read_text(encoding="utf-8")
SOURCE = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "drift").glob("*.py"))


def test_every_option_is_in_its_table() -> None:
    there = {option for action in parser()._actions for option in action.option_strings}
    named = set(re.findall(r"^\| `(--[a-z]+)", TEXT, re.MULTILINE))
    assert named == {option for option in there if option.startswith("--")} - {"--help"}


def test_every_option_of_the_schedule_that_it_shows_is_there() -> None:
    shown = re.findall(r"(?m)^    drift schedule (.+)$", TEXT)
    assert len(shown) == 4
    for line in shown:
        words = [word.strip("'") for word in line.split("#")[0].split()]
        schedule_options(words)


def test_every_metric_is_in_its_table() -> None:
    records = [
        *all_looked(),
        found("rk1", "ssh", "sshd"),
        measure("managers", {"margin": 1, "reachable": 3}),
        measure("certificate expires", AT.timestamp(), host="rk1"),
        measure("range list fetched", AT.timestamp(), host="rk1"),
        measure("anything", 1, host="rk1"),
    ]
    there = set(re.findall(r"(?m)^# TYPE (\w+)", render(reported(run_of(records)))))
    assert set(re.findall(r"(?m)^\| `(swarm_\w+)`", TEXT)) == there


def test_every_variable_is_read() -> None:
    for name in set(re.findall(r"(?m)^\| `(DRIFT_[A-Z_]+)`", TEXT)):
        assert f'"{name.removesuffix("_FILE")}"' in SOURCE
