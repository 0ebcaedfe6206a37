"""The run's own SSH connections."""

from __future__ import annotations

import socket
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from gevent.event import AsyncResult
from paramiko import Transport
from pyinfra.api import Host, State, StringCommand

from pyinfra_swarm.run import pyinfra_internals
from pyinfra_swarm.run.answer import NoAnswer, asked, sections
from pyinfra_swarm.run.context import this_run
from pyinfra_swarm.run.pyinfra_internals import UNREACHABLE

__all__ = ["UNREACHABLE"]

_OPTIONS = (
    # Linux's names and, for the idle time, macOS's: seconds, seconds, probes, milliseconds.
    ("TCP_KEEPIDLE", 20),
    ("TCP_KEEPALIVE", 20),
    ("TCP_KEEPINTVL", 5),
    ("TCP_KEEPCNT", 4),
    ("TCP_USER_TIMEOUT", 40_000),
)


def read(host: Host, script: str, *, timeout: int, sudo: bool = True) -> str:
    """What a script prints on a host: all of it. Neither side shows it, for it may be a secret.

    Raises :class:`run.answer.NoAnswer` where the script fails or its answer was cut on the way,
    with the reason, and what :data:`UNREACHABLE` holds. timeout: seconds.
    """
    more = {"_sudo": True} if sudo else {}
    done, output = host.run_shell_command(
        StringCommand(asked(f"section said\n{script}")),
        print_output=False,
        print_input=False,
        _timeout=timeout,
        **more,
    )
    if not done:
        raise NoAnswer(output.stderr.strip() or "no message")
    return "\n".join(sections(output.stdout_lines)["said"])


def why(error: Exception) -> str:
    """An error in words. Some have none, and say nothing but their kind."""
    return str(error) or type(error).__name__


_OF_A_COMMAND = ("_get_pty", "_stdin", "_timeout", "_success_exit_codes")


@dataclass
class _Reached:
    """hosts: whether each host outside of the limit could be reached, by its name."""

    hosts: dict[str, AsyncResult[bool]] = field(default_factory=dict)


def reached(state: State, host: Host) -> bool:
    """Whether a host is connected; one outside of ``--limit`` is connected now, tried once a run.

    One that could not be reached at the start is not waited for a second time.
    """
    if pyinfra_internals.is_connected(host):
        return True
    if pyinfra_internals.is_in_limit(state, host):
        return pyinfra_internals.was_reached(state, host)
    hosts = this_run(_Reached).hosts
    asked = hosts.get(host.name)
    if asked is None:
        asked = hosts[host.name] = AsyncResult()
        try:
            pyinfra_internals.connect(host, "outside of the limit")
        finally:
            asked.set(pyinfra_internals.is_connected(host))
    return bool(asked.get())


def login_arguments(state: State, host: Host) -> dict[str, Any]:
    """How commands become root on a host, as a command that goes past pyinfra needs to know it."""
    return pyinfra_internals.login_arguments(state, host, but=_OF_A_COMMAND)


def transport(host: Host) -> Transport | None:
    """A host's SSH connection; None where there is none, or pyinfra reaches it in another way.

    Raises :class:`run.pyinfra_internals.NoConnectionFound` where there must be one.
    """
    return pyinfra_internals.transport(host)


def connection_broke(host: Host) -> bool:
    """Whether the connection to a host has ended without our doing.

    paramiko ends the commands of a connection before it calls it inactive. What it has ended for
    is there by then.
    """
    connection = transport(host)
    if connection is None:
        return False
    return not connection.is_active() or connection.saved_exception is not None


def notice_power_loss(host: Host) -> None:
    """Have the kernel find out within a minute that a host is gone.

    pyinfra waits for a command's output as long as the command may take. A host that loses its
    power in the middle of an installation says nothing more, and the run would wait half an hour.
    """
    connection = getattr(transport(host), "sock", None)
    if connection is None or not hasattr(connection, "setsockopt"):
        return  # through a jump host or a proxy command: its own settings decide
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _OPTIONS:
            option = getattr(socket, name, None)
            if option is not None:
                connection.setsockopt(socket.IPPROTO_TCP, option, value)


def log_in_again(host: Host) -> bool:
    """Replace the run's connection to a host by a new one; whether that worked.

    Quiet where it did not: the host may be on its way down or up.
    """
    worked = pyinfra_internals.connect_again(host)
    if worked:
        notice_power_loss(host)
    return worked
