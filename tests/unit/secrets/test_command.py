"""A program that prints a value is watched: it ends, or is ended, and nothing of it is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pyinfra_swarm.secrets import command
from pyinfra_swarm.secrets.command import printed
from pyinfra_swarm.secrets.value import Unreadable
from tests.unit.secrets.conftest import Program


def failing(words: list[str], folder: Path, *, most: int = 1000, seconds: float = 60) -> str:
    with pytest.raises(Unreadable) as caught:
        printed(words, folder, most, seconds=seconds)
    return caught.value.problem


def test_its_output_is_whole(program: Program, tmp_path: Path) -> None:
    program("get", "head -c 300000 /dev/zero")
    assert printed(["get"], tmp_path, 400_000).data == bytes(300_000)


def test_what_it_says_does_not_keep_it_waiting(program: Program, tmp_path: Path) -> None:
    program("get", "head -c 1000000 /dev/zero >&2; echo x")
    assert printed(["get"], tmp_path, 10).data == b"x\n"


def test_it_is_ended_when_it_prints_without_end(program: Program, tmp_path: Path) -> None:
    program("get", "exec yes hunter2")
    assert failing(["get"], tmp_path).startswith("`get` prints more than 1000 bytes")


def test_it_is_ended_with_all_that_it_has_started_when_its_time_is_over(
    program: Program, tmp_path: Path
) -> None:
    program("get", "echo hunter2; echo waiting for a key >&2; sleep 300 & echo $! > child; wait")
    before = time.monotonic()
    said = failing(["get"], tmp_path, seconds=1)
    assert said == "`get` has not ended within 1 seconds: waiting for a key"
    assert time.monotonic() - before < 20
    child = int((tmp_path / "child").read_text())
    for _ in range(100):
        if not running(child):
            return
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    pytest.fail("a program that it has started goes on")


def running(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_program_that_it_leaves_running_is_not_waited_for(
    program: Program, tmp_path: Path
) -> None:
    program("get", "sleep 5 & echo $! > child; echo x")
    before = time.monotonic()
    assert printed(["get"], tmp_path, 10).data == b"x\n"
    assert time.monotonic() - before < 4
    os.kill(int((tmp_path / "child").read_text()), signal.SIGKILL)


def test_one_that_closes_its_output_is_waited_for(program: Program, tmp_path: Path) -> None:
    program("get", "echo x; exec >&- 2>&-; sleep 0.3; exit 4")
    assert failing(["get"], tmp_path) == "`get` ended with status 4, and said nothing"


def test_it_is_asked_nothing_and_has_no_terminal(program: Program, tmp_path: Path) -> None:
    program("get", 'read -r x; echo "read $?"; (exec < /dev/tty) 2>/dev/null || echo no terminal')
    assert printed(["get"], tmp_path, 100).data == b"read 1\nno terminal\n"


def test_it_has_no_more_in_its_environment_than_we_have(program: Program, tmp_path: Path) -> None:
    program("get", "tr '\\0' '\\n' < /proc/$$/environ | grep -v '^_='")
    given = printed(["get"], tmp_path, 100_000).data
    usual = subprocess.run(["get"], capture_output=True, check=True).stdout
    assert {*given.splitlines()} == {*usual.splitlines()}


def test_it_inherits_no_file_of_ours(program: Program, tmp_path: Path) -> None:
    program("get", "readlink /proc/$$/fd/* | grep ours; echo end")
    with (tmp_path / "ours").open("w"):
        assert printed(["get"], tmp_path, 1000).data == b"end\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("exit 7", "ended with status 7, and said nothing"),
        ("kill -9 $$", "was ended by SIGKILL, and said nothing"),
        ("printf 'a\\033[2Jb\\nc\\200' >&2; exit 1", "ended with status 1: ab c\\x80"),
    ],
)
def test_its_end_is_told(text: str, said: str, program: Program, tmp_path: Path) -> None:
    program("get", text)
    assert failing(["get"], tmp_path) == f"`get` {said}"


def test_of_much_that_it_says_the_last_is_shown(program: Program, tmp_path: Path) -> None:
    program("get", "seq 1 50000 >&2; echo the reason >&2; exit 1")
    said = failing(["get"], tmp_path)
    assert said.endswith("the reason")
    assert len(said) < 600


def test_one_that_cannot_be_run_is_told_why(tmp_path: Path) -> None:
    (tmp_path / "get").write_text("x")
    assert failing(["./get"], tmp_path) == "`./get` cannot run: Permission denied"
    (tmp_path / "get").chmod(0o755)
    assert failing(["./get"], tmp_path) == "`./get` cannot run: Exec format error"
    assert "there is no folder" in failing(["cat"], tmp_path / "missing")
    with pytest.raises(FileNotFoundError):
        printed(["./missing"], tmp_path, 10)


def test_it_works_as_well_where_pyinfra_has_put_greenlets_in_the_place_of_threads(
    program: Program, tmp_path: Path
) -> None:
    """pyinfra's command line does, before it reads a deploy."""
    program("get", 'sleep 1; echo "$1"')
    program("slow", "sleep 300 & wait")
    text = """
from gevent import monkey; monkey.patch_all()
import sys, time
from pathlib import Path
from typing import Any
from pyinfra_swarm.secrets import command
from pyinfra_swarm.secrets.command import printed
from pyinfra_swarm.secrets.sources import read_all
from pyinfra_swarm.secrets.value import Unreadable
from pyinfra_swarm.settings import Secret
before = time.monotonic()
found = read_all([Secret(name="x", command=["get", str(n)]) for n in range(6)], Path("."))
assert [one.data for one in found] == [b"0", b"1", b"2", b"3", b"4", b"5"], found
assert time.monotonic() - before < 5.5
try:
    printed(["slow"], Path("."), 10, seconds=0.5)
except Unreadable as error:
    print(error.problem)
"""
    done = subprocess.run(
        [sys.executable, "-c", text],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "`slow` has not ended within 0 seconds, and said nothing\n"


class PrintsAtItsEnd:
    """A program that prints its value and ends between two looks at it."""

    def __init__(self, output: command._Pipe, errors: command._Pipe) -> None:
        self._output, self._errors = output, errors

    def poll(self) -> int:
        if not self._output.write.closed:
            self._output.write.write(b"value")
            self._output.write.close()
        return 0  # something it has left running holds its standard error open


def test_what_is_printed_right_before_the_end_is_not_lost() -> None:
    with command._Pipe() as output, command._Pipe() as errors:
        process: Any = PrintsAtItsEnd(output, errors)
        answer, _, why = command._read(process, output, errors, 100, 5)
    assert (answer.data, why) == (b"value", "")
