"""The run's story: what was found, host by host, and at the end who is done and who is not.

Findings go to the log and, where ``SWARM_REASONS`` names a file, to it as well: one JSON object a
line, with the keys ``host``, ``part``, ``phase`` (``plan`` or ``apply``), ``kind`` (``change``,
``notice`` or ``refusal``), ``what``, ``reason``, ``expected``, ``found`` and ``remedy``.

The file, unlike the log, also gets what a program needs to judge the findings (records with
``host``, ``part``, ``phase``, ``kind`` and ``what``): ``looked`` where an operation (``what``) has
told all its findings about a host, with ``changes``; ``job`` where an operation is part of no
state; ``measure`` with a ``value``; ``busy`` with a ``reason`` and for how many ``seconds``, where
a plan meets another run; ``failed`` with a ``reason``, at the end, for a host that is not done.
docs/decisions/reasons.md has the rules.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import re
import shlex
import signal
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import FrameType
from typing import Any

import click
from pyinfra import logger
from pyinfra.api import Host, State

from pyinfra_swarm.run import lock_state as lock
from pyinfra_swarm.run import printed, pyinfra_internals
from pyinfra_swarm.run.connection import connection_broke, notice_power_loss
from pyinfra_swarm.run.findings import Finding
from pyinfra_swarm.run.printable import plain, plain_values

_MARKS = {"change": ("~", "yellow"), "notice": ("!", "cyan"), "refusal": ("✗", "red")}

_REASONS = "SWARM_REASONS = {path}: findings cannot be written there: {why}"

_told: set[tuple[str, str]] = set()
_to_change: set[tuple[str, str]] = set()
_measured: set[tuple[str, str, str, str]] = set()
_failures: dict[str, str] = {}
_without_sudo: dict[str, str] = {}
"""Hosts on which sudo wants a password, and what to do about it."""

_changed: dict[str, int] = {}
_noticed = 0
_busy = False
_interrupted = False
_unwritable = False
_broke_off = False
_met: set[str] = set()
_begun = False


def state() -> State:
    """The run's state."""
    return pyinfra_internals.run_state()


def phase() -> str:
    """``plan`` while pyinfra prepares, ``apply`` while it executes."""
    return "apply" if pyinfra_internals.is_executing(state()) else "plan"


def begin(run: State, host: Host) -> None:
    """An operation starts on a host; the first of all starts the story."""
    global _begun
    if host.name not in _met:
        _met.add(host.name)
        notice_power_loss(host)
    if not _begun:
        _begun = True
        pyinfra_internals.listen_for_errors(run, _operation_failed)


def report(host: Host, part: str, findings: Sequence[Finding]) -> None:
    """Record the findings, each once a run."""
    global _noticed
    if any(finding.kind == "change" for finding in findings):
        _to_change.add((host.name, part))
    for finding in findings:
        key = (host.name, finding.sentence())  # two parts may see the same: the first tells it
        if key in _told:
            continue
        _told.add(key)
        if finding.kind == "change":
            _changed[host.name] = _changed.get(host.name, 0) + 1
        elif finding.kind == "notice":
            _noticed += 1
        mark, colour = _MARKS[finding.kind]
        host.log(click.style(f"{mark} {part} | {finding.sentence()}", fg=colour))
        _record({"host": host.name, "part": part, "phase": phase(), **finding.record()})


def looked(host: Host, part: str) -> None:
    """The operation under way has told all that a plan holds about a host: nothing else differs.

    Recorded with it: whether its part has found changes there, told by it or by another before.
    """
    operation = pyinfra_internals.current_operation(host)
    if phase() == "apply" or not operation:
        return
    for name in pyinfra_internals.operation_names(state(), operation):
        _record(
            {
                "host": host.name,
                "part": part,
                "phase": phase(),
                "kind": "looked",
                "what": name,
                "changes": (host.name, part) in _to_change,
            }
        )


def asked_for(host: Host, part: str) -> None:
    """The operation under way is no part of a state: it is done when it is asked for."""
    operation = pyinfra_internals.current_operation(host)
    if phase() == "apply" or not operation:
        return
    for name in pyinfra_internals.operation_names(state(), operation):
        _record({"host": host.name, "part": part, "phase": "plan", "kind": "job", "what": name})


def measure(part: str, what: str, value: Any, *, host: str = "") -> None:
    """Record a value that is no finding, for reports: each once a run and phase.

    value: what JSON can hold, or a function that gives it, called only where it is recorded;
    host: its name, "" for what is said of the cluster as a whole.
    """
    key = (host, part, what, phase())
    if key not in _measured:
        _measured.add(key)
        _record(
            {
                "host": host,
                "part": part,
                "phase": phase(),
                "kind": "measure",
                "what": what,
                "value": value() if callable(value) else value,
            }
        )


def busy(host: Host, found: lock.Met) -> None:
    """Another run changes the cluster while this one plans; said once a run."""
    global _busy
    if _busy:
        return
    _busy, now = True, datetime.now()
    host.log(click.style(f"! lock | {lock.in_progress(found, now)}", fg="cyan"))
    _record(
        {
            "host": host.name,
            "part": "lock",
            "phase": phase(),
            "kind": "busy",
            "what": "cluster lock",
            "reason": found.sentence(now),
            "seconds": found.seconds,
        }
    )


def failed(host: Host, message: str, *, told: bool = False) -> None:
    """A host will not be finished by this run, and why; ``told``: the log has it already."""
    message = plain(message)
    _failures.setdefault(host.name, message)
    if not told:
        host.log_styled(message, fg="red", log_func=logger.error)


def _record(entry: Mapping[str, Any]) -> None:
    """Write a record. A disk that fills up here must not end a change half-way on a host.

    One line of ASCII each, whatever is in it: what is an end of a line is not the same everywhere.
    """
    global _unwritable
    path = os.environ.get("SWARM_REASONS")
    if not path or _unwritable:
        return
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(plain_values(entry)) + "\n")
    except OSError as error:
        _unwritable = True
        logger.error(f"{_REASONS.format(path=path, why=error.strerror)}; the run goes on without")


def _must_be_writable() -> None:
    path = os.environ.get("SWARM_REASONS")
    if path:
        try:
            open(path, "a").close()
        except OSError as error:
            logger.error(
                f"{_REASONS.format(path=path, why=error.strerror)}\n\n"
                "    instead: a file in a folder that is there, or unset it"
            )
            raise SystemExit(1) from error


def _operation_failed(run: State, host: Host, operation: str) -> None:
    name = " / ".join(pyinfra_internals.operation_names(run, operation))
    if connection_broke(host):
        message = f"the connection broke during “{name}”; it may be without power or network"
    else:
        message = f"“{name}” failed; the command's output is above"
    _failures.setdefault(host.name, message)


def _wants_a_password(host: Host) -> str:
    user = _login(host.name).get("ssh_user") or "USER"
    said = (
        f"sudo on {host.name} wants a password, and a run never asks for one. Let {user} use sudo "
        f"without a password. Type there: echo '{user} ALL=(ALL:ALL) NOPASSWD: ALL' | "
        f"sudo tee /etc/sudoers.d/{user}"
    )
    _without_sudo[host.name] = said
    return said


# The last lines of a run
# -----------------------

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_PREFIX = re.compile(r"^\s*\[(?P<host>[^\]]+)\]\s+(?P<message>.*)", re.DOTALL)


class _ConnectErrors(logging.Handler):
    """pyinfra only logs why it could not connect; keep it for the last lines."""

    def emit(self, record: logging.LogRecord) -> None:
        if not (pyinfra_internals.has_run_state() and pyinfra_internals.is_connecting(state())):
            return
        match = _PREFIX.match(_ANSI.sub("", record.getMessage()))
        if match:
            message = plain(match["message"].strip()) + _by_hand(match["host"])
            _failures.setdefault(match["host"], message)


def _login(name: str) -> Any:
    """How the run logs in to a host: what the inventory says of it."""
    return state().inventory.get_host(name).data


def _by_hand(name: str) -> str:
    """How to see with one's own eyes what keeps the run from connecting."""
    data = _login(name)
    if not data.get("ssh_hostname"):
        return ""
    command = ["ssh"]
    for option, key in (("-p", "ssh_port"), ("-i", "ssh_key")):
        value = str(data.get(key) or "")
        if value not in ("", "22"):
            command += [option, value]
    known = data.get("ssh_known_hosts_file")
    if known:
        command += ["-o", f"UserKnownHostsFile={known}"]
    return f". To see why: {shlex.join([*command, f'{data.ssh_user}@{data.ssh_hostname}'])}"


def install() -> None:
    """Listen from the run's start and write its last lines at its end. Called by the inventory."""
    _must_be_writable()
    printed.install()
    logging.getLogger("pyinfra").addHandler(_ConnectErrors(level=logging.ERROR))
    # A host that is down is said in a line; paramiko would add a page of traceback to it.
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)
    # pyinfra ends with status 0 when it is interrupted.
    signal.signal(signal.SIGINT, _interrupt)
    pyinfra_internals.never_ask_for_sudo_passwords(_wants_a_password)
    pyinfra_internals.end_commands_in_time()
    if not sys.stdin.isatty():
        _ask_nothing()
    pyinfra_internals.at_the_end(_notice_how_it_ends)
    atexit.register(_close)


def _notice_how_it_ends() -> None:
    """pyinfra ends every run it is through with by an exit status, and any other by an error."""
    global _broke_off
    run, end = state(), sys.exc_info()[1]
    regular = end is None or (isinstance(end, SystemExit) and end.code in (0, 1))
    # It gives up, too, when no host is left that it could go on with: each of them has its reason.
    begun, left = pyinfra_internals.is_begun(run), pyinfra_internals.is_left(run)
    _broke_off = begun and left and not regular


def _interrupt(number: int, frame: FrameType | None) -> None:
    global _interrupted
    _interrupted = True
    sys.exit(128 + number)


def interrupted() -> bool:
    """Whether the owner has ended the run (Ctrl-C); the hosts' greenlets are not told otherwise."""
    return _interrupted


def _ask_nothing() -> None:
    """Nobody is there to answer pyinfra's questions, which would end in an ``EOFError``."""
    # Whether to go on without the hosts that failed: what the others do does not depend on them.
    pyinfra_internals.go_on_without_failed_hosts(state())
    given = pyinfra_internals.given_options()
    answered = any(given.get(flag) for flag in ("yes", "dry", "json_output", "debug_operations"))
    asking = any(word.endswith(".py") for word in given.get("operations") or ())
    if asking and not answered:
        logger.error(
            "There is no terminal to ask at whether to go on. Give --dry to see what would change, "
            "or -y to do it: " + shlex.join(["pyinfra", "-y", *sys.argv[1:]])
        )
        raise SystemExit(1)


def _close() -> None:
    run = state() if pyinfra_internals.has_run_state() else None
    if run is None or not pyinfra_internals.is_begun(run):
        return
    failed = pyinfra_internals.failed_hosts(run)
    if not (pyinfra_internals.has_operations(run) or failed or _broke_off):
        return  # an ad-hoc fact, debug-inventory, or nothing at all
    hosts = [host for host in run.inventory if pyinfra_internals.is_in_limit(run, host)]
    unfinished = [
        host for host in hosts if host in failed or not pyinfra_internals.was_reached(run, host)
    ]
    applied = pyinfra_internals.was_carried_out(run)
    reasons = {host.name: _reason(host.name) for host in unfinished}
    ending = "apply" if applied else "plan"
    for name, reason in reasons.items():
        _record(
            {
                "host": name,
                "part": "",
                "phase": ending,
                "kind": "failed",
                "what": "host",
                "reason": reason,
            }
        )
    # pyinfra ends a run early, too, when no host is left that it could go on with.
    is_over, left = pyinfra_internals.is_over(run), pyinfra_internals.is_left(run)
    ended = is_over or not applied or not left
    for line in closing_lines(
        hosts=[host.name for host in hosts],
        unfinished=reasons,
        changed=_changed,
        applied=applied,
        notices=_noticed,
        broke_off=_broke_off and not _interrupted,
        interrupted=_interrupted or not ended,
        command=shlex.join(["pyinfra", *sys.argv[1:]]),
    ):
        click.echo(line, err=True)


def _reason(name: str) -> str:
    said = _failures.get(name, "see the messages above")
    more = _without_sudo.get(name, "")
    return said if not more or more in said else f"{said.rstrip('.')}. {more}"


def closing_lines(
    *,
    hosts: Sequence[str],
    unfinished: dict[str, str],
    changed: dict[str, int],
    notices: int,
    applied: bool,
    interrupted: bool,
    command: str,
    broke_off: bool = False,
) -> list[str]:
    """The last lines of a run: which hosts are done, which are not and why, what to type next."""
    done = [name for name in hosts if name not in unfinished]
    lines = [""]
    everyone = f"All {len(hosts)} hosts are" if len(hosts) != 1 else f"{hosts[0]} is"
    total = sum(changed.values())
    differences = f"{total} difference" + "s" * (total != 1)
    state_of_hosts = "hosts may be half-way" if applied else "nothing was changed"
    if broke_off:
        lines.append(f"The run broke off at the error above; {state_of_hosts}.")
    elif interrupted:
        lines.append(f"The run was ended before it was through; {state_of_hosts}.")
    elif unfinished:
        verb = "are done" if applied else "could be looked at"
        names = f": {', '.join(done)}." if done else "."
        lines.append(f"{len(done)} of {len(hosts)} hosts {verb}{names}")
        if done and not applied:
            lines.append(f"  {differences} found on them; nothing was changed.")
        for name, reason in unfinished.items():
            lines.append(f"  not done: {name}: {reason}")
    elif not total:
        but = f", but for what is marked ! above ({notices})" if notices else ""
        lines.append(f"{everyone} as declared{but}. Nothing was changed.")
    elif applied:
        rest = f" What is marked ! above ({notices}) is left to you." if notices else ""
        lines.append(f"{everyone} done: {differences} mended.{rest}")
    else:
        lines.append(
            f"{differences}, on {len(changed)} of {len(hosts)} hosts; nothing was changed yet."
        )
    if broke_off:
        lines += ["When that is mended, type:", f"  {command}"]
    elif interrupted or unfinished:
        lines += [
            "A run can be repeated at any time: what is done is left as it is. To go on, type:",
            f"  {command}",
        ]
    return lines
