"""The last lines of a run: which hosts are done, which are not and why, and what to type next."""

from __future__ import annotations

import atexit
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import click

from pyinfra_swarm.run import own_words, pyinfra_internals, records
from pyinfra_swarm.run.context import state, this_run
from pyinfra_swarm.run.interruption import interrupted
from pyinfra_swarm.run.reporting import Reported
from pyinfra_swarm.run.sudo_password import without_a_password
from pyinfra_swarm.run.wording import counted


@dataclass
class _Ending:
    stopped_by_error: bool = False


def write_last_lines() -> None:
    """Have the last lines written when the process ends."""
    pyinfra_internals.at_the_end(_notice_how_it_ends)
    atexit.register(_write)


def _notice_how_it_ends() -> None:
    """pyinfra ends every run it is through with by an exit status, and any other by an error."""
    run, end = state(), sys.exc_info()[1]
    regular = end is None or (isinstance(end, SystemExit) and end.code in (0, 1))
    # It gives up, too, when no host is left that it could go on with: each of them has its reason.
    begun, left = pyinfra_internals.is_begun(run), pyinfra_internals.is_left(run)
    this_run(_Ending).stopped_by_error = begun and left and not regular


def _write() -> None:
    run = state() if pyinfra_internals.has_run_state() else None
    if run is None or not pyinfra_internals.is_begun(run):
        return
    failed = pyinfra_internals.failed_hosts(run)
    stopped_by_error = this_run(_Ending).stopped_by_error
    if not (pyinfra_internals.has_operations(run) or failed or stopped_by_error):
        return  # an ad-hoc fact, debug-inventory, or nothing at all
    hosts = [host for host in run.inventory if pyinfra_internals.is_in_limit(run, host)]
    unfinished = [
        host for host in hosts if host in failed or not pyinfra_internals.was_reached(run, host)
    ]
    applied = pyinfra_internals.was_carried_out(run)
    reported = this_run(Reported)
    reasons = {host.name: _reason(host.name, reported) for host in unfinished}
    missing = {} if applied else reported.not_looked_at
    for name, reason in reasons.items():
        records.record(
            {
                "host": name,
                "part": "",
                "phase": "apply" if applied else "plan",
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
        looked_at=[name for name in reported.stopped if name not in missing],
        missing=missing,
        changed=reported.changes,
        applied=applied,
        notices=reported.notices,
        stopped_by_error=stopped_by_error and not interrupted(),
        interrupted=interrupted() or not ended,
        command=own_words.command(),
    ):
        click.echo(line, err=True)


def _reason(name: str, reported: Reported) -> str:
    said = reported.failures.get(name, "see the messages above")
    more = without_a_password(name)
    return said if not more or more in said else f"{said.rstrip('.')}. {more}"


def closing_lines(
    *,
    hosts: Sequence[str],
    unfinished: Mapping[str, str],
    changed: Mapping[str, int],
    notices: int,
    applied: bool,
    interrupted: bool,
    command: str,
    looked_at: Collection[str] = (),
    missing: Mapping[str, Sequence[str]] | None = None,
    stopped_by_error: bool = False,
) -> list[str]:
    """The last lines of a run: which hosts are done, which are not and why, what to type next.

    looked_at: unfinished hosts of which the plan has judged everything all the same; missing: by
    the host's name, what it could not judge of others.
    """
    done = [name for name in hosts if name not in unfinished]
    lines = [""]
    everyone = f"All {len(hosts)} hosts are" if len(hosts) != 1 else f"{hosts[0]} is"
    total = sum(changed.values())
    differences, items = counted(total, "difference"), counted(notices, "item")
    state_of_hosts = "some hosts may be only partly changed" if applied else "nothing was changed"
    if stopped_by_error:
        lines.append(f"The run stopped at the error above; {state_of_hosts}.")
    elif interrupted:
        lines.append(f"The run was interrupted; {state_of_hosts}.")
    elif unfinished:
        state = "are done" if applied else "could be looked at"
        if not applied:
            done = [name for name in hosts if name in done or name in looked_at]
        names = f": {', '.join(done)}." if done else "."
        lines.append(f"{len(done)} of {len(hosts)} hosts {state}{names}")
        if done and not applied:
            lines.append(f"  {differences} found on them; nothing was changed.")
        for name, reason in unfinished.items():
            lines.append(f"  not done: {name}: {reason}")
            if left := (missing or {}).get(name):
                lines.append(f"    not looked at: {'; '.join(left)}")
    elif not total:
        but = f", except for the {items} marked ! above" if notices else ""
        lines.append(f"{everyone} as declared{but}. Nothing was changed.")
    elif applied:
        left = f" {items} marked ! above {'is' if notices == 1 else 'are'} left to you."
        rest = left if notices else ""
        lines.append(f"{everyone} done: {differences} fixed.{rest}")
    else:
        lines.append(
            f"{differences}, on {len(changed)} of {len(hosts)} hosts; nothing was changed yet."
        )
    if stopped_by_error:
        lines += ["When that is fixed, type:", f"  {command}"]
    elif interrupted or unfinished:
        lines += [
            "A run can be repeated at any time; it leaves what is done as it is. To go on, type:",
            f"  {command}",
        ]
    return lines
