"""On which machines what has passed, and what that says of a host."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pyinfra_swarm.run.wording import listed, verb


@dataclass(frozen=True, order=True)
class Machine:
    """What decides whether something that works on one host works on another.

    distribution, version: as in os-release. architecture: dpkg's name. kernel: its first two
    numbers, such as ``6.12``. back_end: of iptables, ``nft`` or ``legacy``. engine: its version.
    """

    distribution: str
    version: str
    architecture: str
    kernel: str
    back_end: str
    engine: str

    def __str__(self) -> str:
        engine = f", Docker {self.engine}" if self.engine else ""
        return (
            f"{self.system}, {self.architecture}, Linux {self.kernel}, "
            f"iptables-{self.back_end}{engine}"
        )

    def differs_from(self, other: Machine) -> list[str]:
        """What is not the same, in words.

        Patches of an engine's release count as the same, and so does an engine that is not known.
        """
        told = {
            "the system": (self.system, other.system),
            "the architecture": (self.architecture, other.architecture),
            "the kernel": (self.kernel, other.kernel),
            "the back end of iptables": (self.back_end, other.back_end),
        }
        if self.engine and other.engine:
            told["the engine"] = series(self.engine), series(other.engine)
        return [what for what, (mine, its) in told.items() if mine != its]

    @property
    def system(self) -> str:
        return f"{self.distribution.capitalize()} {self.version}"


@dataclass(frozen=True, order=True)
class Passed:
    """A scenario that has passed.

    where: ``lab`` (whole machines) or ``engines`` (real engines in namespaces of one machine).
    tests: how many it consists of. date: of the last pass. commit: what was tested.
    """

    machine: Machine
    where: str
    scenario: str
    tests: int
    date: str
    commit: str

    def record(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    @classmethod
    def parse(cls, found: dict[str, Any]) -> Passed:
        """Read what :meth:`record` has made."""
        return cls(**{**found, "machine": Machine(**found["machine"])})


def series(version: str) -> str:
    """The first two numbers of a version; the version itself where it has fewer."""
    return ".".join(version.split(".")[:2])


def parse(text: str) -> list[Passed]:
    """Read the table."""
    return [Passed.parse(found) for found in json.loads(text)]


def written(passed: Iterable[Passed]) -> str:
    """The table as text, sorted, so that a run's changes are easy to read."""
    rows = ",\n".join(json.dumps(one.record()) for one in sorted(passed))
    return f"[\n{rows}\n]\n"


def renewed(passed: Sequence[Passed], newer: Iterable[Passed]) -> list[Passed]:
    """The table with passes of today in the place of older ones."""
    by_key = {(one.machine, one.where, one.scenario): one for one in passed}
    by_key.update({(one.machine, one.where, one.scenario): one for one in newer})
    return sorted(by_key.values())


def tested_on(machine: Machine, passed: Sequence[Passed]) -> str:
    """A sentence: what of this has run on a machine like that one."""
    whole = [one for one in passed if one.where == "lab"]
    same = [one for one in whole if not machine.differs_from(one.machine)]
    if same:
        last = max(one.date for one in same)
        return f"tested: {len(same)} scenarios have passed on such a host, the last on {last}"
    if not whole:
        return "not tested: no scenario has passed on such a host yet"
    nearest = min((one.machine for one in whole), key=lambda one: len(machine.differs_from(one)))
    differing = machine.differs_from(nearest)
    return (
        f"not tested as it is: what comes nearest is {nearest}; "
        f"{listed(differing)} {verb(differing, 'differs', 'differ')}"
    )
