"""`tests/run.py`: what it chooses, what it leaves out, and that nothing is skipped under it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.run import (
    MUST_RUN,
    SUITES,
    Result,
    Suite,
    chosen,
    rotated,
    run_all,
    run_together,
    together,
)
from tests.scenarios.conftest import ROOT
from tests.tools.calibration import (
    REFERENCE,
    follow_system_calls,
    processor_seconds,
    slowness,
    start_programs,
)

A, B, C = Suite("a", 100, 200, ()), Suite("b", 300, 400, ()), Suite("c", 50, 80, ())


def ran(seconds: float, **took: float) -> tuple[list[Result], list[str]]:
    """What comes of a, b and c, which take so long, in so many seconds; and who has run."""
    now = [0.0]
    begun: list[str] = []

    def runs(suites: Sequence[Suite]) -> list[Result]:
        begun.append(*(suite.name for suite in suites))
        now[0] += took[begun[-1]]
        return [Result(suite, "passed", took[suite.name]) for suite in suites]

    return run_all([A, B, C], seconds, runs, lambda: now[0]), begun


def test_without_a_limit_all_of_them_run() -> None:
    results, _ = ran(float("inf"), a=90, b=310, c=50)
    assert [(result.outcome, result.seconds) for result in results] == [
        ("passed", 90),
        ("passed", 310),
        ("passed", 50),
    ]


def test_what_does_not_fit_is_left_out_and_smaller_ones_after_it_are_not() -> None:
    results, begun = ran(390, a=100, c=50)
    assert begun == ["a", "c"]
    left_out = "left out: it may take 400 s, and 290 s are left of 390"
    assert str(results[1]) == f"b              {left_out}"
    assert all(result.ok for result in results)


def test_suites_that_wait_run_beside_the_one_before_them() -> None:
    beside = replace(B, beside=True)
    assert together([A, beside, C]) == [[A, beside], [C]]
    assert together([beside, A]) == [[beside], [A]]


def test_what_runs_at_once_is_printed_apart_and_judged_apart(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    files = []
    for name, body in (("one", "print('of one')"), ("two", "assert 0, 'of two'")):
        file = tmp_path / f"test_{name}.py"
        file.write_text(f"def test_it():\n    {body}\n")
        files.append(Suite(name, 10, 60, (str(file), "-p", "no:cacheprovider", "-s")))
    results = run_together(files)
    assert [(result.suite.name, result.outcome) for result in results] == [
        ("one", "passed"),
        ("two", "FAILED"),
    ]
    parts = capfd.readouterr().out.split("── ")[1:]
    assert sorted(part.split("\n")[0] for part in parts) == ["one", "two"]
    for part in parts:
        assert ("of one" in part, "of two" in part) == (part[:3] == "one", part[:3] == "two")


def test_it_is_the_time_that_was_really_taken_that_counts() -> None:
    assert ran(480, a=80, b=300, c=50)[1] == ["a", "b", "c"]
    assert ran(480, a=80, b=350)[1] == ["a", "b"]
    assert ran(480, a=90, c=50)[1] == ["a", "c"]


def test_suites_run_in_the_order_in_which_they_are_named() -> None:
    assert [suite.name for suite in chosen("test", ["lab", "unit"])] == ["lab", "unit"]
    assert chosen("test", []) == list(SUITES["test"])
    with pytest.raises(KeyError, match="backups"):
        chosen("lifecycle", ["backups"])


def test_a_slower_machine_has_more_time_for_each() -> None:
    slow = B.scaled(2.5)
    assert (slow.name, slow.expected, slow.budget) == ("b", 750, 1000)
    assert B.scaled(1) == B


def test_each_day_begins_with_another_suite_and_none_is_forgotten() -> None:
    days = [rotated([A, B, C], day) for day in range(3)]
    assert [suites[0] for suites in days] == [A, B, C]
    assert all(sorted(suites, key=id) == sorted([A, B, C], key=id) for suites in days)


def test_every_test_on_the_lab_or_with_engines_is_in_a_suite() -> None:
    listed = {word for group in SUITES.values() for suite in group for word in suite.arguments}
    folders = ("engines", "scenarios", "userlands")
    here = [path for name in folders for path in ROOT.glob(f"tests/{name}/test_*.py")]
    marked = [path for path in here if path.parent.name != "scenarios" or _is_longer(path)]
    missing = [name for path in marked if (name := str(path.relative_to(ROOT))) not in listed]
    assert missing == []


def _is_longer(path: Path) -> bool:
    return "pytest.mark.lifecycle" in path.read_text(encoding="utf-8")


def test_what_must_pass_is_expected_to_take_less_than_20_minutes() -> None:
    at_once = together(SUITES["test"])
    assert sum(max(suite.expected for suite in suites) for suites in at_once) < 20 * 60
    for suite in (*SUITES["test"], *SUITES["lifecycle"]):
        assert suite.expected < suite.budget


@pytest.mark.parametrize("file", ["netns/test_web_ranges.py", "engines/test_engines_prove.py"])
def test_what_plain_pytest_would_skip_is_an_error_under_the_runner(file: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"tests/{file}"],
        cwd=ROOT,
        env={**os.environ, "PATH": "/nowhere", MUST_RUN: "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == pytest.ExitCode.USAGE_ERROR, done.stdout
    assert done.stderr.startswith("ERROR: these tests must run, and cannot: ")


def test_more_work_takes_longer_and_leaves_no_process() -> None:
    before = _children()
    for work, count in ((start_programs, 10), (follow_system_calls, 500)):
        assert _least(work, 20 * count) > _least(work, count) > 0
    assert _children() == before


def _least(work: Callable[[int], None], count: int) -> float:
    """The fewest seconds of a processor that the work took in some rounds."""
    took = []
    for _ in range(3):
        begun = processor_seconds()
        work(count)
        took.append(processor_seconds() - begun)
    return min(took)


def _children() -> set[str]:
    """The processes that this one has started and not seen the end of."""
    listed = Path("/proc/self/task").glob("*/children")
    return {number for one in listed for number in one.read_text().split()}


def test_no_machine_has_less_time_than_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.tools.calibration.seconds_of_a_round", lambda: 0.01)
    assert slowness() == 1
    monkeypatch.setattr("tests.tools.calibration.PAUSE", 0.0)
    monkeypatch.setattr("tests.tools.calibration.seconds_of_a_round", lambda: 1.0)
    assert slowness() > 2


def test_a_machine_that_has_just_been_installed_is_measured_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rounds = iter([4.8 * REFERENCE, 3 * REFERENCE, 1.2 * REFERENCE])
    monkeypatch.setattr("tests.tools.calibration.PAUSE", 0.0)
    monkeypatch.setattr("tests.tools.calibration.seconds_of_a_round", lambda: next(rounds))
    assert slowness() == pytest.approx(1.2)
