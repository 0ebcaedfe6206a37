"""The plan as a whole: an ordered list of safe steps from what is to what is declared, or refusals.

What a run *will* do is foreseen: the stages (:mod:`swarm.stages`) are planned one after the other,
each from what the steps before it will have made of the swarm (:mod:`swarm.forecast`). So a dry
run, a run and the tests' simulation go through the same steps.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from pyinfra_swarm.nodes.steps import Step, steps
from pyinfra_swarm.run.findings import Finding, Refusal, refusals
from pyinfra_swarm.swarm.forecast import foresee, start_engines
from pyinfra_swarm.swarm.stages import STAGES, Seen, Stage


@dataclass(frozen=True)
class Planned:
    """What a stage finds for a host; nothing where it has nothing to do there."""

    stage: Stage
    host: str
    findings: list[Finding]


@dataclass(frozen=True)
class Plan:
    """All that a run will find and do, in its order."""

    entries: tuple[Planned, ...]

    def of(self, stage: Stage, host: str) -> list[Finding]:
        """What a stage will find for a host."""
        return [
            finding
            for entry in self.entries
            if entry.stage is stage and entry.host == host
            for finding in entry.findings
        ]

    @property
    def steps(self) -> list[tuple[str, Step]]:
        """Host and step, in the order in which they are carried out."""
        return [(entry.host, one) for entry in self.entries for one in steps(entry.findings)]

    @property
    def refusals(self) -> list[tuple[str, Refusal]]:
        """Host and refusal; such a host is out of the run's later stages."""
        return [(entry.host, one) for entry in self.entries for one in refusals(entry.findings)]


def plan(seen: Seen, among: Collection[str] | None = None) -> Plan:
    """All stages, each from what the ones before it will have done.

    among: the hosts that the run works on, where these are not all. A silent host does nothing.
    """
    observed = dict(seen.observed)
    if seen.planning:
        start_engines(seen.settings, observed)
    working = [
        host
        for host in seen.settings.hosts
        if observed.get(host.name) is not None and (among is None or host.name in among)
    ]
    entries: list[Planned] = []
    for stage in STAGES:
        batches = [[host] for host in working] if stage.serial else [working]
        for batch in batches:
            now = replace(seen, observed=observed)
            found = [Planned(stage, host.name, stage.plan(now, host)) for host in batch]
            for entry in found:
                if refusals(entry.findings):
                    working = [host for host in working if host.name != entry.host]
                else:
                    for one in steps(entry.findings):
                        foresee(seen.settings, observed, seen.settings.host(entry.host), one)
            entries += [entry for entry in found if entry.findings]
    return Plan(tuple(entries))
