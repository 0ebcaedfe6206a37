"""docs/drift.md says what the check can do, and nothing else."""

from __future__ import annotations

import re
from argparse import ArgumentParser

import pytest

from pyinfra_swarm.drift.cli import parser, schedule_options, schedule_parser
from pyinfra_swarm.drift.metrics import render
from pyinfra_swarm.settings.paths import ROOT
from tests.unit.drift.drift_examples import AT, all_looked, found, measure, reported, run_of

TEXT = (ROOT / "docs/drift.md").read_text(encoding="utf-8")
SOURCE = "".join(
    path.read_text(encoding="utf-8") for path in (ROOT / "pyinfra_swarm/drift").glob("*.py")
)


@pytest.mark.parametrize(
    ("heading", "made"), [("Options", parser()), ("On a schedule", schedule_parser())]
)
def test_every_option_is_in_its_table_with_its_default(heading: str, made: ArgumentParser) -> None:
    section = TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    named = dict(re.findall(r"(?m)^\| `(--[a-z]+).*?` \| (.*) \|$", section))
    there = {word: action for action in made._actions for word in action.option_strings[-1:]}
    assert named.keys() == there.keys() - {"--help"}
    for option, says in named.items():
        assert there[option].help
        if isinstance(default := there[option].default, float):
            assert f"; {default:g}" in says
            assert f"(default: {default:g})" in str(there[option].help)


def test_every_option_of_the_schedule_that_it_shows_is_there() -> None:
    shown = re.findall(r"(?m)^    pyinfra-swarm schedule (.+)$", TEXT)
    assert len(shown) == 4
    for line in shown:
        words = [word.strip("'") for word in line.split("#")[0].split()]
        schedule_options(words)


def test_the_job_for_ci_names_settings_that_a_checkout_does_not_have() -> None:
    job = TEXT.partition("    jobs:\n")[2].partition("\n\n")[0]
    assert "/cluster.toml" in (ROOT / ".gitignore").read_text().splitlines()
    assert "actions/checkout@" in job
    assert re.search(r"\n {8}env: { SWARM_SETTINGS: /\S+/cluster\.toml }\n", job)


def test_every_metric_is_in_its_table() -> None:
    records = [
        *all_looked(),
        found("rk1", "ssh", "sshd"),
        measure("managers", {"margin": 1, "reachable": 3}),
        measure("certificate expires", AT.timestamp(), host="rk1"),
        measure("range list fetched", AT.timestamp(), host="rk1"),
        measure("anything", 1, host="rk1"),
        measure("origin pull certificate expires", AT.timestamp(), part="exposure"),
        measure(
            "secrets and configs",
            [{"kind": "secret", "name": "db", "versions": 2, "users": 1, "age_days": 3.5}],
            part="secrets",
        ),
    ]
    there = set(re.findall(r"(?m)^# TYPE (\w+)", render(reported(run_of(records)))))
    assert set(re.findall(r"(?m)^\| `(swarm_\w+)`", TEXT)) == there


def test_every_variable_is_read() -> None:
    for name in set(re.findall(r"(?m)^\| `(DRIFT_[A-Z_]+)`", TEXT)):
        assert f'"{name.removesuffix("_FILE")}"' in SOURCE
