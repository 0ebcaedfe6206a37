"""The run's story: what was found, host by host, and at the end who is done and who is not.

Findings go to the log and, where ``SWARM_REASONS`` names a file, to it as well: one JSON object a
line, with the keys ``host``, ``part``, ``phase`` (``plan`` or ``apply``), ``kind`` (``change``,
``notice`` or ``refusal``), ``what``, ``reason``, ``expected``, ``found`` and ``remedy``.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import re
import shlex
import sys
from collections.abc import Sequence

import click
from pyinfra import logger
from pyinfra.api import Host, State
from pyinfra.api.state import BaseStateCallback, StateStage
from pyinfra.context import ctx_state

from cluster.findings import Finding
from operations.connection import connection_broke, notice_power_loss

_MARKS = {"change": ("~", "yellow"), "notice": ("!", "cyan"), "refusal": ("✗", "red")}

_told: set[tuple[str, str]] = set()
_failures: dict[str, str] = {}
_changed: dict[str, int] = {}
_met: set[str] = set()
_begun = False


def state() -> State:
    """The run's state."""
    found: State = ctx_state.get()
    return found


def phase() -> str:
    """``plan`` while pyinfra prepares, ``apply`` while it executes."""
    return "apply" if state().is_executing else "plan"


def begin(run: State, host: Host) -> None:
    """An operation starts on a host; the first of all starts the story."""
    global _begun
    if host.name not in _met:
        _met.add(host.name)
        notice_power_loss(host)
    if not _begun:
        _begun = True
        run.add_callback_handler(_Listener())


def tell(host: Host, part: str, findings: Sequence[Finding]) -> None:
    """Record the findings, each once a run."""
    for finding in findings:
        key = (host.name, finding.sentence())  # two parts may see the same: the first tells it
        if key in _told:
            continue
        _told.add(key)
        if finding.kind == "change":
            _changed[host.name] = _changed.get(host.name, 0) + 1
        mark, colour = _MARKS[finding.kind]
        host.log(click.style(f"{mark} {part} | {finding.sentence()}", fg=colour))
        _record({"host": host.name, "part": part, "phase": phase(), **finding.record()})


def failed(host: Host, message: str, *, told: bool = False) -> None:
    """A host will not be finished by this run, and why; ``told``: the log has it already."""
    _failures.setdefault(host.name, message)
    if not told:
        host.log_styled(message, fg="red", log_func=logger.error)


def _record(entry: dict[str, str]) -> None:
    path = os.environ.get("SWARM_REASONS")
    if path:
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")


class _Listener(BaseStateCallback):
    @staticmethod
    def operation_host_error(
        state: State, host: Host, op_hash: str, retry_count: int = 0, max_retries: int = 0
    ) -> None:
        name = " / ".join(sorted(state.get_op_meta(op_hash).names))
        if connection_broke(host):
            message = f"the connection broke during “{name}”; it may be without power or network"
        else:
            message = f"“{name}” failed; the command's output is above"
        _failures.setdefault(host.name, message)


# The last lines of a run
# -----------------------

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_PREFIX = re.compile(r"^\s*\[(?P<host>[^\]]+)\]\s+(?P<message>.*)", re.DOTALL)


class _ConnectErrors(logging.Handler):
    """pyinfra only logs why it could not connect; keep it for the last lines."""

    def emit(self, record: logging.LogRecord) -> None:
        if not ctx_state.isset() or state().current_stage != StateStage.Connect:
            return
        match = _PREFIX.match(_ANSI.sub("", record.getMessage()))
        if match:
            _failures.setdefault(match["host"], match["message"].strip())


def install() -> None:
    """Listen from the run's start and write its last lines at its end. Called by the inventory."""
    logging.getLogger("pyinfra").addHandler(_ConnectErrors(level=logging.ERROR))
    # A host that is down is said in a line; paramiko would add a page of traceback to it.
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)
    if not sys.stdin.isatty():
        # pyinfra asks whether to go on without the hosts that failed; nobody is there to answer,
        # and what the others do does not depend on the answer.
        state().should_raise_failed_hosts = lambda _: False
    atexit.register(_close)


def _close() -> None:
    run = state() if ctx_state.isset() else None
    if run is None or not run.initialised or not (run.op_meta or run.failed_hosts):
        return  # an ad-hoc fact, debug-inventory, or nothing at all
    hosts = [host for host in run.inventory if run.is_host_in_limit(host)]
    unfinished = [
        host for host in hosts if host in run.failed_hosts or host not in run.activated_hosts
    ]
    applied = run.current_stage >= StateStage.Execute
    # pyinfra ends a run early, too, when no host is left that it could go on with.
    ended = run.current_stage == StateStage.Disconnect or not applied or not run.active_hosts
    for line in closing_lines(
        hosts=[host.name for host in hosts],
        unfinished={h.name: _failures.get(h.name, "see the messages above") for h in unfinished},
        changed=_changed,
        applied=applied,
        interrupted=not ended,
        command=shlex.join(["pyinfra", *sys.argv[1:]]),
    ):
        click.echo(line, err=True)


def closing_lines(
    *,
    hosts: Sequence[str],
    unfinished: dict[str, str],
    changed: dict[str, int],
    applied: bool,
    interrupted: bool,
    command: str,
) -> list[str]:
    """The last lines of a run: which hosts are done, which are not and why, what to type next."""
    done = [name for name in hosts if name not in unfinished]
    lines = [""]
    if interrupted:
        lines.append("The run was ended before it was through; hosts may be half-way.")
    elif not unfinished:
        planned = sum(changed.get(name, 0) for name in hosts)
        if not planned:
            lines.append(f"All {len(hosts)} hosts are as declared. Nothing was changed.")
        elif applied:
            lines.append(f"All {len(hosts)} hosts are done: {planned} differences mended.")
        else:
            lines.append(f"{planned} differences on {len(hosts)} hosts; nothing was changed yet.")
    else:
        verb = "are done" if applied else "could be looked at, nothing was changed"
        names = f": {', '.join(done)}." if done else "."
        lines.append(f"{len(done)} of {len(hosts)} hosts {verb}{names}")
        for name, reason in unfinished.items():
            lines.append(f"  not done: {name}: {reason}")
    if interrupted or unfinished:
        lines += [
            "A run can be repeated at any time: what is done is left as it is. To go on, type:",
            f"  {command}",
        ]
    return lines
