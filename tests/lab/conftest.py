"""The lab's hosts, and the command line as a user types it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from lab import api, description

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Run:
    """A finished command: what a user would have seen."""

    returncode: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def output(self) -> str:
        return self.stdout + self.stderr


def pyinfra_argv(*arguments: str) -> list[str]:
    """The command line ``pyinfra …``, by this interpreter."""
    return [sys.executable, "-P", "-m", "pyinfra", *arguments]


def environment(extra: dict[str, str] | None = None) -> dict[str, str]:
    """This process's environment without settings of its user's, plus some."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SWARM_")}
    return {**kept, "PYINFRA_PROGRESS": "off", **(extra or {})}


@pytest.fixture(scope="session")
def lab() -> Iterator[ModuleType]:
    """The running lab; brought up for the session where it is not up yet."""
    if description.read() is not None:
        yield api
        return
    api.up()
    yield api
    api.down()


@pytest.fixture
def pyinfra(lab: ModuleType) -> Callable[..., Run]:
    """Run pyinfra as a user does, and return what came of it."""

    def run(*arguments: str, env: dict[str, str] | None = None, timeout: int = 900) -> Run:
        begun = time.monotonic()
        done = subprocess.run(
            pyinfra_argv(*arguments),
            cwd=ROOT,
            env=environment(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        return Run(done.returncode, done.stdout, done.stderr, time.monotonic() - begun)

    return run


def lines_with(text: str, words: Sequence[str]) -> list[str]:
    """The lines that hold all of some words."""
    return [line for line in text.splitlines() if all(word in line for word in words)]
