"""Asks :mod:`tests.tools.forked_server` for a run; alone, it stands in for an interpreter."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
from array import array
from collections.abc import Mapping, Sequence


def started(
    server: str,
    words: Sequence[str],
    *,
    cwd: str,
    env: Mapping[str, str],
    python: str,
    streams: Sequence[int],
) -> tuple[int, int]:
    """Have a run begun; its process, and the descriptor on which its end is told.

    server: the path of its socket; words: what an interpreter is called with: ``-m``, with or
    without ``-P``, a module and its arguments; python: the run's ``sys.executable``; streams: its
    input, output and errors. A run is killed when the descriptor is closed.
    """
    safe = words[0] == "-P"
    assert words[safe] == "-m", words
    path = [] if safe else [cwd]
    asked = {
        "module": words[safe + 1],
        "arguments": [*words[safe + 2 :]],
        "cwd": cwd,
        "env": {**env},
        "path": path + [one for one in env.get("PYTHONPATH", "").split(os.pathsep) if one],
        "python": python,
    }
    reading, writing = os.pipe()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asking:
        handles = array("i", (*streams, writing))
        told = (socket.SOL_SOCKET, socket.SCM_RIGHTS, handles)
        asking.connect(server)
        asking.sendmsg([json.dumps(asked).encode()], [told])
    os.close(writing)
    return _number(reading), reading


def ended(reading: int, timeout: float | None = None) -> int:
    """Wait for the end of a run; its exit code. Raises ``TimeoutError`` after so many seconds."""
    if not select.select([reading], [], [], timeout)[0]:
        raise TimeoutError
    return _number(reading)


def _number(reading: int) -> int:
    """The number in the next line, read letter by letter, so that the one after it is left."""
    line = b""
    while not line.endswith(b"\n"):
        letter = os.read(reading, 1)
        assert letter, "the server has ended"
        line += letter
    return int(line)


def main(server: str, python: str) -> None:
    """Run what this process was called for as if it were an interpreter, and end as it ends."""
    passed_on = (signal.SIGINT, signal.SIGTERM)
    signal.pthread_sigmask(signal.SIG_BLOCK, passed_on)  # until it is known to whom
    pid, reading = started(
        server, sys.argv[1:], cwd=os.getcwd(), env=os.environ, python=python, streams=(0, 1, 2)
    )
    for number in passed_on:
        signal.signal(number, lambda number, _: os.kill(pid, number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, passed_on)
    code = ended(reading)
    if code < 0:
        if -code in passed_on:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)
