"""A run of ``deploys/swarm.py`` on a simulated world: its stages, in their order."""

from __future__ import annotations

from dataclasses import dataclass, field

from cluster.findings import refusals
from cluster.membership import Observed, acting_manager
from cluster.settings import Host
from cluster.steps import Step, steps
from cluster.topology import STAGES, Seen, Stage
from tests.swarm.world import Refused, World


@dataclass
class Run:
    """One run. done: host and step, in order; refusals: by host, which is out from then on."""

    world: World
    done: list[tuple[str, Step]] = field(default_factory=list)
    refusals: dict[str, str] = field(default_factory=dict)

    def all(self) -> Run:
        for stage in STAGES:
            hosts = [host for host in self.world.settings.hosts if host.name in self.world.on]
            if stage.serial:
                for host in hosts:
                    self.one(stage, host, self.world.observe())
            else:
                # Hosts work side by side: one observation for all, carried out in any order.
                observed = self.world.observe()
                self.world.random.shuffle(hosts)
                for host in hosts:
                    self.one(stage, host, observed)
        return self

    def one(self, stage: Stage, host: Host, observed: Observed) -> None:
        if host.name not in self.world.on or host.name in self.refusals:
            return
        acting = acting_manager(self.world.settings, observed)
        services = self.world.services(acting)
        findings = stage.plan(Seen(self.world.settings, observed, services), host)
        for refusal in refusals(findings):
            self.refusals[host.name] = refusal.sentence()
            return
        for step in steps(findings):
            self.done.append((host.name, step))
            try:
                self.world.carry_out(host.name, step, acting)
            except Refused as refused:
                self.refusals[host.name] = str(refused)
                return
