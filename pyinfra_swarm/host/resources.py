"""How full a host is: values only, made by :class:`host.facts.Resources`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pyinfra_swarm.run.answer import Sections
from pyinfra_swarm.run.observation import Observation


@dataclass(frozen=True)
class FileSystem(Observation):
    """A file system, in bytes.

    path: of what was asked for; free: what others than root can still write.
    """

    path: str
    total: int
    used: int
    free: int

    @property
    def share(self) -> int:
        """How much of it is used, in percent, as ``df`` counts it: never less than there is."""
        usable = self.used + self.free
        return -(-100 * self.used // usable) if usable > 0 else 0


@dataclass(frozen=True)
class Resources(Observation):
    """How full a host is.

    memory, available: in bytes; available: what programs could still have, as Linux counts it.
    up: seconds since it was started. disks: ``/``, and ``/var/lib/docker`` where it is there.
    celsius: of its hottest sensor; ``None`` where it has none.
    """

    memory: int
    available: int
    up: float
    disks: tuple[FileSystem, ...]
    celsius: float | None = None


def parse(said: Sections) -> Resources:
    """Make sense of what ``resources.sh`` prints. Raises ``ValueError`` for anything else."""
    memory = dict(line.split() for line in said["memory"])
    heat = [int(line) for line in said["heat"] if re.fullmatch(r"-?\d+", line)]
    return Resources(
        memory=int(memory["MemTotal:"]) * 1024,
        available=int(memory["MemAvailable:"]) * 1024,
        up=float(said["up"][0]),
        disks=tuple(_file_systems(said["disks"])),
        celsius=max(heat) / 1000 if heat else None,
    )


def _file_systems(lines: list[str]) -> Iterator[FileSystem]:
    for line in lines:
        path, block, total, free, available = line.split()
        size = int(block)
        yield FileSystem(
            path=path,
            total=int(total) * size,
            used=(int(total) - int(free)) * size,
            free=int(available) * size,
        )
