"""A file in a folder that others may write to: read as what it is, or not at all."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
