"""Some work in forks of this process: a few at a time, each with an end."""

from __future__ import annotations

import gc
import math
import os
import resource
import select
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

ENDED_BADLY = 1
MEMORY = 6 << 30


@dataclass(frozen=True)
class Job:
    """What to do, with the exit code as its answer; seconds: what it takes where all is well."""

    work: Callable[[], int]
    seconds: float


def ends(jobs: Mapping[int, Job], workers: int) -> dict[int, int]:
    """Do all jobs, the quickest first; how each has ended.

    Whatever raises, dies or takes far too long (on the processor, or asleep) has ended badly.
    """
    waiting = sorted(jobs, key=lambda number: -jobs[number].seconds)
    running: dict[int, tuple[int, int, float]] = {}
    ended: dict[int, int] = {}
    while waiting or running:
        while waiting and len(running) < workers:
            number = waiting.pop()
            pid = _forked(jobs[number])
            deadline = time.monotonic() + 30 + 30 * jobs[number].seconds
            running[os.pidfd_open(pid)] = number, pid, deadline
        left = min(deadline for *_, deadline in running.values()) - time.monotonic()
        ready, _, _ = select.select(list(running), [], [], max(left, 0))
        for handle in ready or [h for h, r in running.items() if r[2] <= time.monotonic()]:
            number, pid, _ = running.pop(handle)
            with suppress(ProcessLookupError):  # its group, with what it has started
                os.killpg(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            os.close(handle)
            ended[number] = os.waitstatus_to_exitcode(status)
    return ended


def silence() -> None:
    """Nothing is read from here on, and nothing told."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)


def _forked(job: Job) -> int:
    pid = os.fork()
    if pid == 0:
        code = ENDED_BADLY
        try:
            os.setsid()
            silence()
            gc.freeze()  # what this process holds is not looked through on the job's time
            limit = math.ceil(3 + 10 * job.seconds)
            resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 1))
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            code = job.work()
        finally:
            os._exit(code)
    return pid
