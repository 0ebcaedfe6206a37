"""What becomes of a datagram that the proof's shell function writes."""

from __future__ import annotations

import socket
from collections.abc import Callable

from pyinfra_swarm.proof.datagram import DATAGRAM, as_numbers

EVERY_BYTE = bytes(range(256))


def sent_by(run: Callable[[str, int], object]) -> list[bytes]:
    """The datagrams that come of one with every byte.

    run: runs a script of bash's, whose output goes to a file descriptor.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        run(f"{DATAGRAM}datagram {as_numbers(EVERY_BYTE)}", theirs.fileno())
        found = []
        ours.setblocking(False)
        try:
            while True:
                found.append(ours.recv(4096))
        except BlockingIOError:
            return found
