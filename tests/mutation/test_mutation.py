"""The tests notice as many changes to what decides as they once did: some modules a day.

All modules take longer than one run should; which ones are run today is by the date.
"""

from __future__ import annotations

import datetime
import subprocess
import sys

import pytest

from tests.mutation.mutants import ROOT
from tests.mutation.record import PAGE, portions, recorded, unmeasured
from tests.mutation.scope import SCOPE

A_DAY = 360
"""Seconds, as they are recorded; other machines take up to two and a half times as long."""

RECORDED = recorded(PAGE.read_text())


def test_every_module_that_is_run_has_a_score_or_the_reason_why_not() -> None:
    assert RECORDED
    not_yet = unmeasured(PAGE.read_text())
    assert set(RECORDED) | not_yet == set(SCOPE)
    assert not set(RECORDED) & not_yet


def of_today() -> list[str]:
    found = portions({module: score.seconds for module, score in RECORDED.items()}, A_DAY)
    return found[datetime.date.today().toordinal() % len(found)] if found else []


@pytest.mark.parametrize("module", of_today())
def test_the_tests_notice_what_they_noticed(module: str) -> None:
    """In a process that has imported nothing of the project, as the run needs it."""
    command = [sys.executable, "-m", "tests.mutation", module]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    print(told.stdout)
    assert told.returncode == 0, told.stderr
