"""What a run prints of a host's words: visible, and nothing that moves the owner's cursor."""

from __future__ import annotations

import ast
import logging
import os
import re
import sys
from pathlib import Path

import pytest
from hypothesis import given
from pyinfra.api import State
from pyinfra.context import ctx_state

from pyinfra_swarm.run import ending, printed, reporting
from pyinfra_swarm.run.context import begin_another_run, this_run
from pyinfra_swarm.run.printed import fit
from pyinfra_swarm.run.reported import Reported
from pyinfra_swarm.settings.paths import ROOT
from tests.tools import forked, hostile

COLOURS = re.compile(r"\x1b\[(0|1|3[1-6])m")


def assert_fit(text: str) -> None:
    for line in COLOURS.sub("", text).split("\n"):
        hostile.assert_plain(line)


@given(hostile.texts())
def test_nothing_raw_is_printed(text: str) -> None:
    assert_fit(fit(text))
    assert_fit(fit(f"\x1b[31m[rk1] {text}\x1b[0m"))


@given(hostile.texts())
def test_what_is_fit_stays_as_it_is(text: str) -> None:
    assert fit(fit(text)) == fit(text)


def test_lines_blanks_and_colours_stay_and_nothing_that_hides_text() -> None:
    assert fit("\x1b[31m[rk1]\x1b[0m   a\n    b") == "\x1b[31m[rk1]\x1b[0m   a\n    b"
    assert fit("\x1b[37mwhite on white\x1b[0m") == "\\x1b[37mwhite on white\x1b[0m"
    assert fit("\x1b[8mhidden\x1b[30m\r\nb\rc") == "\\x1b[8mhidden\\x1b[30m\nb c"


SAYS = "printf '\\033]0;owned\\007\\033[2J\\302\\205\\342\\200\\250x\\n'"

DEPLOY = f"""
from pyinfra.operations import server
server.shell(name="Says", _sudo=False, commands=[{SAYS + " >&2; exit 1"!r}])
"""


@pytest.mark.parametrize("more", [(), ("-vvv",)], ids=["failing", "shown"])
def test_the_output_of_a_host_is_shown_and_not_carried_out(
    more: tuple[str, ...], tmp_path: Path
) -> None:
    """By the real pyinfra, which prints the output of what fails, or of all with -vvv."""
    (tmp_path / "inventory.py").write_text(
        "from pyinfra_swarm.run import start as _start\n_start.install()\n"
        "boards = [('@local', {'ssh_user': 'x'})]\n"
    )
    (tmp_path / "deploy.py").write_text(DEPLOY)
    ran = forked.run(
        [
            *(sys.executable, "-m", "pyinfra", "-y", *more),
            *(str(tmp_path / "inventory.py"), str(tmp_path / "deploy.py")),
        ],
        cwd=ROOT,
        env={**os.environ, "PYINFRA_PROGRESS": "off"},
    )
    said = ran.stdout + ran.stderr
    assert "]0;owned" in said
    assert r"\x1b]0;owned\x07\x1b[2J\x85\u2028x" in said
    assert_fit(said)


@given(hostile.texts())
def test_the_reason_why_a_host_is_not_done_is_plain(text: str) -> None:
    class Logged:
        name = "rk1"
        lines: list[str] = []  # noqa: RUF012

        def log_styled(self, message: str, **_: object) -> None:
            self.lines.append(message)

    host = Logged()
    begin_another_run()
    with ctx_state.use(State()):
        reporting.failed(host, text)  # type: ignore[arg-type]
    failures = this_run(Reported).failures
    lines = ending.closing_lines(ending.End(["rk1"], "pyinfra", unfinished=failures))
    hostile.assert_plain([*lines, *host.lines])


def test_an_error_does_not_say_which_line_of_ours_has_raised_it() -> None:
    place = f"{ROOT}/pyinfra_swarm/run/converge.py"
    said = f"--> \x1b[31mpyinfra error in {place} line 376\x1b[0m: no host"
    assert printed.without_our_places(said) == "--> \x1b[31mpyinfra error\x1b[0m: no host"
    assert printed.without_our_places(f"error in {place} line 3: x") == "error: x"
    theirs = "pyinfra error in /home/ada/home/deploys/own.py line 3: x"
    assert printed.without_our_places(theirs) == theirs


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "[rk1] SSH error (Error reading SSH protocol banner[Errno 104] Connection reset)",
            "[rk1] SSH error (Error reading SSH protocol banner: Connection reset)",
        ),
        (
            "[rk1] Could not connect ([Errno None] Unable to connect to port 22 on 10.0.0.1)",
            "[rk1] Could not connect (Unable to connect to port 22 on 10.0.0.1)",
        ),
        (
            "[rk1] Could not resolve hostname ([Errno -2] Name or service not known)",
            "[rk1] Could not resolve hostname (Name or service not known)",
        ),
        ("[rk1] >>> OSError: [Errno 13] Permission denied", None),
    ],
)
def test_why_a_host_was_not_reached_is_told_in_words_alone(said: str, told: str | None) -> None:
    assert printed.without_numbers(said) == (told or said)


@pytest.mark.parametrize(
    ("why", "shown"), [("[Errno 2] No such file", False), ("[Errno 13] Permission denied", True)]
)
def test_a_computer_without_known_hosts_is_no_news(why: str, shown: bool) -> None:
    words = ("~/.ssh/known_hosts", why)
    record = logging.LogRecord(
        "pyinfra", 30, "", 0, "Failed to load host keys from %s: %s", words, None
    )
    assert printed._Fit().filter(record) is shown


PRINTING = {
    "pyinfra_swarm/cli.py": {"main"},  # no host has said any of it
    "pyinfra_swarm/stacks/lint/cli.py": {"main", "_tell", "_lint"},  # issues are plain text
    "pyinfra_swarm/run/lock.py": {"_take"},  # this run's own command
    "pyinfra_swarm/run/asking.py": {"typed"},  # the question is made plain there
    "pyinfra_swarm/run/confirmation.py": {"_asked"},  # its texts are made plain there
    "pyinfra_swarm/run/pyinfra_output.py": {"echo"},  # pyinfra's own words of the command line
    "pyinfra_swarm/run/printed.py": {"_echo"},
    "pyinfra_swarm/run/working_on.py": {"tell_project"},  # the folder is made plain there
    "pyinfra_swarm/run/ending.py": {"last_lines"},  # reasons are plain by reporting.failed
}


def test_nothing_is_printed_past_the_log_but_in_known_places() -> None:
    """Whatever is logged goes through the filter; what is printed otherwise would not."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "pyinfra_swarm").rglob("*.py"):
        if path.parent.name not in ("drift", "commands"):  # what they print is plain before
            for function in ast.walk(ast.parse(path.read_text())):
                if not isinstance(function, ast.FunctionDef):
                    continue
                for node in ast.walk(function):
                    if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                        *("print", "click.echo", "click.secho", "sys.stdout.write"),
                        "sys.stderr.write",
                    ):
                        name = str(path.relative_to(ROOT))
                        found.setdefault(name, set()).add(function.name)
    assert found == PRINTING
