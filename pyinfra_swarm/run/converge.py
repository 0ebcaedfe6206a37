"""What every operation here is made of: observe, plan, tell, carry out.

An operation's body is a generator decorated with :func:`converges`. It observes (:func:`observe`),
plans (a pure function of ``cluster/``), tells what it found (:func:`report`) and only then yields
commands. pyinfra runs the body twice, once to see whether it yields at all (and no further than the
first yield), once to carry out; so everything a person should know is told before the first yield.
"""

from __future__ import annotations

import time
import traceback
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import gevent
from gevent.event import AsyncResult
from pyinfra import logger
from pyinfra.api import FactBase, FunctionCommand, Host, State, StringCommand, operation

from pyinfra_swarm.run import lock, pyinfra_internals, story
from pyinfra_swarm.run.connection import UNREACHABLE, reached, why
from pyinfra_swarm.run.fact import Beside, beside
from pyinfra_swarm.run.findings import Finding, changes, refusals
from pyinfra_swarm.run.lock_state import Met, believed
from pyinfra_swarm.run.pyinfra_internals import PyinfraCommand, PyinfraOperation
from pyinfra_swarm.run.shell import arrives_whole

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Host as DeclaredHost
    from pyinfra_swarm.settings import Settings

Commands = Generator[PyinfraCommand, None, None]

P = ParamSpec("P")
T = TypeVar("T")

FACT_TIMEOUT = 60
"""Seconds after which a fact's command is given up: a host that hangs must not hang the run."""


class Unobserved(Exception):
    """A host gave no whole answer to a fact; acting on a default would be acting on a guess."""


class Refused(Exception):
    """The plan holds a refusal; it has been told already."""


class Overtaken(Refused):
    """This run may change nothing more: another one has, or may have, the cluster's lock."""


def current_host() -> Host:
    """The host in whose name the code runs, as a plain object."""
    return pyinfra_internals.host_in_context()


def this_host(settings: Settings) -> DeclaredHost:
    """What is declared of the host in whose name the code runs."""
    return settings.host(current_host().name)


def only_on(name: str, findings: list[Finding]) -> list[Finding]:
    """The findings on the host that reports them for all, as the acting manager; none elsewhere."""
    return findings if name == current_host().name else []


def is_executing() -> bool:
    """Whether changes are carried out now; else they are only planned."""
    return pyinfra_internals.is_executing(story.state())


def given(key: str) -> str | None:
    """What the command line of this run says with ``--data KEY=VALUE``; ``None`` where nothing.

    ``host.data`` would take it from the inventory as well, and ``host.data.get("host")`` gives
    pyinfra's own object of the host, whatever the command line says.
    """
    value = pyinfra_internals.data_of_the_command_line(story.state()).get(key)
    return None if value is None else str(value)


# Observing: each fact once per host and phase, until something was changed anywhere
# ----------------------------------------------------------------------------------

_observations: dict[tuple[Any, ...], AsyncResult[Any]] = {}
_problems: dict[tuple[str, str], str] = {}
"""Why a host's last answer to a fact was none, by the names of both; "" where it was silent."""

_met: dict[str, Met] = {}
"""The first run that each host has told of as holding the cluster's lock, by the host's name; also
this process's own."""

_views: dict[tuple[Any, ...], gevent.Greenlet[..., Mapping[str, Any]]] = {}
_generation = 0
_latest: dict[str, int] = {}
"""The generation that a host has begun itself, by its name: an older view is no good to it."""

_side_by_side: Counter[tuple[str, str | None]] = Counter()
"""How many hosts are at an operation now, by phase and operation."""

_first_looks: dict[tuple[Any, ...], tuple[int, Mapping[str, Any]]] = {}
"""What the first of them saw, and in which generation."""


def forget_observations() -> None:
    """Something was carried out on this host: what was observed before may be wrong now."""
    global _generation
    _generation += 1
    _latest[current_host().name] = _generation
    _observations.clear()
    _views.clear()


def forget_everywhere() -> None:
    """Time has passed: whatever any host has seen before is no good to any of them.

    Hosts that are at an operation at the same time share one new look.
    """
    global _generation
    _generation += 1
    for host in story.state().inventory:
        _latest[host.name] = _generation
    _observations.clear()
    _views.clear()
    _first_looks.clear()


@contextmanager
def _beside_others(host: Host) -> Iterator[None]:
    """This host is at an operation, maybe with others at the same time."""
    mine = story.phase(), pyinfra_internals.current_operation(host)
    _side_by_side[mine] += 1
    try:
        yield
    finally:
        _side_by_side[mine] -= 1
        if not _side_by_side[mine]:
            for look in [look for look in _first_looks if look[:2] == mine]:
                del _first_looks[look]


def observe(fact: type[FactBase[T]], **kwargs: Any) -> T:
    """What this host says, asked once per phase until something changes.

    Raises :class:`Unobserved` where the host did not answer; :func:`converges` turns that into the
    failure of this host alone.
    """
    return _required(current_host(), fact, kwargs)


def observe_on(name: str, fact: type[FactBase[T]], **kwargs: Any) -> T:
    """What another host says, as :func:`observe` does it."""
    return _required(story.state().inventory.get_host(name), fact, kwargs)


def _required(host: Host, fact: type[FactBase[T]], kwargs: dict[str, Any]) -> T:
    value = _observed(fact, host, kwargs)
    _notice_other_runs()
    if value is None:
        raise _silent(host, fact)
    return value


def _silent(host: Host, fact: type[FactBase[T]]) -> Unobserved:
    problem = _problems.get((host.name, fact.name))
    reason = f": {problem}" if problem else ""
    return Unobserved(f"{host.name} did not answer {fact.name}{reason}")


def observe_all(fact: type[FactBase[T]], **kwargs: Any) -> Mapping[str, T | None]:
    """What every host of the inventory says, by name; ``None`` for a silent one.

    Hosts outside of ``--limit`` are asked too (the cluster is more than the limit). Raises
    :class:`Unobserved` where it is this host that is silent: it may have lost its power on the
    way, and a host of which nothing is known is not done.

    Hosts that are at an operation at the same time decide by the same view. One that comes to it a
    moment later would see what another has begun to change: a swarm that is being founded, a
    manager whose engine is stopped. A host that has gone on itself looks anew.
    """
    me = current_host()
    operation = pyinfra_internals.current_operation(me)
    what = (story.phase(), operation, fact, tuple(sorted(kwargs.items())))
    generation, first = _first_looks.get(what, (-1, {}))
    if generation >= _latest.get(me.name, 0) and first[me.name] is not None:
        return first
    generation = _generation
    key = (_generation, story.phase(), fact, tuple(sorted(kwargs.items())))
    # Kept, since each host asks for it: put together anew, it costs the square of the hosts.
    pending = _views.get(key)
    if pending is None:
        pending = _views[key] = gevent.spawn(_view, fact, kwargs)
    said: Mapping[str, T | None] = pending.get()
    _first_looks.setdefault(what, (generation, said))
    _notice_other_runs()
    if said[me.name] is None:
        raise _silent(me, fact)
    return said


_asked_ahead: set[tuple[str, str | None, type[FactBase[Any]]]] = set()


def observe_ahead(fact: type[FactBase[Any]]) -> None:
    """Ask all hosts at once, once a phase, what a serial operation asks them one after the other.

    Later, when something was changed, each host that comes asks for itself.
    """
    what = story.phase(), pyinfra_internals.current_operation(current_host()), fact
    if what not in _asked_ahead:
        _asked_ahead.add(what)
        observe_all(fact)


def _view(fact: type[FactBase[T]], kwargs: dict[str, Any]) -> Mapping[str, T | None]:
    hosts = list(story.state().inventory)
    greenlets = [gevent.spawn(_observed, fact, host, kwargs) for host in hosts]
    return {host.name: greenlet.get() for host, greenlet in zip(hosts, greenlets, strict=True)}


def _notice_other_runs() -> None:
    """A plan that another run may be changing the hosts under is told as such."""
    if not _met or is_executing():  # while it is carried out, the lock is this run's own
        return
    managers = pyinfra_internals.hosts_in_group(story.state(), "managers")
    if found := believed([host.name for host in managers], _met):
        story.busy(current_host(), found)


def _observed(fact: type[FactBase[T]], host: Host, kwargs: dict[str, Any]) -> T | None:
    key = (_generation, story.phase(), host.name, fact, tuple(sorted(kwargs.items())))
    pending = _observations.get(key)
    if pending is not None:
        shared: T | None = pending.get()
        return shared
    pending = _observations[key] = AsyncResult()
    value: T | None = None
    try:
        value = _ask(fact, host, kwargs)
    finally:
        pending.set(value)
    return value


def _ask(fact: type[FactBase[T]], host: Host, kwargs: dict[str, Any]) -> T | None:
    state = story.state()
    if not reached(state, host):
        return None
    answer = Beside()
    asking = beside.set(answer)
    try:
        value = pyinfra_internals.ask(state, host, fact, {**kwargs, "_timeout": FACT_TIMEOUT})
    except UNREACHABLE as error:
        logger.error(f"{host.print_prefix}{fact.name} could not be read: {why(error)}")
        return None
    finally:
        beside.reset(asking)
        _problems[host.name, fact.name] = answer.problem
    if answer.met:
        _met.setdefault(host.name, answer.met)
    return value


# Telling
# -------


def report(part: str, findings: list[Finding]) -> bool:
    """Write the findings to the run's story; true where there is something to carry out.

    Raises :class:`Refused` where the plan holds a refusal.
    """
    host = current_host()
    story.report(host, part, findings)
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
    within a function. waiting: only something is awaited. Raises :class:`Overtaken`.
    """
    if is_executing() and (taken := _taken(waiting=waiting)):
        raise Overtaken(taken)


def _taken(*, waiting: bool = False) -> str:
    return lock.problem(story.state(), forget_everywhere, waiting=waiting)


def pause(seconds: float) -> None:
    """Wait between two looks. Raises :class:`Overtaken` where another run has begun meanwhile."""
    time.sleep(seconds)
    still_ours(waiting=True)


def call(work: Callable[..., bool], *arguments: Any) -> FunctionCommand:
    """A function of ours as a command: ``work(state, host, *arguments)``, false where it fails.

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
                problem = f"no answer in the middle of it ({why(error)}). {_GOES_ON}"
            except Unobserved as unobserved:
                problem = f"{unobserved}; nothing was decided without it. {_GOES_ON}"
            except Exception as error:
                problem = _unexpected(error)
            story.failed(host, problem)
            return False

    worker = gevent.spawn(run)
    while not worker.ready():
        with suppress(TimeoutError):
            worker.join()
    return bool(worker.get())


_GOES_ON = (
    "Once it answers again (its power, its network, its log above), the same command goes on from "
    "there"
)


def _unexpected(error: Exception) -> str:
    logger.debug(traceback.format_exc())
    return f"{type(error).__name__}: {error} (--debug shows where)"


def fail(message: str, *, told: bool = False) -> FunctionCommand:
    """A command that fails this host, and this host only, with a message for its owner.

    told: the log has the message already.
    """
    return call(_fail, message, told)


def _fail(state: State, host: Host, message: str, told: bool) -> bool:
    story.failed(host, message, told=told)
    return False


def converges(part: str) -> Callable[[Callable[P, Commands]], PyinfraOperation[P]]:
    """Make an operation out of a body that observes, plans, tells and yields commands.

    It brings a host to what is declared: where that is so, it yields nothing.

    part: the part of the job, as findings name it (``ssh``, ``docker``, ``swarm``).

    A refusal, a fact that was not answered, or an error of our own fails this host and nothing
    else: at prepare by pyinfra's list of failed hosts, at execution by a command that fails (an
    exception would end the whole run, on all hosts).
    """
    return _operation(part, asked_for=False)


def job(part: str) -> Callable[[Callable[P, Commands]], PyinfraOperation[P]]:
    """The same for what is done because somebody asks for it: a reset, a backup, a reboot.

    It describes no state that hosts could differ from. A check that plans it would call a healthy
    cluster drifted, and offer the reset as what mends it: so a check takes none (``drift/states``
    knows them by this decorator).
    """
    return _operation(part, asked_for=True)


def _operation(
    part: str, *, asked_for: bool
) -> Callable[[Callable[P, Commands]], PyinfraOperation[P]]:
    def decorate(body: Callable[P, Commands]) -> PyinfraOperation[P]:
        @wraps(body)
        def converge(*args: P.args, **kwargs: P.kwargs) -> Commands:
            state, host = story.state(), current_host()
            if asked_for:
                story.asked_for(host, part)
            if host in pyinfra_internals.failed_hosts(state):
                return
            with _beside_others(host):
                problem, told = "", False
                try:
                    story.begin(state, host)
                    still_ours()
                    commands = body(*args, **kwargs)
                    for command in commands:
                        if is_executing():
                            if taken := _taken():
                                commands.throw(Overtaken(taken))  # the body has its last words
                                raise Overtaken(taken)
                            forget_observations()  # a command that fails may have changed much
                        story.looked(host, part)  # pyinfra goes no further while it plans
                        yield command
                        forget_observations()
                except Overtaken as overtaken:
                    problem = str(overtaken)
                except pyinfra_internals.NoConnectionFound as error:
                    problem = str(error)
                except Refused as refused:
                    problem, told = str(refused), True
                    story.looked(host, part)
                except Unobserved as unobserved:
                    problem = f"{unobserved}; nothing was decided without it. {_GOES_ON}"
                except Exception as error:
                    problem = f"{part}: {_unexpected(error)}"
                if not problem:
                    story.looked(host, part)
                    return
                if is_executing():
                    yield fail(problem, told=told)
                else:
                    story.failed(host, problem, told=told)
                    pyinfra_internals.fail_host(state, host)

        return operation()(converge)

    return decorate
