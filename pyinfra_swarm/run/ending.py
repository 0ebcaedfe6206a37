"""The last lines of a run: which hosts are done, which are not and why, and what to type next."""

from __future__ import annotations

import atexit
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import click

from pyinfra_swarm.run import own_words, pyinfra_internals, records, screen
from pyinfra_swarm.run.context import state, this_run
from pyinfra_swarm.run.findings import KINDS
from pyinfra_swarm.run.interruption import (
    interrupted,
    left_confirming,
    left_guarded,
    too_late,
)
from pyinfra_swarm.run.plan_shown import done
from pyinfra_swarm.run.reported import Reported
from pyinfra_swarm.run.sudo_password import without_a_password
from pyinfra_swarm.run.telling import Told, grouped, held_up, lines, named, tally
from pyinfra_swarm.run.wording import clock, counted


@dataclass
class _Ending:
    stopped_by_error: bool = False
    written: bool = False


def write_last_lines() -> None:
    """Have the last lines written when the process ends."""
    pyinfra_internals.at_the_end(_notice_how_it_ends)
    atexit.register(last_lines)


def _notice_how_it_ends() -> None:
    """pyinfra ends every run it is through with by an exit status, and any other by an error."""
    run, end = state(), sys.exc_info()[1]
    regular = end is None or (isinstance(end, SystemExit) and end.code in (0, 1))
    # It gives up, too, when no host is left that it could go on with: each of them has its reason.
    begun, left = pyinfra_internals.is_begun(run), pyinfra_internals.is_left(run)
    this_run(_Ending).stopped_by_error = begun and left and not regular


def last_lines() -> None:
    """Write the last lines of the run, whatever it has come to; once."""
    run = state() if pyinfra_internals.has_run_state() else None
    if run is None or not pyinfra_internals.is_begun(run) or this_run(_Ending).written:
        return
    failed = pyinfra_internals.failed_hosts(run)
    stopped_by_error = this_run(_Ending).stopped_by_error
    begun = pyinfra_internals.has_operations(run) or failed or stopped_by_error
    if not (begun or interrupted()):
        return  # an ad-hoc fact, debug-inventory, or nothing at all
    this_run(_Ending).written = True
    too_late()
    screen.finish()
    hosts = [host for host in run.inventory if pyinfra_internals.is_in_limit(run, host)]
    unfinished = [
        host
        for host in hosts
        if host in failed or not (interrupted() or pyinfra_internals.was_reached(run, host))
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
    broken_off = interrupted() or not (is_over or not applied or not left)
    if screen.is_quiet() and reported.told and not (applied or broken_off):
        screen.show_plan()  # where planning came to no end, what was found until then
    refused = {one.host for one in reported.told if one.finding.kind == "refusal"}
    if reported.plan_shown and not applied:  # right above, with the reason
        reasons |= {name: _REFUSED for name in reasons if name in refused}
    end = End(
        hosts=[host.name for host in hosts],
        told=reported.told,
        carried_out=_carried_out(reported, broken_off=broken_off),
        other=screen.without_a_reason(done=applied, ours=False),
        unfinished=reasons,
        looked_at=[name for name in reported.stopped if name not in missing] + [*refused],
        held_up=[name for name in reasons if name not in reported.refused_beside],
        missing=missing,
        touched=sorted(reported.touched),
        guarded=left_guarded(),
        confirming=left_confirming(),
        applied=applied,
        stopped_by_error=stopped_by_error and not interrupted(),
        interrupted=broken_off,
        seconds=screen.seconds(),
        command=own_words.command(),
    )
    for line in closing_lines(end):
        click.echo(own_words.as_typed(line), err=True)


def _carried_out(reported: Reported, *, broken_off: bool) -> list[Told]:
    """The changes that were made; where a run was broken off, those of what it was at as well."""
    more = reported.made if broken_off else []
    return [*reported.carried_out, *(one for one in more if one not in reported.carried_out)]


_REFUSED = "refused, as is marked ✗ above"


def _reason(name: str, reported: Reported) -> str:
    said = reported.failures.get(name, "see the messages above")
    more = without_a_password(name)
    return said if not more or more in said else f"{said.rstrip('.')}. {more}"


@dataclass(frozen=True)
class End:
    """What a run has come to.

    hosts: all that it was to work on; unfinished: why a host is not done, by its name.
    told: what was found; carried_out: the changes that were made; touched: where any was begun.
    looked_at: unfinished hosts that the plan has judged all the same, as far as it could; missing:
    by the host's name, what it could not judge.
    held_up: unfinished hosts on which nothing is carried out.
    other: operations of others that would do something, or have done it, by name, with the hosts.
    guarded: hosts that undo a change by themselves, and its subject; confirming: those that do so
    unless the confirmation has reached them.
    applied: changes were made, or begun, else it was only planned.
    command: how it was started; seconds: how long it took.
    """

    hosts: Sequence[str]
    command: str
    told: Sequence[Told] = ()
    carried_out: Sequence[Told] = ()
    other: Sequence[tuple[str, Sequence[str]]] = ()
    unfinished: Mapping[str, str] = field(default_factory=dict)
    looked_at: Collection[str] = ()
    held_up: Collection[str] = ()
    missing: Mapping[str, Sequence[str]] = field(default_factory=dict)
    touched: Sequence[str] = ()
    guarded: Mapping[str, str] = field(default_factory=dict)
    confirming: Collection[str] = ()
    applied: bool = True
    interrupted: bool = False
    stopped_by_error: bool = False
    seconds: float = 0


def closing_lines(end: End) -> list[str]:
    """The last lines of a run: what was done by host, what is not and why, what to type next."""
    text = [""]
    if end.stopped_by_error:
        text.append(f"The run stopped at the error above; {_state_of_hosts(end)}.")
    elif end.interrupted:
        text.append(f"The run was interrupted; {_state_of_hosts(end)}.")
    else:
        text.append(_verdict(end))
    text += [f"  {line}" for line in done(end.carried_out, end.hosts)]
    if end.applied:
        text += [f"  {named(hosts, end.hosts)}: {name}" for name, hosts in end.other]
    for same in grouped(end.unfinished.items(), lambda one: (one[1], _missing(end, one[0]))):
        names = named([name for name, _ in same], end.hosts)
        text.append(f"  not done: {names}: {same[0][1]}")
        if missing := _missing(end, same[0][0]):
            text.append(f"    not looked at: {missing}")
    for name, subject in end.guarded.items():
        unless = (
            "unless the confirmation, which was on its way, has reached it"
            if name in end.confirming
            else "as nobody has confirmed it"
        )
        text.append(f"  {name} undoes its change of {subject} by itself, {unless}")
    if end.stopped_by_error or (end.unfinished and not (end.applied or end.interrupted)):
        text += ["When that is fixed, type:", f"  {end.command}"]
    elif end.interrupted or end.unfinished:
        text += [
            "A run can be repeated at any time; it leaves what is done as it is. To go on, type:",
            f"  {end.command}",
        ]
    return text


def _missing(end: End, name: str) -> str:
    return "; ".join(end.missing.get(name, ()))


def _state_of_hosts(end: End) -> str:
    if not end.applied or not end.touched:
        return "nothing was changed"
    return f"{named(end.touched, end.hosts)} may be only partly changed"


def _verdict(end: End) -> str:
    done = [name for name in end.hosts if name not in end.unfinished]
    if not end.applied:
        done = [name for name in end.hosts if name in done or name in end.looked_at]
    found = lines(end.told)
    kinds = [line.kind for line in found]
    everyone = f"All {len(end.hosts)} hosts are" if len(end.hosts) != 1 else f"{end.hosts[0]} is"
    if end.unfinished:
        state = "are done" if end.applied else "could be looked at"
        names = f": {_all_named(done, end.hosts)}." if done else "."
        if partly := [name for name in done if not end.applied and name in end.missing]:
            names += f" Only in part: {_all_named(partly, end.hosts)}."
        counts = _counted(end, kinds)
        return f"{len(done)} of {len(end.hosts)} hosts {state}{names}" + (
            f" {counts}." if counts else ""
        )
    if "change" not in kinds and not end.other:
        notices = counted(kinds.count("notice"), "item") if "notice" in kinds else ""
        but = f", except for the {notices} marked ! above" if notices else ""
        return f"{everyone} as declared{but}. Nothing was changed."
    if end.applied:
        counts = _counted(end, kinds)
        return f"{everyone} done after {clock(end.seconds)}" + (f": {counts}." if counts else ".")
    concerned = {one.host for one in end.told if one.finding.kind in KINDS}
    concerned.update(host for _, hosts in end.other for host in hosts)
    hosts = f"{len(concerned)} of {counted(len(end.hosts), 'host')}"
    return f"{_counted(end, kinds)}, on {hosts}; nothing was changed yet."


def _all_named(names: Sequence[str], everybody: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 6 else named(names, everybody)


def _counted(end: End, kinds: Sequence[str]) -> str:
    """What is told, counted as everywhere; what was changed, as it was carried out."""
    other = ["change"] * len(end.other)
    if not end.applied:
        text = tally([*kinds, *other])
        if held := held_up(lines(end.told), end.held_up):
            text += f" ({held} held up)"
        return f"{text}; nothing was changed" if end.unfinished and text else text
    rest = [kind for kind in kinds if kind != "change"]
    made = [line.kind for line in lines(end.carried_out)]
    return tally([*made, *other, *rest], done=True)
