"""Observing: each fact is asked once per host and phase, until something is changed anywhere.

pyinfra asks a host for a fact each time that an operation needs it; thirteen operations that look
at the swarm would ask thirteen times, and each look at all hosts would multiply that by the hosts.
docs/decisions/facts.md has the rules.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import gevent
from gevent.event import AsyncResult
from pyinfra import logger
from pyinfra.api import FactBase, Host, StringCommand
from pyinfra.api.exceptions import FactProcessError

from pyinfra_swarm.run import pyinfra_internals, reporting
from pyinfra_swarm.run.connection import UNREACHABLE, reached, why
from pyinfra_swarm.run.context import current_host, is_executing, phase, state, this_run
from pyinfra_swarm.run.fact import Beside, beside
from pyinfra_swarm.run.lock_state import Met, believed

T = TypeVar("T")

FACT_TIMEOUT = 60
"""Seconds after which a fact's command is given up: a host that hangs must not hang the run."""


class Unobserved(Exception):
    """A host gave no whole answer to a fact; acting on a default would be acting on a guess.

    silent: it gave none at all, so that the next question would be as much in vain.
    """

    def __init__(self, said: str, *, silent: bool = False) -> None:
        self.silent = silent
        super().__init__(said)


@dataclass
class _Observations:
    """What hosts have said in this run, and since which change.

    answers: by generation, phase, host, fact and its arguments; views: the same of all hosts.
    problems: why a host's last answer to a fact was none, by the names of both; "" where it was
    silent. met: the first run that each host has named as holding the cluster's lock, by the
    host's name; also this process's own.
    generation: one more with each change. latest: the generation that a host has begun itself, by
    its name: an older view is no good to it.
    side_by_side: how many hosts are at an operation now, by phase and operation; first_looks: what
    the first of them saw, and in which generation.
    asked_ahead: phase, operation and fact of each :func:`observe_ahead`.
    """

    answers: dict[tuple[Any, ...], AsyncResult[Any]] = field(default_factory=dict)
    views: dict[tuple[Any, ...], gevent.Greenlet[..., Mapping[str, Any]]] = field(
        default_factory=dict
    )
    problems: dict[tuple[str, str], str] = field(default_factory=dict)
    met: dict[str, Met] = field(default_factory=dict)
    generation: int = 0
    latest: dict[str, int] = field(default_factory=dict)
    side_by_side: Counter[tuple[str, str | None]] = field(default_factory=Counter)
    first_looks: dict[tuple[Any, ...], tuple[int, Mapping[str, Any]]] = field(default_factory=dict)
    asked_ahead: set[tuple[str, str | None, type[FactBase[Any]]]] = field(default_factory=set)


def forget_observations() -> None:
    """Something was carried out on this host: what was observed before may be wrong now."""
    kept = this_run(_Observations)
    kept.generation += 1
    kept.latest[current_host().name] = kept.generation
    kept.answers.clear()
    kept.views.clear()


def forget_everywhere() -> None:
    """Time has passed: whatever any host has seen before is no good to any of them.

    Hosts that are at an operation at the same time share one new look.
    """
    kept = this_run(_Observations)
    kept.generation += 1
    for host in state().inventory:
        kept.latest[host.name] = kept.generation
    kept.answers.clear()
    kept.views.clear()
    kept.first_looks.clear()


@contextmanager
def beside_others(host: Host) -> Iterator[None]:
    """This host is at an operation, maybe with others at the same time."""
    kept = this_run(_Observations)
    mine = phase(), pyinfra_internals.current_operation(host)
    kept.side_by_side[mine] += 1
    try:
        yield
    finally:
        kept.side_by_side[mine] -= 1
        if not kept.side_by_side[mine]:
            for look in [look for look in kept.first_looks if look[:2] == mine]:
                del kept.first_looks[look]


def observe(fact: type[FactBase[T]], **kwargs: Any) -> T:
    """What this host says, asked once per phase until something changes.

    Raises :class:`Unobserved` where the host did not answer; :func:`converges` turns that into the
    failure of this host alone.
    """
    return _required(current_host(), fact, kwargs)


def observe_on(name: str, fact: type[FactBase[T]], **kwargs: Any) -> T:
    """What another host says, as :func:`observe` does it."""
    return _required(state().inventory.get_host(name), fact, kwargs)


def _required(host: Host, fact: type[FactBase[T]], kwargs: dict[str, Any]) -> T:
    value = _observed(fact, host, kwargs)
    _notice_other_runs()
    if value is None:
        raise _silent(host, fact)
    return value


def _silent(host: Host, fact: type[FactBase[T]]) -> Unobserved:
    problem = this_run(_Observations).problems.get((host.name, fact.name))
    reason = f": {problem}" if problem else ""
    return Unobserved(f"{host.name} did not answer {fact.name}{reason}", silent=not problem)


def observe_all(fact: type[FactBase[T]], **kwargs: Any) -> Mapping[str, T | None]:
    """What every host of the inventory says, by name; ``None`` for a silent one.

    Hosts outside of ``--limit`` are asked too (the cluster is more than the limit). Raises
    :class:`Unobserved` where it is this host that is silent: it may have lost its power on the
    way, and a host of which nothing is known is not done.

    Hosts that are at an operation at the same time decide by the same view. One that comes to it a
    moment later would see what another has begun to change: a swarm that is being initialised, a
    manager whose engine is stopped. A host that has changed something itself looks again.
    """
    kept, me = this_run(_Observations), current_host()
    operation = pyinfra_internals.current_operation(me)
    what = (phase(), operation, fact, tuple(sorted(kwargs.items())))
    generation, first = kept.first_looks.get(what, (-1, {}))
    if generation >= kept.latest.get(me.name, 0) and first[me.name] is not None:
        return first
    generation = kept.generation
    key = (generation, phase(), fact, tuple(sorted(kwargs.items())))
    # Kept, since each host asks for it: put together each time, it costs the square of the hosts.
    pending = kept.views.get(key)
    if pending is None:
        pending = kept.views[key] = gevent.spawn(_view, fact, kwargs)
    said: Mapping[str, T | None] = pending.get()
    kept.first_looks.setdefault(what, (generation, said))
    _notice_other_runs()
    if said[me.name] is None:
        raise _silent(me, fact)
    return said


def observe_ahead(fact: type[FactBase[Any]]) -> None:
    """Ask all hosts at once, once a phase, what a serial operation asks them one after the other.

    Later, when something was changed, each host that comes asks for itself.
    """
    what = phase(), pyinfra_internals.current_operation(current_host()), fact
    asked = this_run(_Observations).asked_ahead
    if what not in asked:
        asked.add(what)
        observe_all(fact)


def _view(fact: type[FactBase[T]], kwargs: dict[str, Any]) -> Mapping[str, T | None]:
    hosts = list(state().inventory)
    greenlets = [gevent.spawn(_observed, fact, host, kwargs) for host in hosts]
    return {host.name: greenlet.get() for host, greenlet in zip(hosts, greenlets, strict=True)}


def _notice_other_runs() -> None:
    """Report it where another run may be changing the hosts while this one plans."""
    met = this_run(_Observations).met
    if not met or is_executing():  # while it is carried out, the lock is this run's own
        return
    managers = pyinfra_internals.hosts_in_group(state(), "managers")
    if found := believed([host.name for host in managers], met):
        reporting.busy(current_host(), found)


def _observed(fact: type[FactBase[T]], host: Host, kwargs: dict[str, Any]) -> T | None:
    answers = this_run(_Observations).answers
    key = (
        this_run(_Observations).generation,
        phase(),
        host.name,
        fact,
        tuple(sorted(kwargs.items())),
    )
    pending = answers.get(key)
    if pending is not None:
        shared: T | None = pending.get()
        return shared
    pending = answers[key] = AsyncResult()
    value: T | None = None
    try:
        value = _ask(fact, host, kwargs)
    finally:
        pending.set(value)
    return value


def _ask(fact: type[FactBase[T]], host: Host, kwargs: dict[str, Any]) -> T | None:
    run, kept = state(), this_run(_Observations)
    if not reached(run, host):
        return None
    answer = Beside()
    asking = beside.set(answer)
    try:
        if getattr(fact, "unprinted", False):
            value = _ask_unprinted(host, fact, kwargs)
        else:
            value = pyinfra_internals.ask(run, host, fact, {**kwargs, "_timeout": FACT_TIMEOUT})
    except UNREACHABLE as error:
        logger.error(f"{host.print_prefix}{fact.name} could not be read: {why(error)}")
        return None
    finally:
        beside.reset(asking)
        kept.problems[host.name, fact.name] = answer.problem
    if answer.met:
        kept.met.setdefault(host.name, answer.met)
    return value


def _ask_unprinted(host: Host, fact: type[FactBase[T]], kwargs: dict[str, Any]) -> T:
    """The same for a fact whose answer is printed nowhere (:attr:`run.fact.SubjectFact.unprinted`).

    pyinfra prints what a command has said with ``-vvv``, and where the connection breaks in the
    middle of it always.
    """
    asked = fact()
    done, output = host.run_shell_command(
        StringCommand(asked.command(**kwargs)),
        print_output=False,
        print_input=host.state.print_input,
        _sudo=True,
        _timeout=FACT_TIMEOUT,
    )
    try:
        if done:
            given = ", ".join(f"{name}={value}" for name, value in kwargs.items())
            loaded = f"Loaded fact {fact.name}{f' ({given})' if given else ''}"
            log = logger.info if host.state.print_fact_info else logger.debug
            log(f"{host.print_prefix}{loaded}")
            return asked.process(output.stdout_lines)
        problem = "its command failed"
    except FactProcessError as error:
        problem = str(error)
    logger.error(f"{host.print_prefix}{fact.name} could not be read: {problem}")
    return asked.default()
