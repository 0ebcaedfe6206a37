"""How quick this machine is at what the suites do, so that their times can be scaled to it.

The hosts of the lab are processes whose every system call another process takes over, and what they
run are mostly short programs. So this starts programs, and has a process follow another's system
calls. It takes some seconds.

What counts is the processors' time, not the clock's: packages that were installed a moment ago are
still being written to the disk then, and the clock once took such a machine for one that is four
times as slow.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import sys
import time

STARTS = 600
"""Programs that are started one after the other."""

CALLS = 20_000
"""System calls that are followed, each with two stops."""

ROUNDS = 5
"""The quickest round counts: other work on the machine makes a round slower, never quicker."""

REFERENCE = 0.40
"""Seconds of a round on the machine that the times in ``tests/run.py`` were taken on."""

UNLIKELY, PATIENCE, PAUSE = 2.0, 4, 10.0
"""From how many times the reference on it is measured again, how often, and after how long (s)."""

_TRACE_ME, _SYSTEM_CALL = 0, 24


def start_programs(count: int) -> None:
    """Start so many small programs, one after the other."""
    for _ in range(count):
        subprocess.run(["/bin/true"], check=True)


def follow_system_calls(count: int) -> None:
    """Follow so many system calls of another process, as the lab does.

    Raises ``OSError`` where this machine does not let a process follow another.
    """
    ptrace = ctypes.CDLL(None, use_errno=True).ptrace
    ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    child = os.fork()
    if child == 0:
        try:
            if ptrace(_TRACE_ME, 0, None, None) == 0:
                os.kill(os.getpid(), signal.SIGSTOP)
                while True:
                    os.getppid()
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    if not os.WIFSTOPPED(status):
        raise OSError("a process may not follow another's system calls here")
    try:
        for _ in range(2 * count):
            ptrace(_SYSTEM_CALL, child, None, None)
            os.waitpid(child, 0)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def seconds_of_a_round() -> float:
    """The quickest of :data:`ROUNDS` rounds, in seconds of a processor."""
    return min(_round() for _ in range(ROUNDS))


def _round() -> float:
    begun = processor_seconds()
    start_programs(STARTS)
    follow_system_calls(CALLS)
    return processor_seconds() - begun


def processor_seconds() -> float:
    """What this process and those that it has waited for have used of a processor."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def slowness() -> float:
    """How many times slower this machine is than the reference; never below 1.

    A machine that seems far slower is measured again after a while: for half a minute after an
    installation one has been seen to take 4.8 times as long, and 1.2 times after that.
    """
    found = seconds_of_a_round()
    for _ in range(PATIENCE):
        if found < UNLIKELY * REFERENCE:
            break
        time.sleep(PAUSE)
        found = min(found, seconds_of_a_round())
    return max(1.0, found / REFERENCE)


if __name__ == "__main__":
    took = seconds_of_a_round()
    print(f"{took:.3f} s a round, {took / REFERENCE:.2f} times the reference")
    sys.exit(0)
