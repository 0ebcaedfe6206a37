"""A clock that goes on while this computer sleeps.

``time.monotonic()`` stands still on a laptop whose lid is closed (Linux and macOS), and with it
whatever is measured by it: a lock that was lost an hour ago would look fresh, a wait that has long
been over would begin.
"""

from __future__ import annotations

import time

# Linux's name. macOS has none, and its CLOCK_MONOTONIC, unlike Python's, goes on.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def now() -> float:
    """Seconds since some moment in the past, those of sleep included."""
    return time.clock_gettime(_CLOCK)
