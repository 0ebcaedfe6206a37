"""The cluster's lock, held by a run that changes something: one run at a time.

A run holds it on every declared manager that it reaches, by a channel of its own SSH connection
(:data:`cluster.lock.TAKE` at the other end). It is no command of any operation and no change.
"""

from __future__ import annotations

import getpass
import os
import socket
import sys
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

import click
import gevent
from gevent.event import AsyncResult
from gevent.lock import BoundedSemaphore
from paramiko import Channel, SSHException
from pyinfra import logger
from pyinfra.api import Host, State

from cluster.lock import (
    HEARTBEAT,
    TAKE,
    Holder,
    Met,
    announcement,
    deploys_in,
    met,
    overtaken,
    refusal,
)
from operations import pyinfra_internals
from operations.connection import login_arguments, reached, transport, why

_ANSWER = 30
"""Seconds that a manager may take to answer."""

_LOST = (SSHException, OSError, EOFError)

_run = uuid.uuid4().hex
_begun: AsyncResult[str] | None = None
_channels: dict[str, Channel] = {}
_lapsed = False
_overtaken = ""
_taking_again = BoundedSemaphore()


def problem(state: State, lost: Callable[[], None]) -> str:
    """Why this run may change nothing; "" where it may: it holds the lock, or nobody can.

    lost: called where no manager has held the lock for a while: others may have changed something.

    The first to ask takes the lock, others wait for the answer. Later it costs nothing, as long as
    some manager holds the lock for this run.
    """
    global _begun, _lapsed
    if _begun is None:
        _begun = AsyncResult()
        refused = "the cluster's lock could not be taken"
        try:
            refused = _take_everywhere(state)
        finally:
            _begun.set(refused)
    refused = str(_begun.get())
    if refused or _overtaken:
        return refused or _overtaken
    if _channels and not _held():
        for name in list(_channels):
            _take_again(state, state.inventory.get_host(name))
    if _lapsed:
        _lapsed = False
        lost()
    return _overtaken


def _take_everywhere(state: State) -> str:
    """Take the lock on the first manager, then on the others; or say who has it.

    Each run begins with the first that answers: of two that begin at once, one goes on.
    """
    managers = _managers(state)
    answers: list[Met | None] = []
    while managers and not _channels and not any(answers):
        answers.append(_take(state, managers.pop(0)))
    if _channels:
        waiting = [gevent.spawn(_take, state, host) for host in managers]
        gevent.joinall(waiting)
        answers += [one.get() for one in waiting]
    found = next((answer for answer in answers if answer is not None), None)
    if found is None:
        for name in _channels:
            gevent.spawn(_keep, state, state.inventory.get_host(name))
        return ""
    for channel in _channels.values():
        channel.close()
    _channels.clear()
    return refusal(found, datetime.now())


def _managers(state: State) -> list[Host]:
    """The declared managers that can be reached, in the order in which they are declared."""
    managers = pyinfra_internals.hosts_in_group(state, "managers")
    waiting = [gevent.spawn(reached, state, host) for host in managers]
    gevent.joinall(waiting)
    return [host for host, answer in zip(managers, waiting, strict=True) if answer.get()]


def _take(state: State, host: Host) -> Met | None:
    """Have a manager hold the lock, or learn who has it; None where it holds it, or cannot say."""
    connection = transport(host)
    if connection is None or not connection.is_active():
        return None  # another connector than SSH's, or a host that is gone
    arguments = {**login_arguments(state, host), "_shell_executable": "bash"}
    command, shown = pyinfra_internals.command_line(state, host, TAKE, arguments)
    if state.print_input:
        click.echo(f"{host.print_prefix}>>> {shown}", err=True)
    try:
        channel = connection.open_session(timeout=_ANSWER)
        channel.settimeout(_ANSWER)
        channel.exec_command(command)
        channel.sendall(f"{announcement(_holder())}\n".encode())
        said = _line(channel)
        if said == "held":
            _channels[host.name] = channel
            return None
        if said:
            return met(said)
        reason = channel.makefile_stderr("r").read().decode(errors="replace").strip()
    except (*_LOST, ValueError) as error:
        reason = why(error)
    logger.warning(f"{host.print_prefix}The cluster's lock could not be taken here: {reason}")
    return None


def _line(channel: Channel) -> str:
    """The first line that comes; what there is of it where the other side ends before."""
    said = b""
    while b"\n" not in said:
        more = channel.recv(4096)
        if not more:
            break
        said += more
    return said.decode(errors="replace").strip()


def _holder() -> Holder:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container without a name for its user
        user = str(os.getuid())
    return Holder(user, socket.gethostname(), os.getpid(), deploys_in(sys.argv[1:]), _run)


# Keeping it
# ----------


def _held() -> bool:
    return any(map(_alive, _channels.values()))


def _alive(channel: Channel) -> bool:
    connection = channel.get_transport()
    return not channel.closed and not channel.eof_received and connection.is_active()


def _keep(state: State, host: Host) -> None:
    """Give a manager signs of life; take the lock there again after it was away (a reboot)."""
    while not _overtaken:
        gevent.sleep(HEARTBEAT)
        channel = _channels[host.name]
        if _alive(channel):
            with suppress(*_LOST):
                channel.sendall(b"\n")
        else:
            _take_again(state, host)


def _take_again(state: State, host: Host) -> None:
    global _lapsed, _overtaken
    with _taking_again:
        if _overtaken or _alive(_channels[host.name]):
            return
        held = _held()
        found = _take(state, host)
        if held:
            return  # a run that has begun here meanwhile meets this one elsewhere, and withdraws
        if found is None:
            _lapsed = _lapsed or _held()
        elif found.holder is None or found.holder.run != _run:
            _overtaken = overtaken(found, datetime.now())
