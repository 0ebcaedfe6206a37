"""What a run reports of each host: its findings, and why it is not done.

It goes to the log and to the reasons channel (:mod:`run.records`), and is kept for the run's last
lines (:mod:`run.ending`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import click
from pyinfra import logger
from pyinfra.api import Host, State

from pyinfra_swarm.run import lock_state as lock
from pyinfra_swarm.run import no_answer, pyinfra_internals, records
from pyinfra_swarm.run.connection import connection_broke, notice_power_loss
from pyinfra_swarm.run.context import phase, this_run
from pyinfra_swarm.run.findings import Finding
from pyinfra_swarm.run.printable import plain

_MARKS = {"change": ("~", "yellow"), "notice": ("!", "cyan"), "refusal": ("✗", "red")}


@dataclass
class Reported:
    """What the run has reported until now.

    sentences: by the host's name; parts_to_change: host and part with a change.
    changes, failures: the number of changes, and why a host is not done, by the host's name.
    begun_on: hosts on which an operation has begun.
    stopped: hosts on which the plan goes on although nothing will be carried out there.
    not_looked_at: by the host's name, the operations of the plan that could not judge it.
    """

    sentences: set[tuple[str, str]] = field(default_factory=set)
    parts_to_change: set[tuple[str, str]] = field(default_factory=set)
    changes: dict[str, int] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    begun_on: set[str] = field(default_factory=set)
    stopped: set[str] = field(default_factory=set)
    not_looked_at: dict[str, list[str]] = field(default_factory=dict)
    notices: int = 0
    another_run: bool = False


def begin(run: State, host: Host) -> None:
    """An operation begins on a host."""
    begun_on = this_run(Reported).begun_on
    if not begun_on:
        pyinfra_internals.listen_for_errors(run, _operation_failed)
    if host.name not in begun_on:
        begun_on.add(host.name)
        notice_power_loss(host)


def report(host: Host, part: str, findings: Sequence[Finding]) -> None:
    """Report the findings, each once a run."""
    reported = this_run(Reported)
    if any(finding.kind == "change" for finding in findings):
        reported.parts_to_change.add((host.name, part))
    for finding in findings:
        key = (host.name, finding.sentence())  # two parts may see the same: the first reports it
        if key in reported.sentences:
            continue
        reported.sentences.add(key)
        if finding.kind == "change":
            reported.changes[host.name] = reported.changes.get(host.name, 0) + 1
        elif finding.kind == "notice":
            reported.notices += 1
        mark, colour = _MARKS[finding.kind]
        host.log(click.style(f"{mark} {part} | {finding.sentence()}", fg=colour))
        records.record({"host": host.name, "part": part, "phase": phase(), **finding.record()})


def looked(host: Host, part: str) -> None:
    """The operation under way has reported all that a plan holds: nothing else differs here."""
    records.looked(host, part, changes=(host.name, part) in this_run(Reported).parts_to_change)


def not_looked_at(host: Host, part: str, why: str, *, said: bool = False) -> None:
    """The operation under way cannot judge the host, and why. said: the log has that already."""
    if phase() == "apply":
        return
    names = records.not_looked_at(host, part, why)
    this_run(Reported).not_looked_at.setdefault(host.name, []).extend(names)
    if not said:
        for name in names:
            host.log(click.style(f"! {part} | not looked at: {name}: {plain(why)}", fg="cyan"))


def busy(host: Host, found: lock.Met) -> None:
    """Another run changes the cluster while this one plans; reported once a run."""
    reported = this_run(Reported)
    if reported.another_run:
        return
    reported.another_run, now = True, datetime.now()
    host.log(click.style(f"! lock | {lock.in_progress(found, now)}", fg="cyan"))
    records.record(
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


def failed(host: Host, message: str, *, logged: bool = False) -> None:
    """This run will not finish a host, and why. logged: the log has the message already."""
    message = plain(message)
    failed_by_name(host.name, message)
    if not logged:
        host.log_styled(message, fg="red", log_func=logger.error)


def stopped(host: Host, message: str, *, logged: bool = False) -> None:
    """The same of a host with which the plan goes on."""
    this_run(Reported).stopped.add(host.name)
    failed(host, message, logged=logged)


def failed_by_name(name: str, message: str) -> None:
    """The same where the log has the message already. The first reason of a host is kept."""
    this_run(Reported).failures.setdefault(name, message)


def _operation_failed(run: State, host: Host, operation: str) -> None:
    name = " / ".join(pyinfra_internals.operation_names(run, operation))
    if connection_broke(host):
        message = no_answer.in_a_command(name)
    else:
        message = f"“{name}” failed; the command's output is above"
    failed_by_name(host.name, message)
