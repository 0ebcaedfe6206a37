"""Ctrl-C: pyinfra would end with status 0, and the hosts' greenlets would not learn of it."""

from __future__ import annotations

import signal
import sys
from dataclasses import dataclass
from types import FrameType

from pyinfra_swarm.run.context import this_run


@dataclass
class _Interruption:
    happened: bool = False


def interrupted() -> bool:
    """Whether the owner has interrupted the run."""
    return this_run(_Interruption).happened


def notice_interruptions() -> None:
    """From now on, an interruption ends the run with the status that shells expect."""
    signal.signal(signal.SIGINT, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    this_run(_Interruption).happened = True
    sys.exit(128 + number)
