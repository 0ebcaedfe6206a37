"""What pyinfra prints is still worded as we know it: else it is printed as it comes.

A release that words a line in another way fails here; a run would only show that line as well.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
from pathlib import Path

import pytest

from pyinfra_swarm.run.pyinfra_output import (
    DOUBTS,
    LogLine,
    Says,
    log_line,
    show_by,
    without_source,
)
from pyinfra_swarm.settings.paths import ROOT
from tests.tools import forked

DEPLOY = """
from pyinfra.operations import server
server.shell(name="Says", _sudo=False, commands=["true"])
server.shell(name="By turns", _sudo=False, _serial=True, _if=lambda: False, commands=["true"])
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What the real pyinfra prints of a run, without us."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "inventory.py").write_text("boards = ['@local']\n")
    (folder / "deploy.py").write_text(DEPLOY)
    argv = [sys.executable, "-P", "-m", "pyinfra", "-y", "inventory.py", "deploy.py"]
    ran = forked.run(
        argv,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYINFRA_PROGRESS": "off"},
        stderr=-2,
    )
    assert ran.returncode == 0, ran.stdout
    return [line for line in ran.stdout.splitlines() if line.strip()]


def kinds(lines: list[str]) -> list[Says]:
    return [log_line(line).says for line in lines]


def test_every_line_of_a_run_is_known(said: list[str]) -> None:
    found = [log_line(line) for line in said]
    by_kind = {one.says: one for one in found}
    assert {*by_kind} >= {
        Says.PHASE,
        Says.PLANNING,
        Says.LOADING,
        Says.CONNECTED,
        Says.PLANNED,
        Says.OPERATION,
        Says.CHANGED,
        Says.UNCHANGED,
    }
    assert by_kind[Says.CONNECTED] == LogLine(Says.CONNECTED, "Connected", "@local")
    names = [one.text for one in found if one.says is Says.OPERATION]
    assert names == ["Says", "By turns"]
    phases = [one.text for one in found if one.says is Says.PHASE]
    assert [re.sub(r"[.:]*$", "", text) for text in phases] == [
        "--> Skipping change detection",
        "--> Beginning operation run",
        "--> Results",
        "--> Disconnecting from hosts",
    ]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("--> Detected changes:", Says.PHASE),
        ("--> pyinfra error: No hosts remaining!", Says.NOBODY_LEFT),
        ("[rk1]  Skipped", Says.UNCHANGED),
        ("[rk1] Error: executed 0 commands", Says.COUNT),
        ("[rk1] Connected (outside of the limit)", Says.CONNECTED),
        ("[rk1] installing Docker", Says.OF_A_HOST),
        ("Grand total", Says.OTHER),
        ("--> A phase of tomorrow", Says.OTHER),
    ],
)
def test_other_lines(line: str, says: Says) -> None:
    assert log_line(line).says is says


def test_colours_are_no_part_of_a_line() -> None:
    line = "\x1b[0m[\x1b[1mrk1\x1b[0m] \x1b[32mSuccess\x1b[0m"
    assert log_line(line) == LogLine(Says.CHANGED, "Success", "rk1")


def test_an_error_is_told_without_the_line_of_the_source() -> None:
    red = "\x1b[31m\x1b[1mpyinfra error in /a b/c.py line 376\x1b[0m: No such thing"
    told = without_source(red.replace("/a b/", "/a/"))
    assert told == "\x1b[31m\x1b[1mpyinfra error\x1b[0m: No such thing"
    assert without_source("iptables: error in line 9") == "iptables: error in line 9"


def test_what_is_replaced_is_what_the_command_line_calls() -> None:
    """By its source: to import it would patch all of Python."""
    import pyinfra

    source = (Path(pyinfra.__file__).parents[1] / "pyinfra_cli/cli.py").read_text()
    assert "print_meta(state)" in source
    assert "print_results(state)" in source
    assert "_do_confirm(" in source
    assert "click.echo(" in source
    assert DOUBTS in source
    assert "disconnect_all(state)" in source


def test_without_a_command_line_nothing_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "pyinfra_cli.cli", raising=False)
    show_by(plan=lambda _: None, results=lambda _: None, confirm=lambda _: True)
    assert inspect.isfunction(show_by)
