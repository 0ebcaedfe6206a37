"""What a person reads while a run goes on: what happens, once, with the hosts named.

pyinfra says of each operation on each host that there was nothing to do. Here an operation is told
where something happens in it, with its place among all and the time; what several hosts say at the
same time is said once; the plan comes whole, right above the question. With ``-v`` all of
pyinfra's own words are shown as well; ``--json`` and whatever is no deploy are left alone.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import click
import gevent
from pyinfra import logger
from pyinfra.api import State

from pyinfra_swarm.run import (
    asking,
    clock,
    durations,
    plan_shown,
    pyinfra_internals,
    pyinfra_output,
    wording,
)
from pyinfra_swarm.run.context import state, this_run
from pyinfra_swarm.run.findings import Change
from pyinfra_swarm.run.interruption import interrupted
from pyinfra_swarm.run.printed import fit
from pyinfra_swarm.run.pyinfra_output import LogLine, Says
from pyinfra_swarm.run.reported import Reported
from pyinfra_swarm.run.telling import COLOURS, MARKS, Told, named

HOLD = 0.4
"""Seconds in which other hosts may say the same."""


@dataclass
class _Screen:
    """begun: when the run began. quiet: pyinfra's own words are not all shown.

    number, total: of the operation that is carried out, and of all; operation: its name, said: it
    was told; since: when it began; changed: the hosts on which it did something.
    held: what hosts have just said, and who; reached: the hosts that are connected.
    """

    begun: float = field(default_factory=clock.now)
    quiet: bool = False
    number: int = 0
    total: int = 0
    operation: str = ""
    said: bool = False
    since: float = 0
    changed: list[str] = field(default_factory=list)
    held: dict[str, list[str]] = field(default_factory=dict)
    reached: list[str] = field(default_factory=list)


def install() -> None:
    """From now on, for the run that begins."""
    given = pyinfra_internals.given_options()
    words = given.get("operations") or ("",)
    ours = all(word.endswith(".py") for word in words) and not any(
        given.get(flag) for flag in ("json_output", "debug_operations", "debug_facts")
    )
    this_run(_Screen).quiet = ours and not given.get("verbosity")
    if not any(isinstance(one, _Filter) for one in logger.filters):
        logger.addFilter(_Filter())
    if not ours:
        return
    pyinfra_output.show_by(plan=_show_plan, results=_show_nothing, confirm=_confirm)


def is_quiet() -> bool:
    """Whether findings wait for the plan in which they are told once."""
    return this_run(_Screen).quiet


def seconds() -> float:
    """How long the run has taken until now."""
    return clock.now() - this_run(_Screen).begun


NOBODY = "--> No host is left to go on with; above is why"
"""Where pyinfra says “No hosts remaining!”, as if that were an error of its own."""


class _Filter(logging.Filter):
    """Holds lines back, or changes them. What it has said itself has passed already."""

    def filter(self, record: logging.LogRecord) -> bool:
        if getattr(record, "ours", False) or not isinstance(record.msg, str):
            return True
        record.msg, record.args = record.getMessage(), ()
        record.msg = pyinfra_output.without_source(record.msg)
        if record.levelno <= logging.DEBUG:
            return True
        line = pyinfra_output.log_line(record.msg)
        if this_run(_Screen).quiet:
            return _passes(line, record)
        if line.says is Says.NOBODY_LEFT:
            record.msg = NOBODY
        return True


def _passes(line: LogLine, record: logging.LogRecord) -> bool:
    screen = this_run(_Screen)
    match line.says:
        case Says.PHASE:
            _end_operation()
        case Says.LOADING | Says.PLANNED | Says.UNCHANGED:
            pass
        case Says.NOBODY_LEFT | Says.COUNT:
            _flush()
        case Says.CONNECTED:
            screen.reached.append(line.host)
            if line.text != "Connected":  # later, outside of the limit, with the reason
                return True
        case Says.PLANNING:
            if screen.reached:
                _say(f"connected: {named(screen.reached, _everybody())}")
            if not pyinfra_internals.given_options().get("yes"):
                _say("--> Planning, which changes nothing")
        case Says.OPERATION:
            _begin_operation(line.text)
        case Says.CHANGED:
            _announce()
            screen.changed.append(line.host)
        case Says.OF_A_HOST if _carried_out() and record.levelno < logging.WARNING:
            _hold(line, record.msg)
        case _:
            _flush()
            if line.host and _carried_out():
                _announce()
            return True
    return False


def _carried_out() -> bool:
    return pyinfra_internals.has_run_state() and pyinfra_internals.was_carried_out(state())


def _everybody() -> list[str]:
    return [host.name for host in state().inventory]


def _say(text: str) -> None:
    logger.info(fit(text), extra={"ours": True})


def _begin_operation(name: str) -> None:
    _end_operation()
    screen = this_run(_Screen)
    screen.total = screen.total or len(pyinfra_output.operations_in_order(state()))
    screen.number += 1
    screen.operation, screen.said, screen.since = name, False, clock.now()
    screen.changed = []


def _announce() -> None:
    screen = this_run(_Screen)
    if screen.operation and not screen.said:
        screen.said = True
        place = f"{screen.number} of {screen.total}"
        if screen.number > screen.total:  # --serial: each host goes through all of them
            place = f"{screen.number}"
        _say(f"--> {place}, {wording.clock(seconds())}: {screen.operation}")


def _end_operation() -> None:
    _flush()
    screen = this_run(_Screen)
    if screen.changed:
        passed = wording.clock(clock.now() - screen.since)
        _say(f"done: {named(screen.changed, _everybody())}, in {passed}")
    screen.changed, screen.operation = [], ""


def _hold(line: LogLine, message: str) -> None:
    """Keep what a host says for a moment: others may say the same."""
    screen = this_run(_Screen)
    words = message.partition("] ")[2].strip() or line.text
    if line.host in screen.held.get(words, ()):
        _flush()  # it says it a second time
    if not screen.held:
        gevent.spawn_later(HOLD, _flush)
    screen.held.setdefault(words, []).append(line.host)


def _flush() -> None:
    screen = this_run(_Screen)
    held, screen.held = screen.held, {}
    if not held:
        return
    _announce()
    for words, hosts in held.items():
        _say(f"[{named(hosts, _everybody())}] {words}")


# The plan and the question
# -------------------------


def the_plan() -> plan_shown.Plan:
    """What has been planned until now."""
    run, reported = state(), this_run(Reported)
    failed = {host.name for host in pyinfra_internals.failed_hosts(run)}
    hosts = [host for host in run.inventory if pyinfra_internals.is_in_limit(run, host)]
    why = {name: reported.failures.get(name, "see the messages above") for name in failed}
    return plan_shown.Plan(
        hosts=[host.name for host in hosts],
        told=reported.told,
        other=without_a_reason(done=False, ours=False),
        asked_for=without_a_reason(done=False, ours=True),
        left_out={host.name: why[host.name] for host in hosts if host.name in failed},
        missing=reported.not_looked_at,
        last_times=_last_times(reported.told),
        seconds=seconds(),
    )


def without_a_reason(*, done: bool, ours: bool) -> list[tuple[str, list[str]]]:
    """The operations that would do something and have reported no change: by name, with the hosts.

    done: those that have done something. ours: ours, such as a proof, else those of others.
    """
    run, reported = state(), this_run(Reported)
    ask = pyinfra_output.changed_by if done else pyinfra_output.planned_changes
    found = []
    for operation in pyinfra_output.operations_in_order(run):
        if (operation in reported.operations) == ours:
            names = ask(run, operation)
            if hosts := [name for name in names if (name, operation) not in reported.changing]:
                what = ", ".join(pyinfra_internals.operation_names(run, operation))
                found.append((what, hosts))
    return found


def _last_times(told: list[Told]) -> dict[str, float]:
    restarted: dict[str, list[str]] = {}
    for one in told:
        if isinstance(one.finding, Change) and one.finding.restarts:
            restarted.setdefault(one.finding.restarts, []).append(one.host)
    known = {what: durations.last(what, hosts) for what, hosts in restarted.items()}
    return {what: seconds for what, seconds in known.items() if seconds is not None}


def show_plan() -> None:
    """The plan as far as there is one, shown at most once."""
    reported = this_run(Reported)
    if reported.plan_shown:
        return
    reported.plan_shown = True
    title, *lines = plan_shown.shown(the_plan(), pieces=not is_quiet())
    _say(f"--> {title}")
    for line in lines:
        _say(coloured(line))


def coloured(line: str) -> str:
    """A line of the plan in the colour of its mark."""
    kinds = {mark: kind for kind, mark in MARKS.items()}
    kind = kinds.get(line[:1])
    return click.style(line, fg=COLOURS[kind]) if kind else line


def _show_plan(run: State) -> None:
    show_plan()


def finish() -> None:
    """Say what is still held back: the run ends."""
    _flush()


def _show_nothing(run: State) -> None:
    """pyinfra's table of results: the last lines say what was done."""


def _confirm(run: State) -> bool:
    plan = the_plan()
    if not plan.anything:
        return False
    return asking.is_yes(asking.typed(f"\n    {plan_shown.question(plan)}"))


def goes_on_without_failed_hosts() -> bool:
    """Whether the run goes on without hosts that have failed.

    Planning changes nothing, so it goes on, and the plan says who is left out. While changes are
    made, the owner is asked, but not about a host of which the plan that was agreed to has said
    the same.
    """
    if not _carried_out() or interrupted():
        return True
    _flush()
    run = state()
    everybody = _everybody()
    left = [host for host in run.inventory if pyinfra_internals.is_active(run, host)]
    if not left:
        return True
    failed = [host.name for host in pyinfra_internals.failed_hosts(run)]
    reported = this_run(Reported)
    if all(
        name in reported.planned and reported.failures.get(name) == reported.refused_beside[name]
        for name in failed
    ):
        _say(
            f"    {named(failed, everybody)}: nothing more is done there: what the plan says is "
            "refused is left as it is"
        )
        return True
    return asking.is_yes(
        asking.typed(
            f"\n    {named(failed, everybody)} failed, and nothing more is done there. Go on with "
            f"{named([host.name for host in left], everybody)}? "
            "Enter or y: yes. Anything else, or Ctrl-C: the run ends here."
        )
    )
