"""This process leaves no image of its memory behind, once it holds the value of a secret."""

from __future__ import annotations

import ctypes
import resource
from contextlib import suppress

_PR_SET_DUMPABLE = 4


def forbid() -> None:
    """From now on, for as long as this process lives.

    Linux ignores the limit where a core dump goes to a program (`systemd-coredump`, `apport`), so
    that the process has to be marked as well. Its memory and environment cannot be read then by
    other processes of its user, either. A program that it starts is marked no longer, and keeps the
    limit.
    """
    with suppress(ValueError, OSError):  # a limit that may not be changed
        _, hard = resource.getrlimit(resource.RLIMIT_CORE)
        resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    with suppress(OSError, AttributeError):  # Linux alone has it
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
