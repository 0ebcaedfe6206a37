"""The product, run as a user runs it, with the time of each line that it prints."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.scenarios.conftest import ROOT, environment, pyinfra_argv

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_OPERATION = re.compile(r"--> Starting .*?operation: (?:\S+\.py \| )?(?P<name>.+?)\s*$")
_STAGE = re.compile(r"--> (?P<name>[^.]+?)(?:\.\.\.|:|$)")


class Failed(Exception):
    """The run failed, which makes its time meaningless."""


@dataclass(frozen=True)
class Timed:
    """A finished run: each line of its log with the seconds since its start."""

    lines: tuple[tuple[float, str], ...]
    seconds: float

    @property
    def log(self) -> str:
        return "\n".join(line for _, line in self.lines)


def run(*arguments: str, log: Path | None = None) -> Timed:
    """Run ``pyinfra ARGUMENTS`` and note when it printed what."""
    return _timed(pyinfra_argv("-v", *arguments), log)


def check() -> Timed:
    """Run ``drift --lab``."""
    return _timed([sys.executable, "-m", "pyinfra_swarm.drift", "--lab"], None)


def _timed(argv: list[str], log: Path | None) -> Timed:
    begun = time.monotonic()
    lines: list[tuple[float, str]] = []
    with subprocess.Popen(
        argv,
        cwd=ROOT,
        env=environment({"PYTHONUNBUFFERED": "1"}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append((time.monotonic() - begun, _ANSI.sub("", line.rstrip("\n"))))
    seconds = time.monotonic() - begun
    if log is not None:
        log.write_text("".join(f"{at:8.2f}  {line}\n" for at, line in lines))
    if process.returncode != 0:
        print("\n".join(line for _, line in lines[-40:]), file=sys.stderr)
        raise Failed(f"{' '.join(argv)} ended with {process.returncode}")
    return Timed(tuple(lines), seconds)


def stages(timed: Timed) -> Iterator[tuple[str, float]]:
    """What the run was busy with, and for how many seconds: pyinfra's stages and operations."""
    begun, name = 0.0, "starting Python and pyinfra"
    for at, line in timed.lines:
        match = _OPERATION.match(line) or _STAGE.match(line)
        if match:
            yield name, at - begun
            begun, name = at, match["name"]
    yield name, timed.seconds - begun
