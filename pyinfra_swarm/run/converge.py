"""What every operation here is made of: observe, plan, report, carry out.

An operation's body is a generator decorated with :func:`converges`. It observes (:func:`observe`),
plans (a pure function of its room's plan), reports what it found (:func:`report`) and only then
yields commands. pyinfra runs the body twice, once to see whether it yields at all (and no further
than the first yield), once to carry out; so everything that a person should know is reported
before the first yield.

An operation imports from here all that it is made of, also what is in :mod:`run.context` and
:mod:`run.observing`.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, ParamSpec

import gevent
from pyinfra import logger
from pyinfra.api import FunctionCommand, Host, State, StringCommand, operation

from pyinfra_swarm.run import interruption, lock, no_answer, pyinfra_internals, records, reporting
from pyinfra_swarm.run.connection import UNREACHABLE, why
from pyinfra_swarm.run.context import (
    current_host,
    given,
    is_executing,
    only_on,
    phase,
    state,
    this_host,
    this_run,
)
from pyinfra_swarm.run.findings import Finding, changes, refusals
from pyinfra_swarm.run.observing import (
    FACT_TIMEOUT,
    Unobserved,
    beside_others,
    forget_everywhere,
    forget_observations,
    observe,
    observe_ahead,
    observe_all,
    observe_on,
)
from pyinfra_swarm.run.pyinfra_internals import PyinfraCommand, PyinfraOperation
from pyinfra_swarm.run.reported import Reported
from pyinfra_swarm.run.wording import listed
from pyinfra_swarm.run.writing import arrives_whole

__all__ = [
    "FACT_TIMEOUT",
    "Commands",
    "Overtaken",
    "Refused",
    "Unobserved",
    "call",
    "converges",
    "current_host",
    "fail",
    "forget_everywhere",
    "forget_observations",
    "given",
    "is_executing",
    "job",
    "observe",
    "observe_ahead",
    "observe_all",
    "observe_on",
    "only_on",
    "pause",
    "phase",
    "progress",
    "refused_beside",
    "report",
    "script",
    "state",
    "still_ours",
    "this_host",
    "this_run",
]

Commands = Generator[PyinfraCommand, None, None]

P = ParamSpec("P")


class Refused(Exception):
    """The plan holds a refusal; it has been reported already."""


class Overtaken(Refused):
    """This run may change nothing more: another one has, or may have, the cluster's lock."""


# Reporting
# ---------


def report(part: str, findings: list[Finding]) -> bool:
    """Report the findings; true where there is something to carry out.

    Raises :class:`Refused` where the plan holds a refusal.
    """
    host = current_host()
    reporting.report(host, part, findings)
    if refusals(findings):
        raise Refused("; ".join(refusal.sentence() for refusal in refusals(findings)))
    if not changes(findings):
        host.noop(f"{part}: as declared")
        return False
    return True


pyinfra_internals.keep_declared_order()


def progress(message: str) -> None:
    """Say what is being done now, for steps that take longer than a moment."""
    if is_executing():
        current_host().log(message)


# Carrying out
# ------------


def script(text: str, *, stdin: str | None = None, timeout: int = 60) -> StringCommand:
    """A shell script as one remote command, ended at its first error.

    stdin: given to the script on standard input (with a newline at its end); never logged. Unless
    all of it has arrived, the script does nothing.
    timeout: seconds; every remote command has one.
    """
    if stdin is None:
        return StringCommand(f"set -eu\n{text}", _timeout=timeout)
    whole, sent = arrives_whole(text, stdin)
    return StringCommand(f"set -eu\n{whole}", _stdin=sent, _timeout=timeout)


def still_ours(*, waiting: bool = False) -> None:
    """Before something is changed: this run still has the cluster's lock.

    Commands of a body and functions that are a command are asked for already; it is for the steps
    within a function. waiting: only something is awaited. Raises :class:`Overtaken`. It does not
    return where the run is interrupted.
    """
    interruption.stop_if_interrupted(current_host().name)
    if is_executing() and (taken := _taken(waiting=waiting)):
        raise Overtaken(taken)


def _taken(*, waiting: bool = False) -> str:
    return lock.problem(state(), forget_everywhere, waiting=waiting)


def pause(seconds: float) -> None:
    """Wait between two looks. Raises :class:`Overtaken` where another run has begun."""
    time.sleep(seconds)
    still_ours(waiting=True)


def call(work: Callable[..., bool], *arguments: Any) -> FunctionCommand:
    """A Python function as a command: ``work(state, host, *arguments)``, false where it fails.

    It runs in a greenlet of its own: pyinfra's time limit (``_timeout``) is meant for a single
    remote command, and would end the function in the middle, without a word about where, and with
    a host left waiting. Every remote command and every wait in it has its own limit.
    """
    return FunctionCommand(_call, (work, arguments), {})


def _call(state: State, host: Host, work: Callable[..., bool], arguments: tuple[Any, ...]) -> bool:
    def run() -> bool:
        with pyinfra_internals.in_the_name_of(state, host):
            try:
                if work is not _fail:
                    still_ours()
                return work(state, host, *arguments)
            except Overtaken as overtaken:
                problem = str(overtaken)
            except UNREACHABLE as error:
                problem = no_answer.in_an_operation(why(error))
            except Unobserved as unobserved:
                problem = no_answer.not_observed(str(unobserved))
            except Exception as error:
                problem = _unexpected(error)
            reporting.failed(host, problem)
            return False

    worker = gevent.spawn(run)
    try:
        while not worker.ready():
            with suppress(TimeoutError):
                worker.join()
    except BaseException:  # the run is ended, and what works for it with it
        worker.kill(block=False)
        raise
    return bool(worker.get())


def _unexpected(error: Exception) -> str:
    logger.debug(traceback.format_exc())
    return f"{type(error).__name__}: {error} (--debug shows where)"


def fail(message: str, *, logged: bool = False) -> FunctionCommand:
    """A command that fails this host, and this host only, with a message for its owner.

    logged: the log has the message already.
    """
    return call(_fail, message, logged)


def _fail(state: State, host: Host, message: str, logged: bool) -> bool:
    reporting.failed(host, message, logged=logged)
    return False


def converges(
    part: str, *, rests_on: Collection[str] = ()
) -> Callable[[Callable[P, Commands]], PyinfraOperation[P]]:
    """Make an operation out of a body that observes, plans, reports and yields commands.

    It brings a host to what is declared: where that is so, it yields nothing.

    part: the part of the job, as findings name it (``ssh``, ``docker``, ``swarm``).
    rests_on: the parts without which nothing can be said here. Where one of them was refused or is
        unknown, a plan reports this operation as not looked at.

    A refusal, a fact that was not answered, or an unexpected error fails this host and nothing
    else, at execution by a command that fails (an exception would end the whole run, on all hosts).
    A plan goes on with what can still be judged, and the host fails at its end
    (:func:`go_on_planning`): nothing is carried out there.
    """
    return _operation(part, asked_for=False, rests_on=rests_on)


def job(part: str) -> Callable[[Callable[P, Commands]], PyinfraOperation[P]]:
    """The same for what is done because somebody asks for it: a reset, a backup, a reboot.

    It describes no state that hosts could differ from. A check that plans it would call a healthy
    cluster drifted, and offer the reset as the fix. So a check takes none (``drift/states``
    knows them by this decorator).
    """
    return _operation(part, asked_for=True)


@dataclass
class _NotToChange:
    """Hosts on which nothing is carried out after this plan.

    parts: by the host's name, the parts that were refused or are unknown.
    goes_on: the plan goes on beside them.
    """

    parts: dict[str, set[str]] = field(default_factory=dict)
    goes_on: bool = False


def refused_beside(part: str, refused: Sequence[Finding]) -> None:
    """Report refusals that keep this host from nothing else that is planned for it.

    What is planned is carried out, and the run ends as failed all the same, a dry one too.
    """
    host = current_host()
    reporting.report(host, part, refused)
    if refused:
        reported = this_run(Reported)
        reported.refused_beside.setdefault(
            host.name, "; ".join(one.sentence().rstrip(".") for one in refused)
        )
        if not is_executing():
            reported.planned.add(host.name)


_RESTS = "it rests on {}, which was refused or is unknown"


def go_on_planning() -> None:
    """Have a plan go on with what can be judged beside what was refused. Called at the start.

    Where that cannot be, a host fails at the first refusal, and the rest is not looked at.
    """
    this_run(_NotToChange).goes_on = pyinfra_internals.when_planned(_planned)


def fail_what_was_refused() -> None:
    """Have a run in which something was refused end as failed, also where it has only planned.

    Called at the start.
    """
    pyinfra_internals.before_the_status(_ends)


def _ends(run: State) -> None:
    reported = this_run(Reported)
    if pyinfra_internals.was_carried_out(run):
        return  # what was refused has failed there by itself
    hosts = [host for host in run.inventory if host.name in reported.refused_beside]
    for host in hosts:
        reporting.failed_by_name(host.name, reported.refused_beside[host.name])
    pyinfra_internals.count_as_failed(run, hosts)


def _planned(run: State) -> None:
    """All is planned: where something was refused or is unknown, nothing is carried out."""
    failed = pyinfra_internals.failed_hosts(run)
    names = this_run(_NotToChange).parts
    hosts = [host for host in run.inventory if host.name in names and host not in failed]
    pyinfra_internals.fail_hosts(run, hosts)


def _operation(
    part: str, *, asked_for: bool, rests_on: Collection[str] = ()
) -> Callable[[Callable[P, Commands]], PyinfraOperation[P]]:
    def decorate(body: Callable[P, Commands]) -> PyinfraOperation[P]:
        @wraps(body)
        def converge(*args: P.args, **kwargs: P.kwargs) -> Commands:
            run, host = state(), current_host()
            if asked_for:
                records.asked_for(host, part)
            stopped = this_run(_NotToChange).parts.get(host.name, set())
            if host in pyinfra_internals.failed_hosts(run) or (stopped and asked_for):
                return
            if stopped and is_executing():
                yield fail("nothing is changed here: the plan was refused", logged=True)
                return
            if missing := sorted(stopped & {*rests_on}):
                reporting.not_looked_at(host, part, _RESTS.format(listed(missing)))
                return
            with beside_others(host):
                problem, logged = "", False
                ends = asked_for or not this_run(_NotToChange).goes_on
                try:
                    reporting.begin(run, host)
                    still_ours()
                    commands = body(*args, **kwargs)
                    for command in commands:
                        if is_executing():
                            if taken := _taken():
                                commands.throw(Overtaken(taken))  # the body has its last words
                                raise Overtaken(taken)
                            interruption.stop_if_interrupted(host.name)
                            reporting.begun(host)
                            forget_observations()  # a command that fails may have changed much
                        reporting.looked(host, part)  # pyinfra goes no further while it plans
                        with interruption.under_way(host.name):
                            yield command
                        forget_observations()
                        interruption.stop_if_interrupted(host.name)
                except Overtaken as overtaken:
                    problem, ends = str(overtaken), True
                except pyinfra_internals.NoConnectionFound as error:
                    problem, ends = str(error), True
                except Refused as refused:
                    problem, logged = str(refused), True
                    reporting.looked(host, part)
                except Unobserved as unobserved:
                    problem = no_answer.not_observed(str(unobserved))
                    ends = ends or unobserved.silent
                    reporting.not_looked_at(host, part, str(unobserved), said=True)
                except Exception as error:
                    problem = f"{part}: {_unexpected(error)}"
                    reporting.not_looked_at(host, part, problem, said=True)
                if not problem:
                    reporting.looked(host, part)
                    reporting.carried_out(host)
                    return
                if is_executing():
                    yield fail(problem, logged=logged)
                elif ends:
                    reporting.failed(host, problem, logged=logged)
                    pyinfra_internals.fail_host(run, host)
                else:
                    reporting.stopped(host, problem, logged=logged)
                    this_run(_NotToChange).parts.setdefault(host.name, set()).add(part)

        return operation()(converge)

    return decorate
