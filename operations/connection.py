"""The run's own SSH connections."""

from __future__ import annotations

import socket
from contextlib import suppress

from paramiko import Transport
from pyinfra.api import Host
from pyinfra.connectors.util import clear_askpass_cache

_OPTIONS = (
    # Linux's names and, for the idle time, macOS's: seconds, seconds, probes, milliseconds.
    ("TCP_KEEPIDLE", 20),
    ("TCP_KEEPALIVE", 20),
    ("TCP_KEEPINTVL", 5),
    ("TCP_KEEPCNT", 4),
    ("TCP_USER_TIMEOUT", 40_000),
)


def _transport(host: Host) -> Transport | None:
    client = getattr(host.connector, "client", None)
    return client.get_transport() if client else None


def connection_broke(host: Host) -> bool:
    """Whether the connection to a host has ended without our doing."""
    transport = _transport(host)
    return transport is not None and not transport.is_active()


def notice_power_loss(host: Host) -> None:
    """Have the kernel find out within a minute that a host is gone.

    pyinfra waits for a command's output as long as the command may take. A host that loses its
    power in the middle of an installation says nothing more, and the run would wait half an hour.
    """
    connection = getattr(_transport(host), "sock", None)
    if connection is None or not hasattr(connection, "setsockopt"):
        return  # through a jump host or a proxy command: its own settings decide
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _OPTIONS:
            option = getattr(socket, name, None)
            if option is not None:
                connection.setsockopt(socket.IPPROTO_TCP, option, value)


def log_in_anew(host: Host) -> bool:
    """Replace the run's connection to a host by a new one; whether that worked.

    Quiet where it did not: the host may be on its way down or up.
    """
    clear_askpass_cache(host)  # what was left there for sudo may be gone with the old boot
    client = getattr(host.connector, "client", None)
    if client is not None:
        client.close()
    host.disconnect()
    host.connect(show_errors=False)
    if host.connected:
        notice_power_loss(host)
    return bool(host.connected)
