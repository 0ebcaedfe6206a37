"""Ctrl-C: answered at once, and the end of the run in every phase, with status 130.

Python runs a signal's handler wherever the process happens to be: in the loop that waits for the
hosts, or in the greenlet in which paramiko reads what one of them says. An exception raised there
is lost without a word, and the connection with it. So the handler raises nothing. It answers, and
has the main greenlet end, which waits for all others.

While hosts are changed, nothing new is begun, and what is under way has some seconds: a change that
is guarded is confirmed, or undone, rather than left to the host's own timer.
docs/decisions/interruptions.md has the rules.
"""

from __future__ import annotations

import getpass
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import FrameType

import gevent
from gevent import monkey
from gevent.event import Event
from gevent.hub import getcurrent

from pyinfra_swarm.run import pyinfra_output
from pyinfra_swarm.run.context import is_executing, state, this_run

STATUS = 128 + signal.SIGINT

GRACE = 10
"""Seconds that a host has for what it is in the middle of."""

_AT_LAST = 15
"""Seconds after the grace in which all must be over. Then the process ends as it is."""

_DISCONNECTING = 5
"""Seconds for taking leave of the hosts."""


@dataclass
class _Interruption:
    """under_way, guarded: the hosts that are being changed, and those whose change is guarded.

    confirming: those of the guarded that have been sent the confirmation, and have not answered.
    over: the last lines are being written: there is nothing to interrupt any more.
    """

    happened: bool = False
    over: bool = False
    under_way: set[str] = field(default_factory=set)
    guarded: dict[str, str] = field(default_factory=dict)
    confirming: set[str] = field(default_factory=set)


def interrupted() -> bool:
    """Whether the owner has interrupted the run."""
    return this_run(_Interruption).happened


def too_late() -> None:
    """The run has come to its end: from now on an interruption changes nothing."""
    this_run(_Interruption).over = True


def notice_interruptions(last_lines: Callable[[], None]) -> None:
    """From now on, an interruption ends the run with the status that shells expect.

    last_lines: writes the run's last lines where the process has to be ended from outside.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        _interrupt(frame, last_lines)

    signal.signal(signal.SIGINT, interrupt)
    pyinfra_output.before_disconnecting(_let_go)


def _interrupt(frame: FrameType | None, last_lines: Callable[[], None]) -> None:
    kept = this_run(_Interruption)
    if kept.over:
        return
    again, kept.happened = kept.happened, True
    if not again:
        _answer(changing=bool(kept.under_way))
        _end_at_last(last_lines)
    if _waits_for_a_password(frame):
        sys.exit(STATUS)  # nothing else runs until it is typed
    if again:
        _end_main()
    else:
        gevent.spawn(_end_soon)


def _answer(*, changing: bool) -> None:
    """Past all buffers: the one that is just being written to takes nothing from a handler."""
    said = "Ending."
    if changing:
        said = (
            f"Ending: what hosts are in the middle of may take {GRACE} seconds more. "
            "Ctrl-C again ends it at once."
        )
    with suppress(OSError):
        os.write(2, f"\n    {said}\n".encode())


def _waits_for_a_password(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == getpass.__file__:
            return True
        frame = frame.f_back
    return False


def _end_soon() -> None:
    kept, deadline = this_run(_Interruption), time.monotonic() + GRACE
    while kept.under_way and time.monotonic() < deadline:
        gevent.sleep(0.05)
    _end_main()


def _end_main() -> None:
    hub = gevent.get_hub()
    assert hub.parent is not None  # the main greenlet
    hub.loop.run_callback(hub.parent.throw, SystemExit(STATUS))


def _end_at_last(last_lines: Callable[[], None]) -> None:
    """End the process from a thread of its own, should nothing else: none of it is waited for."""
    start = monkey.get_original("_thread", "start_new_thread")
    sleep = monkey.get_original("time", "sleep")

    def end() -> None:
        sleep(GRACE + _AT_LAST)
        with suppress(Exception):
            last_lines()
        os._exit(STATUS)

    start(end, ())


def _let_go() -> None:
    """Before pyinfra disconnects, which waits for a free place among the greenlets at work."""
    if interrupted():
        pyinfra_output.end_all_work(state(), _DISCONNECTING)


def stop_if_interrupted(name: str) -> None:
    """Begin nothing more on a host once the run is interrupted; call it between two steps.

    It does not return then: the main greenlet ends the run, and others wait for that. If they
    ended, pyinfra would take the operation for done, and begin the next.
    """
    kept = this_run(_Interruption)
    if not (kept.happened and is_executing()):
        return
    kept.under_way.discard(name)
    if getcurrent() is gevent.get_hub().parent:
        sys.exit(STATUS)
    Event().wait()


@contextmanager
def under_way(name: str) -> Iterator[None]:
    """A host is in the middle of a step that should come to its end."""
    kept = this_run(_Interruption)
    kept.under_way.add(name)
    try:
        yield
    finally:
        kept.under_way.discard(name)


def guarded(name: str, what: str) -> None:
    """A host undoes a change by itself unless it is confirmed. what: the change's subject."""
    this_run(_Interruption).guarded[name] = what


def confirming(name: str) -> None:
    """The confirmation is on its way to the host: it may have arrived, whatever comes now."""
    this_run(_Interruption).confirming.add(name)


def no_longer_guarded(name: str) -> None:
    """The change is confirmed or undone, or the run has said what has become of it."""
    this_run(_Interruption).guarded.pop(name, None)
    this_run(_Interruption).confirming.discard(name)


def left_guarded() -> dict[str, str]:
    """The hosts that undo a change by themselves, since the run was ended in between."""
    return dict(this_run(_Interruption).guarded)


def left_confirming() -> set[str]:
    """Those of them that do so unless the confirmation has reached them."""
    return set(this_run(_Interruption).confirming)
