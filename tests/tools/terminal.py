"""A command run at a terminal of its own, as a person would run it."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_COLOURS = re.compile(r"\x1b\[[0-9;]*[mK]")


class Terminal:
    """A command line, started at once; ``shown`` is all that it has shown so far."""

    def __init__(self, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> None:
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            argv,
            cwd=cwd,
            env={**env, "TERM": "dumb"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.shown = ""

    @property
    def words(self) -> str:
        """What is shown, without its colours."""
        return _COLOURS.sub("", self.shown)

    def wait_for(self, words: str, timeout: float = 60) -> None:
        deadline = time.monotonic() + timeout
        while words not in self.words:
            assert time.monotonic() < deadline, f"never showed {words!r}:\n{self.shown}"
            self.read(0.2)

    def read(self, seconds: float) -> None:
        """Take in what comes, for at most these seconds."""
        if select.select([self._ours], [], [], seconds)[0]:
            try:
                self.shown += os.read(self._ours, 65536).decode(errors="replace")
            except OSError:  # the other side has hung up
                time.sleep(seconds)

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def interrupt(self) -> None:
        """Send a Ctrl-C's signal, and not before the question's reader is waiting.

        Between the question's last letter and the wait for its answer lie microseconds in which
        Python notes a signal but does not act on it until something is typed. Nobody's finger is
        that fast; a test is.
        """
        deadline = time.monotonic() + 30
        before, now = None, self._activity()
        while before != now or now[0] != "S":
            assert time.monotonic() < deadline, "it never came to rest"
            time.sleep(0.2)
            before, now = now, self._activity()
        os.kill(self.process.pid, signal.SIGINT)

    def _activity(self) -> tuple[str, ...]:
        """What the process is doing, and the time it has computed so far (proc(5))."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return stat[0], stat[11], stat[12]

    def finish(self, timeout: float = 120) -> int:
        """Wait for its end; the exit code."""
        deadline = time.monotonic() + timeout
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"did not end:\n{self.shown}"
            self.read(0.2)
        self.read(0.5)
        os.close(self._ours)
        return self.process.returncode
