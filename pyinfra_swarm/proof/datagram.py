"""A datagram as a host's shell sends it, whatever bytes are in it."""

from __future__ import annotations

from pyinfra_swarm.run.onhost import program

DATAGRAM = program(__file__, "datagram.sh")
"""The shell function that writes one."""


def as_numbers(data: bytes) -> str:
    """Bytes as that function takes them, such as ``83,87,1``."""
    return ",".join(map(str, data))
