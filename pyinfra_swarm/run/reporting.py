"""What a run reports of each host: its findings, and why it is not done.

It goes to the log and to the reasons channel (:mod:`run.records`), and is kept for the run's last
lines (:mod:`run.ending`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import click
from pyinfra import logger
from pyinfra.api import Host, State

from pyinfra_swarm.run import lock_state as lock
from pyinfra_swarm.run import no_answer, pyinfra_internals, records, screen
from pyinfra_swarm.run.connection import connection_broke, notice_power_loss
from pyinfra_swarm.run.context import is_executing, phase, this_run
from pyinfra_swarm.run.findings import Finding
from pyinfra_swarm.run.printable import plain
from pyinfra_swarm.run.reported import Reported
from pyinfra_swarm.run.telling import COLOURS, MARKS, Told


def begin(run: State, host: Host) -> None:
    """An operation begins on a host."""
    reported = this_run(Reported)
    reported.operations.add(pyinfra_internals.current_operation(host))
    begun_on = reported.begun_on
    if not begun_on:
        pyinfra_internals.listen_for_errors(run, _operation_failed)
    if host.name not in begun_on:
        begun_on.add(host.name)
        notice_power_loss(host)


def report(host: Host, part: str, findings: Sequence[Finding]) -> None:
    """Report the findings, each once a run."""
    reported, changes = this_run(Reported), False
    here = host.name, pyinfra_internals.current_operation(host)
    for finding in findings:
        told = Told(host.name, part, finding)
        if finding.kind == "change":
            changes = True
            reported.changing.add(here)
            if is_executing():
                reported.at_work.setdefault(here, []).append(told)
        key = (host.name, finding.sentence())  # two parts may see the same: the first reports it
        if key in reported.sentences:
            continue
        reported.sentences.add(key)
        reported.told.append(told)
        if not screen.is_quiet():
            words = finding.sentence()
        elif is_executing():
            words = finding.told
        else:
            words = ""  # the plan will tell it, once for all hosts
        if words and (host.name, words) not in reported.shown:
            reported.shown.add((host.name, words))
            line = f"{MARKS[finding.kind]} {part} | {words}"
            host.log(click.style(line, fg=COLOURS[finding.kind]))
        records.record({"host": host.name, "part": part, "phase": phase(), **finding.record()})
    if changes:
        reported.parts_to_change.add((host.name, part))


def begun(host: Host) -> None:
    """A command of an operation is about to be carried out on a host."""
    this_run(Reported).touched.add(host.name)


def carried_out(host: Host) -> None:
    """The operation under way has made its changes on a host."""
    reported = this_run(Reported)
    done = reported.at_work.pop((host.name, pyinfra_internals.current_operation(host)), [])
    reported.carried_out += [one for one in done if one not in reported.carried_out]


def made(host: Host, part: str, finding: Finding) -> None:
    """A change is made, and what it has begun is only awaited: an interrupted run names it, too."""
    this_run(Reported).made.append(Told(host.name, part, finding))


def looked(host: Host, part: str) -> None:
    """The operation under way has reported all that a plan holds: nothing else differs here."""
    records.looked(host, part, changes=(host.name, part) in this_run(Reported).parts_to_change)


def not_looked_at(host: Host, part: str, why: str, *, said: bool = False) -> None:
    """The operation under way cannot judge the host, and why. said: the log has that already."""
    if phase() == "apply":
        return
    names = records.not_looked_at(host, part, why)
    this_run(Reported).not_looked_at.setdefault(host.name, []).extend(names)
    if not said and not screen.is_quiet():  # else the plan says it
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
    if not logged and (is_executing() or not screen.is_quiet()):  # else the plan says it
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
