"""Something as a user who may not do everything: real refusals of the system, also for root."""

from __future__ import annotations

import os
import pickle
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

T = TypeVar("T")

NOBODY = 65534


def as_nobody(answer: Callable[[], T]) -> T:
    """What a function answers where it is asked by nobody, if we are root; else by ourselves.

    Raises ``AssertionError`` with the traceback of what it raises.
    """
    if os.geteuid() != 0:
        return answer()
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            told: tuple[object, str] = answer(), ""
        except BaseException:
            told = None, traceback.format_exc()
        with os.fdopen(writing, "wb") as pipe:
            pickle.dump(told, pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        value, problem = pickle.load(pipe)
    os.waitpid(pid, 0)
    assert not problem, problem
    return value  # type: ignore[no-any-return]


@contextmanager
def closed_folder(mode: int) -> Iterator[Path]:
    """A folder of somebody else's with this mode, in one that everybody may enter."""
    with TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        folder = Path(name) / "closed"
        folder.mkdir()
        folder.chmod(mode)
        try:
            yield folder
        finally:
            folder.chmod(0o700)
