"""One lab per machine."""

import contextlib
import fcntl
import json
import os
import time
from datetime import datetime

from lab import places
from lab.errors import LabError


def acquire() -> int:
    """Take the machine's lab lock and return its descriptor, which a child may inherit.

    The lock is free again as soon as no process holds the descriptor, however it ended.

    Raises LabError when there is a lab already; it says whose and since when.
    """
    for attempt in range(5):
        descriptor = os.open(places.LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            if attempt < 4:  # It may be a reader that only looks.
                time.sleep(0.1)
            continue
        with contextlib.suppress(FileNotFoundError):
            if os.fstat(descriptor).st_ino == places.LOCK.stat().st_ino:
                sign(descriptor)
                return descriptor
        os.close(descriptor)  # Its file was removed in between.
    raise LabError(
        f"there is a lab on this machine already{_holder()}. See `pyinfra-swarm lab status`;"
        " `pyinfra-swarm lab down` ends it, `pyinfra-swarm lab reset` gives it fresh hosts."
    )


def sign(descriptor: int) -> None:
    """Write into the lock who holds it."""
    note = {
        "pid": os.getpid(),
        "since": datetime.now().astimezone().isoformat(timespec="seconds"),
    }
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(note).encode(), 0)


def release(descriptor: int) -> None:
    """Give the lock back and leave no file behind."""
    places.LOCK.unlink(missing_ok=True)
    os.close(descriptor)


def is_held() -> bool:
    """Whether somebody has a lab, or is about to have one."""
    try:
        descriptor = os.open(places.LOCK, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def holder() -> tuple[int, str] | None:
    """Process number and start time of whoever holds the lock."""
    try:
        note = json.loads(places.LOCK.read_text())
        return int(note["pid"]), str(note["since"])
    except (OSError, ValueError, KeyError):
        return None


def _holder() -> str:
    found = holder()
    return "" if found is None else f" (process {found[0]}, since {found[1]})"
