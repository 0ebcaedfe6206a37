"""``python -m pyinfra …`` in a process of its own that need not import anything first.

Starting an interpreter and importing pyinfra and this project takes a second, and hundreds of tests
run a command line as a user would. So one process imports all that, once, and is forked for each
run (``forked_server.py``). What a run's own path has in front of the project is still what it
imports.
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tests.tools.forked_client import ended, started

_HERE = Path(__file__).parent

_PYTHON = """#!{python} -IS
import sys

sys.path.append({tools!r})
from forked_client import main

main({server!r}, __file__)
"""


def run(
    argv: Sequence[str],
    *,
    cwd: Path | str,
    env: Mapping[str, str],
    stderr: int = subprocess.PIPE,
    timeout: float = 60,
    starts_others: bool = False,
) -> subprocess.CompletedProcess[str]:
    """As :func:`subprocess.run` with all output as text, and without input.

    argv: this interpreter with ``-m``, with or without ``-P``, a module and its arguments; what
    else an interpreter reads at its start (``PYTHON…``, the locale) has to be as it is here.
    stderr: ``subprocess.STDOUT`` for both in one. Raises ``TimeoutExpired`` after so many seconds.
    starts_others: it starts pyinfra itself, which is forked as well (see :func:`python`).
    """
    at_start = re.compile(r"PYTHON(?!PATH$)|LC_|LANG")
    assert {one for one in env.items() if at_start.match(one[0])} == {
        one for one in os.environ.items() if at_start.match(one[0])
    }
    assert argv[0] == sys.executable
    server = _server()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, open(os.devnull) as none:
        merged = stderr == subprocess.STDOUT
        pid, reading = started(
            str(server / "socket"),
            argv[1:],
            cwd=str(cwd),
            env=env,
            python=str(server / "python") if starts_others else sys.executable,
            streams=(none.fileno(), out.fileno(), (out if merged else err).fileno()),
        )
        try:
            status = ended(reading, timeout)
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            ended(reading)
            raise subprocess.TimeoutExpired(argv, timeout) from None
        finally:
            os.close(reading)
        said: list[Any] = []
        for stream in (out, err):
            stream.seek(0)
            said.append(stream.read().decode())
    return subprocess.CompletedProcess([*argv], status, said[0], None if merged else said[1])


def python() -> str:
    """A program that runs ``-m pyinfra …`` as this interpreter does, in a fork.

    For what starts pyinfra itself. SIGINT and SIGTERM are passed on to the run; it is killed where
    the program is.
    """
    return str(_server() / "python")


@cache
def _server() -> Path:
    """The folder of the socket of the process that is forked; it ends with this one."""
    folder = Path(tempfile.mkdtemp(prefix="forked-"))
    program = folder / "python"
    program.write_text(
        _PYTHON.format(python=sys.executable, tools=str(_HERE), server=str(folder / "socket"))
    )
    program.chmod(0o755)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as mail:
        mail.bind(str(folder / "socket"))
        process = subprocess.Popen(
            [sys.executable, "-P", str(_HERE / "forked_server.py"), str(mail.fileno())],
            pass_fds=[mail.fileno()],
            stdin=subprocess.PIPE,
        )

    def end() -> None:
        assert process.stdin is not None
        process.stdin.close()
        process.wait()
        shutil.rmtree(folder)

    atexit.register(end)
    return folder
