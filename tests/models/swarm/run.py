"""Runs of ``deploys/swarm.py`` and ``deploys/remove.py`` on a simulated world, in their order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pyinfra_swarm.nodes.membership import Observed, acting_manager
from pyinfra_swarm.nodes.steps import Step, steps
from pyinfra_swarm.removal import plan as removal
from pyinfra_swarm.removal.steps import AwaitEmpty, Leave, RemoveEntry
from pyinfra_swarm.removal.target import Target, find
from pyinfra_swarm.run.findings import Finding, refusals
from pyinfra_swarm.settings import Host
from pyinfra_swarm.swarm.labels import SetAvailability
from pyinfra_swarm.swarm.roles import Demote
from pyinfra_swarm.swarm.stages import STAGES, Seen, Stage
from tests.models.swarm.world import Refused, World


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
                self.world.carry_out(host.name, step, acting, observed)
            except Refused as refused:
                self.refusals[host.name] = str(refused)
                return


REMOVAL: tuple[Callable[[Target], list[Finding]], ...] = (
    removal.plan_drain,
    lambda target: removal.plan_emptying(target, ["web.1"]),
    removal.plan_demotion,
    removal.plan_leaving,
    removal.plan_clearing,
)


@dataclass
class Removal:
    """One run of ``deploys/remove.py`` for a host or node. refused: why it has ended early."""

    world: World
    name: str
    done: list[Step] = field(default_factory=list)
    refused: str = ""

    def all(self) -> Removal:
        settings = self.world.settings
        target = self.target()
        if isinstance(target, Target):
            whole = removal.plan_removal(settings, self.world.observe(), target, ["web.1"])
            if any(self.refuses(whole)):
                return self
            for plan in REMOVAL:
                target = self.target()
                if not isinstance(target, Target):
                    break  # an undeclared node is forgotten when its entry is gone
                found = plan(target)
                if any(self.refuses(found)):
                    return self
                for step in steps(found):
                    self.done.append(step)
                    try:
                        self.carry_out(target, step)
                    except Refused as refused:
                        self.refused = str(refused)
                        return self
        else:
            self.refused = target.sentence()
        return self

    def target(self) -> Target | Finding:
        return find(self.world.settings, self.world.observe(), self.name)

    def refuses(self, findings: list[Finding]) -> list[str]:
        said = [refusal.sentence() for refusal in refusals(findings)]
        self.refused = "; ".join(said)
        return said

    def carry_out(self, target: Target, step: Step) -> None:
        world = self.world
        match step:
            case SetAvailability(availability=availability):
                assert target.alive is not None
                world.trusts(target.ask)
                alive = world.of(self.name, target.alive.id)
                world.change(target.ask, alive, availability=availability)
            case AwaitEmpty():
                assert step.node not in world.manages(target.ask).busy
            case Demote(node=node, on=on):
                world.trusts(on)
                world.set_role(on, world.of(self.name, node), "worker")
            case Leave(by_hand=True):
                raise Refused("somebody has to type it there")
            case Leave():
                world.leave(self.name)
            case RemoveEntry(node=node):
                world.remove(target.ask, world.of(self.name, node))
            case _:
                raise AssertionError(f"no step of a removal: {step}")
