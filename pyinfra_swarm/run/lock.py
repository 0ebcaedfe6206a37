"""The cluster's lock, held by a run that changes something: one run at a time.

A run holds it on every declared manager that it reaches, by a channel of its own SSH connection
(:func:`run.lock_state.take` at the other end). It is no command of any operation and no change.
"""

from __future__ import annotations

import getpass
import os
import socket
import sys
import uuid
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime

import click
import gevent
from gevent import Greenlet
from gevent.event import AsyncResult
from gevent.lock import BoundedSemaphore
from paramiko import Channel, SSHException
from pyinfra import logger
from pyinfra.api import Host, State

from pyinfra_swarm.run import clock, pyinfra_internals
from pyinfra_swarm.run.connection import UNREACHABLE, login_arguments, reached, transport, why
from pyinfra_swarm.run.context import this_run
from pyinfra_swarm.run.lock_state import (
    CERTAIN,
    HEARTBEAT,
    SILENCE,
    Holder,
    Met,
    announcement,
    before,
    believed,
    deploys_in,
    met,
    nobody_there,
    not_held,
    overtaken,
    refusal,
    replaced,
    take,
    unheld,
)
from pyinfra_swarm.run.pyinfra_internals import another_connection

_ANSWER = 30
"""Seconds that a manager may take to answer."""

_SIGN = 10
"""Seconds that a manager that holds the lock may take to answer a sign of life."""

_LOST = (SSHException, OSError, EOFError)


@dataclass
class Hold:
    """A manager that holds the lock for this run, or has done so.

    channel: to the shell there; connection: closes one that is there for the lock alone.
    answered: when the last sign was given that was answered (:mod:`run.clock`).
    last: who had the lock before, None where nobody had.
    """

    channel: Channel
    connection: ExitStack
    answered: float
    last: Holder | None
    one_at_a_time: BoundedSemaphore = field(default_factory=BoundedSemaphore)

    def certain(self) -> bool:
        """Whether nobody else can have the lock there now, without asking."""
        return self._open() and clock.now() - self.answered < CERTAIN

    def give_sign(self) -> bool:
        """Whether the manager holds the lock: it says so itself.

        That this side knows of no end says nothing: after a sleep the other may have let go.
        """
        with self.one_at_a_time:
            given = clock.now()
            try:
                if not self._open():
                    return False
                self.channel.settimeout(_SIGN)
                self.channel.sendall(b"\n")
                if not _read(self.channel).endswith(b"\n"):
                    raise EOFError
            except _LOST:
                self.close()
                return False
            self.answered = given
            return True

    def close(self) -> None:
        with suppress(*_LOST):
            self.channel.close()
        self.connection.close()

    def _open(self) -> bool:
        connection = self.channel.get_transport()
        return not self.channel.closed and not self.channel.eof_received and connection.is_active()


@dataclass
class _Lock:
    """The cluster's lock, as this run has it.

    run: a name that no other run has. refused: why it could not be taken, "" where it was; None
    before anybody has asked. holds: by the manager's name.
    since: when the time began in which some manager has held it at any moment, until now.
    lapsed: no manager has held it for a while. overtaken: why the run may change nothing more.
    tried: when it was last taken again, by the manager's name. keepers: what gives signs of life.
    """

    run: str = field(default_factory=lambda: uuid.uuid4().hex)
    refused: AsyncResult[str] | None = None
    holds: dict[str, Hold] = field(default_factory=dict)
    since: float = 0
    lapsed: bool = False
    overtaken: str = ""
    tried: dict[str, float] = field(default_factory=dict)
    taking_again: BoundedSemaphore = field(default_factory=BoundedSemaphore)
    keepers: list[Greenlet[[State, Host], None]] = field(default_factory=list)

    def close(self) -> None:
        """Give no more signs of life, and let the managers have their locks back."""
        gevent.killall(self.keepers)
        for hold in self.holds.values():
            hold.close()


def problem(state: State, lost: Callable[[], None], *, waiting: bool = False) -> str:
    """Why this run may change nothing more; "" where it may.

    lost: called where no manager has held the lock for a while: hosts may be as they were not.
    waiting: only something is awaited, so a lock that nobody can hold just now is no reason to stop
    (the run itself reboots managers).

    The first to ask takes the lock, others wait for the answer. Later it costs nothing, as long as
    some manager has answered a sign of life a moment ago. After a sleep none has: then they are
    asked before anything else.
    """
    ours = this_run(_Lock)
    if ours.refused is None:
        ours.refused = AsyncResult()
        refused = "the cluster's lock could not be taken"
        try:
            refused = _take_everywhere(state)
        except pyinfra_internals.NoConnectionFound as error:
            refused = str(error)
        finally:
            ours.refused.set(refused)
    refused = str(ours.refused.get())
    if refused or ours.overtaken:
        return refused or ours.overtaken
    if not ours.holds or _held():
        return ""
    held = False
    for name in list(ours.holds):
        held = _take_again(state, state.inventory.get_host(name), waiting=waiting) or held
    if ours.overtaken:
        return ours.overtaken
    if ours.lapsed:
        ours.lapsed = False
        lost()
    # A manager that has just gone down has given the lock to nobody.
    heard = max(hold.answered for hold in ours.holds.values())
    return "" if held or waiting or clock.now() - heard < SILENCE else unheld(list(ours.holds))


def _take_everywhere(state: State) -> str:
    """Take the lock on the first manager, then on the others; or say who has it.

    Each run begins with the first that answers: of two that begin at once, one goes on.
    """
    ours = this_run(_Lock)
    ours.since = clock.now()
    declared = pyinfra_internals.hosts_in_group(state, "managers")
    managers = _reached(state, declared)
    answers: dict[str, Met | str] = {}
    while managers and not ours.holds and not any(isinstance(a, Met) for a in answers.values()):
        host = managers.pop(0)
        answers[host.name] = _take(state, host)
    if ours.holds:
        waiting = {host.name: gevent.spawn(_take, state, host) for host in managers}
        gevent.joinall(list(waiting.values()))
        answers |= {name: one.get() for name, one in waiting.items()}
    met_at = {name: answer for name, answer in answers.items() if isinstance(answer, Met)}
    found = believed([host.name for host in declared], met_at)
    reasons = {name: said for name, said in answers.items() if isinstance(said, str) and said}
    if found is not None:
        for hold in ours.holds.values():
            hold.close()
        ours.holds.clear()
        return refusal(found, datetime.now())
    if not ours.holds and reasons:
        return not_held(reasons)
    if not ours.holds and declared:
        logger.warning(nobody_there([host.name for host in declared]))
    for name, reason in reasons.items():
        logger.warning(f"{name}: the cluster's lock could not be taken here: {reason}")
    for name in ours.holds:
        ours.keepers.append(gevent.spawn(_keep, state, state.inventory.get_host(name)))
    return ""


def _reached(state: State, managers: list[Host]) -> list[Host]:
    """Those of them that can be reached by SSH, in the same order; others can hold no lock."""
    waiting = [gevent.spawn(reached, state, host) for host in managers]
    gevent.joinall(waiting)
    answers = zip(managers, waiting, strict=True)
    return [host for host, one in answers if one.get() and pyinfra_internals.is_ssh(host)]


def _take(state: State, host: Host) -> Met | str:
    """Have a manager hold the lock, or learn who has it, or why it cannot; "" where it holds it."""
    arguments = {**login_arguments(state, host), "_shell_executable": "bash"}
    command, shown = pyinfra_internals.command_line(state, host, take(), arguments)
    if state.print_input:
        click.echo(f"{host.print_prefix}>>> {shown}", err=True)
    ours = this_run(_Lock)
    former, stack = ours.holds.get(host.name), ExitStack()
    try:
        # Nothing else ends it where a host takes the connection and never answers the command.
        with stack, gevent.Timeout(3 * _ANSWER, TimeoutError(f"no answer in {3 * _ANSWER} s")):
            connection = transport(host)
            if connection is None or not connection.is_active():
                # The run's own has ended: by a sleep, or with the host, which may be back.
                connection = stack.enter_context(another_connection(state, host))
            given = clock.now()
            channel = connection.open_session(timeout=_ANSWER)
            stack.callback(channel.close)
            channel.settimeout(_ANSWER)
            channel.exec_command(command)
            channel.sendall(f"{announcement(_holder())}\n".encode())
            said = _line(channel)
            if not said:
                reason = channel.makefile_stderr("r").read().decode(errors="replace").strip()
                return reason or "it said nothing"
            if said.startswith("busy"):
                return met(said)
            hold = Hold(channel, stack.pop_all(), given, before(said))
    except (*UNREACHABLE, ValueError) as error:
        return why(error)
    if former is not None:
        former.close()
    ours.holds[host.name] = hold
    return ""


def _line(channel: Channel) -> str:
    """The first line that comes; what there is of it where the other side ends before."""
    return _read(channel).decode(errors="replace").strip()


def _read(channel: Channel) -> bytes:
    said = b""
    while b"\n" not in said:
        more = channel.recv(4096)
        if not more:
            break
        said += more
    return said


def _holder() -> Holder:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container without a name for its user
        user = str(os.getuid())
    return Holder(
        user, socket.gethostname(), os.getpid(), deploys_in(sys.argv[1:]), this_run(_Lock).run
    )


# Keeping it
# ----------


def _held(but: str = "") -> bool:
    """Whether some manager holds the lock; asked where it is not certain. but: not this one."""
    holds = [hold for name, hold in this_run(_Lock).holds.items() if name != but]
    if any(hold.certain() for hold in holds):
        return True
    signs = [gevent.spawn(hold.give_sign) for hold in holds]
    gevent.joinall(signs)
    return any(sign.get() for sign in signs)


def _keep(state: State, host: Host) -> None:
    """Give a manager signs of life; take the lock there again after it was away (a reboot)."""
    ours = this_run(_Lock)
    while not ours.overtaken:
        gevent.sleep(HEARTBEAT)
        if not ours.holds[host.name].give_sign():
            _take_again(state, host)


def _take_again(state: State, host: Host, *, waiting: bool = False) -> bool:
    """Whether a manager holds the lock again, or still.

    waiting: not tried again within some seconds.
    """
    ours = this_run(_Lock)
    with ours.taking_again:
        former = ours.holds[host.name]
        if ours.overtaken:
            return False
        if former.give_sign():
            return True
        if waiting and clock.now() - ours.tried.get(host.name, 0) < _SIGN:
            return False
        held = _held(but=host.name)
        # Else others may have been here since this manager was last heard of.
        unbroken = held and ours.since <= former.answered
        try:
            found = _take(state, host)
        except pyinfra_internals.NoConnectionFound as error:  # it is being connected again
            found = str(error)
        ours.tried[host.name] = clock.now()
        if isinstance(found, Met):
            # One that has begun here while this one held another meets it there, and withdraws.
            if not unbroken and (found.holder is None or found.holder.run != ours.run):
                ours.overtaken = overtaken(found, datetime.now())
            return False
        if found:
            return False
        last = ours.holds[host.name].last
        if not unbroken and last is not None and last.run != ours.run:
            ours.overtaken = ours.overtaken or replaced(last)
        if not held:
            ours.lapsed, ours.since = True, clock.now()
        return True
