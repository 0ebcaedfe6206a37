"""pyinfra's command line: what it prints, known by what it says; its plan, its results, its end.

Private to pyinfra like all that is in :mod:`run.pyinfra_internals`, and with tests of the same
names (``tests/unit/run/test_pyinfra_output.py``). A line that a later release words in another way
is printed as it comes; nothing is decided by it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import click
from pyinfra.api import State

from pyinfra_swarm.run.pyinfra_internals import run_state


def pyinfra_command_line() -> Any:
    """The module of pyinfra's command line, where this process is one; else None.

    To import it would patch all of Python.
    """
    return sys.modules.get("pyinfra_cli.cli")


def show_by(
    *,
    plan: Callable[[State], None],
    results: Callable[[State], None],
    confirm: Callable[[State], bool],
) -> None:
    """Have pyinfra's command line show the plan and the results by these functions, and ask by one.

    confirm: whether to carry out the plan. What pyinfra says below its own table, that a plan may
    not be all, is not said: each of our operations reports the whole of its own.
    """
    if (line := pyinfra_command_line()) is None:
        return
    for name in ("print_meta", "print_results", "_do_confirm", "click"):
        getattr(line, name)  # an error where pyinfra shows them in another way
    line.print_meta, line.print_results = plan, results
    line._do_confirm = lambda _: confirm(run_state())
    line.click = _WithoutDoubts()


class _WithoutDoubts:
    """The module ``click`` for pyinfra's command line, which doubts its plan by ``echo``."""

    def __getattr__(self, name: str) -> Any:
        return getattr(click, name)

    @staticmethod
    def echo(message: Any = None, *args: Any, **kwargs: Any) -> None:
        if not (isinstance(message, str) and DOUBTS in message):
            click.echo(message, *args, **kwargs)


DOUBTS = "Detected changes may not include every change pyinfra will execute"


def before_disconnecting(work: Callable[[], None]) -> None:
    """Have a function called before pyinfra's command line disconnects from the hosts."""
    if (line := pyinfra_command_line()) is not None:
        disconnect_all = line.disconnect_all

        def disconnect(state: State) -> None:
            work()
            disconnect_all(state)

        line.disconnect_all = disconnect


def end_all_work(state: State, seconds: float) -> None:
    """End all that pyinfra does for its hosts now; at most so many seconds are waited for it."""
    for pool in (state.pool, state.fact_pool):
        pool.kill(timeout=seconds)


def operations_in_order(state: State) -> list[str]:
    """The hashes of all operations, in the order in which they are carried out."""
    return list(state.get_op_order())


def planned_changes(state: State, operation: str) -> list[str]:
    """The names of the hosts on which an operation would do something, as far as pyinfra knows."""
    return [
        host.name
        for host in state.inventory.iter_activated_hosts()
        if operation in state.ops[host]
        and state.get_op_data_for_host(host, operation).operation_meta._maybe_is_change
    ]


def changed_by(state: State, operation: str) -> list[str]:
    """The names of the hosts on which an operation has done something."""
    return [
        host.name
        for host in state.inventory.iter_activated_hosts()
        if operation in state.ops[host]
        and (meta := state.get_op_data_for_host(host, operation).operation_meta).is_complete()
        and meta.did_change()
    ]


class Says(Enum):
    """What a line of pyinfra's log is about."""

    PHASE = "a phase begins"
    PLANNING = "the planning begins"
    OPERATION = "an operation begins"
    LOADING = "a deploy file is read"
    CONNECTED = "a host is connected"
    PLANNED = "a host has been planned"
    CHANGED = "an operation has done something on a host"
    UNCHANGED = "an operation had nothing to do on a host"
    COUNT = "how many commands a failed operation has executed on a host"
    OF_A_HOST = "anything else of a host"
    NOBODY_LEFT = "there is no host left"
    OTHER = "anything else"


@dataclass(frozen=True)
class LogLine:
    """A line of pyinfra's log. host: whom it is about, "" for nobody; text: the rest."""

    says: Says
    text: str
    host: str = ""


_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_OF_A_HOST = re.compile(r"\[(?P<host>[^\]]+)\]\s+(?P<text>.*)", re.DOTALL)
_OPERATION = re.compile(r"--> Starting (?:[a-z, ]+ )?operation: (?P<text>.*)")
_PHASES = (
    "--> Beginning operation run",
    "--> Detected changes",
    "--> Disconnecting from hosts",
    "--> Results",
    "--> Skipping change detection",
)
_OF_HOSTS = {
    "Connected": Says.CONNECTED,
    "Ready:": Says.PLANNED,
    "Success": Says.CHANGED,
    "No changes": Says.UNCHANGED,
    "Skipped": Says.UNCHANGED,
    "Error: executed ": Says.COUNT,
}


def log_line(message: str) -> LogLine:
    """What a line of pyinfra's log says. One that is not known is told as it is."""
    text = _COLOURS.sub("", message).strip()
    if match := _OPERATION.fullmatch(text):
        return LogLine(Says.OPERATION, match["text"].strip())
    if text.startswith("--> Preparing operation files"):
        return LogLine(Says.PLANNING, text)
    if text.startswith(_PHASES):
        return LogLine(Says.PHASE, text)
    if text.startswith("Loading: "):
        return LogLine(Says.LOADING, text)
    if text.endswith("No hosts remaining!"):
        return LogLine(Says.NOBODY_LEFT, text)
    if match := _OF_A_HOST.fullmatch(text):
        words = match["text"]
        known = (says for start, says in _OF_HOSTS.items() if words.startswith(start))
        return LogLine(next(known, Says.OF_A_HOST), words, match["host"])
    return LogLine(Says.OTHER, text)


def without_source(message: str) -> str:
    """An error as pyinfra logs it, without the line of the source that has raised it."""
    return _SOURCE.sub(r"\1", message)


_SOURCE = re.compile(r"(error) in \S+ line \d+(?=\W)")
