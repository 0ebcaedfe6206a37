"""Files on this computer: read as what they are or not at all, written whole or not at all."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def state_folder() -> Path:
    """Where this user's runs keep what outlives them; nothing is made."""
    state = os.environ.get("XDG_STATE_HOME", "")
    base = Path(state) if state.startswith("/") else Path(os.path.expanduser("~/.local/state"))
    return base / "pyinfra-swarm"


@contextmanager
def opened(path: Path, flags: int = os.O_RDONLY) -> Iterator[int]:
    """A plain file's descriptor; a new one (``O_CREAT``) can be read by its owner alone.

    Raises ``OSError`` for anything else: no link is followed, and nothing waits for the other end
    of a pipe.
    """
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(f"{path.name}: it is not a plain file")
        yield descriptor
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Put on the disk which files are in a folder, as after a rename. Raises ``OSError``."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def content(path: Path, at_most: int) -> bytes:
    """A plain file's content. Raises ``OSError``, also for one that is longer."""
    with opened(path) as descriptor, os.fdopen(os.dup(descriptor), "rb") as file:
        read = file.read(at_most + 1)
    if len(read) > at_most:
        raise OSError(f"{path.name}: it is longer than {at_most} bytes")
    return read


def write(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Write a file at once: a reader sees the old one or the new one, never half of it."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), mode)
        os.replace(name, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise
