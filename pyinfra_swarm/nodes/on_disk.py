"""What a host keeps on its disk of a swarm, whether its engine runs or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyinfra_swarm.run.observation import Observation


@dataclass(frozen=True)
class OnDisk(Observation):
    """What a host has of a swarm on its disk, whether its engine runs or not.

    state: there is any; locked: its keys are encrypted (autolock); cluster, node, manager: which
    swarm, which node in it, and whether it was a manager, by its certificate; engine: the installed
    engine's version, empty where there is none; addresses: the host's own, IPv4.
    """

    state: bool
    locked: bool
    cluster: str
    node: str
    manager: bool
    engine: str
    addresses: tuple[str, ...]


OnDisks = Mapping[str, OnDisk | None]
"""Each declared host's state on disk by name; ``None`` for a host that gave no answer."""
