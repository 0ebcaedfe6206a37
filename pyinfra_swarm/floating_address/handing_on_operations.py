"""A host hands the floating address on before it is worked on, and may hold it again afterwards.

Both are commands for the operations of other rooms; where no address is declared, there are none.
The host keeps in a file that it has given the address up: neither a reboot nor a run that ends in
between makes it take the address unproven.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra.api import Host, State

from pyinfra_swarm.floating_address import paths
from pyinfra_swarm.floating_address.facts import FloatingAddress
from pyinfra_swarm.floating_address.plan import could_take, holders
from pyinfra_swarm.floating_address.seen import MARK
from pyinfra_swarm.run import clock, no_answer, reporting
from pyinfra_swarm.run.converge import (
    Commands,
    call,
    current_host,
    forget_observations,
    observe,
    observe_all,
    observe_on,
    pause,
    script,
)
from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.run.script import Outcome, quietly
from pyinfra_swarm.run.shell import with_values

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings

TAKEN_WITHIN = 10
"""Seconds that another host has to take the address."""

REMOVE = program(
    __file__,
    "remove.sh",
    unit=paths.UNIT,
    configuration=paths.CONFIGURATION,
    program=paths.PROGRAM,
    drop_in=paths.DROP_IN,
    loaded=paths.LOADED,
    availability=paths.AVAILABILITY,
    folder=paths.STATE,
    mark=MARK,
)
"""Everything of the floating address on a host goes: its files, and keepalived's unit."""


def given_up(settings: Settings, name: str = "") -> Commands:
    """Commands after which a host does not hold the address, and another does.

    name: the host; "" for the one whose operation it is. New connections wait while it is handed
    on, and those that are open may end. Where no other host can take it, it stays: a host that is
    worked on is better than none. Where none has taken it in time, it stays and this host's
    operation fails, before anything else is done.
    """
    if settings.exposure.address:
        yield call(_give_up, settings, name or current_host().name)


def taken_back(settings: Settings) -> Commands:
    """Commands after which this host may hold the address again, if it is healthy."""
    if settings.exposure.address:
        yield call(_take_back)


def taken_off(settings: Settings) -> Commands:
    """Commands after which nothing on this host holds the address any more: it leaves for good."""
    if settings.exposure.address and observe(FloatingAddress).left:
        yield script(REMOVE, timeout=120)


def _give_up(state: State, host: Host, settings: Settings, name: str) -> bool:
    address = settings.exposure.address
    forget_observations()
    seen = observe_all(FloatingAddress)
    own = seen[name]
    if own is None or not own.ours:
        return True
    holds = own.holds(address)
    if own.given_up and not holds:
        return True
    if holds and not could_take(settings, seen, name):
        host.log(f"no other host can hold {address}, so it stays on {name} while that is worked on")
        return True
    there = state.inventory.get_host(name)
    outcome = _run(there, "give-up")
    if not outcome.done:
        return _stays(host, there, settings, outcome.problem)
    if not holds:
        return True
    deadline = clock.now() + TAKEN_WITHIN
    while True:
        forget_observations()
        now = observe_all(FloatingAddress)
        others = [one for one in holders(settings, now) if one != name]
        if others:
            host.log(f"{others[0]} holds {address} now")
            return True
        if clock.now() > deadline:
            return _stays(host, there, settings, f"no other host took it within {TAKEN_WITHIN} s")
        pause(0.5)


def _stays(host: Host, there: Host, settings: Settings, problem: str) -> bool:
    """The host may hold the address as before, and the operation ends."""
    _run(there, "take-back")
    reporting.failed(
        host,
        f"{there.name} could not hand {settings.exposure.address} on: {problem}. Nothing else was "
        "done. `pyinfra inventory.py deploys/exposure.py --dry` says what is wrong with the others",
    )
    return False


def _take_back(state: State, host: Host) -> bool:
    own = observe_on(host.name, FloatingAddress)
    if not own.ours or not own.given_up:
        return True
    outcome = _run(host, "take-back")
    forget_observations()
    if outcome.silent:
        reporting.failed(host, no_answer.in_an_operation(outcome.problem))
    elif not outcome.done:
        reporting.failed(host, outcome.problem)
    return outcome.done


def _run(there: Host, what: str) -> Outcome:
    return quietly(
        there,
        with_values('sh "$program" "$what"', program=paths.PROGRAM, what=what),
        timeout=90,
        shown=True,
    )
