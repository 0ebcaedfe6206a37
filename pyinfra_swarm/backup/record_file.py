"""The record of backups on this computer, in a folder that only its user can write to."""

from __future__ import annotations

import fcntl
import hashlib
import os
from pathlib import Path

from pyinfra_swarm.backup.record import Found, Written, as_line, parse
from pyinfra_swarm.run.plain_file import content, opened, state_folder

_LARGEST = 64 << 20
"""Bytes of a record that is read: two hundred thousand entries."""


def place() -> Path:
    """Where the record is: in the user's folder for state, one for all clusters."""
    return state_folder() / "backups.jsonl"


def problem() -> str:
    """Why the record cannot be kept, as a phrase; empty where it can. Nothing is made."""
    path = place()
    try:
        if os.path.lexists(path):
            with opened(path, os.O_RDWR) as descriptor:
                return _not_ours(descriptor)
        nearest = next(parent for parent in path.parents if parent.exists())
        if not (nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)):
            return f"{nearest} cannot be written to"
    except OSError as error:
        return f"{path} cannot be used ({error.strerror or error})"
    return ""


def entries() -> list[Written]:
    """What this computer has written.

    Raises ``OSError``, also where others can write to the record: it proves nothing then.
    """
    try:
        with opened(place()) as descriptor:
            if why := _not_ours(descriptor):
                raise OSError(why)
        return parse(content(place(), _LARGEST).decode(errors="replace"))
    except FileNotFoundError:
        return []


def _not_ours(descriptor: int) -> str:
    """Why others than this user can write to the record, as a phrase; empty where they cannot."""
    path = place()
    for status, what in ((os.fstat(descriptor), path), (path.parent.stat(), path.parent)):
        if status.st_uid != os.geteuid():
            return f"{what} belongs to another user"
        if status.st_mode & 0o022:
            return f"others can write to {what}: chmod go-w {what}"
    return ""


def add(written: Written) -> None:
    """Put an entry on the disk. Raises ``OSError``."""
    place().parent.mkdir(parents=True, mode=0o700, exist_ok=True)
    with opened(place(), os.O_RDWR | os.O_APPEND | os.O_CREAT) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        size = os.fstat(descriptor).st_size
        cut = size and os.pread(descriptor, 1, size - 1) != b"\n"  # by a power cut
        line = b"\n" * bool(cut) + as_line(written).encode()
        if os.write(descriptor, line) != len(line):
            raise OSError(f"{place()}: there is no room for it")
        os.fsync(descriptor)


def look(folder: Path) -> list[Found]:
    """The files in a folder that are named like backups, and which of them are known.

    A folder that cannot be read has none. Raises ``OSError`` as :func:`entries` does.
    """
    known = {(entry.size, entry.sha256): entry for entry in entries()}
    sizes = {size for size, _ in known}
    found = []
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    for name in names:
        if name.endswith(".age"):
            key = _size_and_sum(folder / name, sizes)
            found.append(Found(name, known.get(key) if key else None))
    return found


def digest(data: bytes) -> str:
    """What a file is known by."""
    return hashlib.sha256(data).hexdigest()


_sums: dict[tuple[int, ...], str] = {}
"""Sums of files that this run has read, by what changes with their content.

Every host's plan asks for them."""


def _size_and_sum(path: Path, sizes: set[int]) -> tuple[int, str] | None:
    """The size and the SHA-256 of a plain file that has one of these sizes; ``None`` for others."""
    try:
        with opened(path) as descriptor:
            there = os.fstat(descriptor)
            if there.st_size not in sizes:
                return None
            same = (there.st_dev, there.st_ino, there.st_mtime_ns, there.st_ctime_ns)
            if same not in _sums:
                with os.fdopen(os.dup(descriptor), "rb") as file:
                    _sums[same] = hashlib.file_digest(file, "sha256").hexdigest()
            return there.st_size, _sums[same]
    except OSError:
        return None
