"""What a manager says about stacks, as a value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyinfra_swarm.run.observation import Observation
from pyinfra_swarm.services.service import Service
from pyinfra_swarm.stacks.record import Record, newest


@dataclass(frozen=True)
class Stacks(Observation):
    """Records of deployed stacks, and all services of the swarm.

    records: all there are, also those that a later one has taken the place of.
    problem: why this host cannot say, in words; "" where it could.
    """

    records: tuple[Record, ...] = ()
    services: tuple[Service, ...] = ()
    problem: str = ""

    def to_json(self) -> dict[str, Any]:
        """What can be shown to anybody, stack by stack."""
        records = newest(self.records)
        names = sorted({*records, *(one.stack for one in self.services if one.stack)})
        return {
            "problem": self.problem,
            "stacks": {
                name: {
                    "record": records[name].to_json() if name in records else None,
                    "services": [one.to_json() for one in self.services if one.stack == name],
                }
                for name in names
            },
        }


@dataclass(frozen=True)
class Seen:
    """What the plan of stacks rests on.

    engine: the version of the engine that gave the specifications. records: by the stack's name.
    services: all of the swarm. ours: the ids of our own secrets and configs, and the names that
    they are declared by. networks: the names of networks by their ids.
    """

    engine: str
    records: Mapping[str, Record]
    services: Sequence[Service]
    ours: Mapping[str, str] = field(default_factory=dict)
    networks: Mapping[str, str] = field(default_factory=dict)

    def of(self, stack: str) -> dict[str, Service]:
        """The services of a stack by their names."""
        return {one.name: one for one in self.services if one.stack == stack}
