"""Runs of ``deploys/secrets.py`` on a simulated swarm, step by step as the operation takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pyinfra_swarm.run.findings import Change, Finding, changes, refusals
from pyinfra_swarm.secrets.objects import Key, Object, Seen, lines
from pyinfra_swarm.secrets.plan import flipped, plan, unneeded
from pyinfra_swarm.secrets.steps import (
    NOTHING,
    Asked,
    Await,
    Create,
    Flip,
    MakeCurrent,
    Remove,
    Wanted,
    Withdraw,
)
from tests.models.secrets.world import Refused, World, of


@dataclass
class Run:
    """One run. done: the steps that were carried out; stopped: why it has ended early; died: its
    controller has."""

    world: World
    declared: Mapping[Key, str]
    asked: Asked = NOTHING
    adopt: bool = False
    done: list[Change] = field(default_factory=list)
    stopped: str = ""
    died: bool = False

    def all(self) -> Run:
        """May raise ``Crash``, where the world says so."""
        findings = self.plan()
        if forbidden := refusals(findings):
            self.stopped = forbidden[0].sentence()
            return self
        for step in changes(findings):
            try:
                self.carry_out(step)
            except Refused as refused:
                self.stopped = str(refused)
            if self.stopped:
                break
            self.done.append(step)
        return self

    def plan(self) -> list[Finding]:
        world = self.world
        seen = world.seen()
        return plan(self.wanted(seen), seen, asked=self.asked, living=world.living(), now=world.now)

    def wanted(self, seen: Seen) -> Sequence[Wanted]:
        there = lines(seen.objects, self.declared)
        return [
            Wanted(
                key,
                self.matching(key, value, there[key].candidates(template=False)),
                adopt=self.adopt,
            )
            for key, value in self.declared.items()
        ]

    def matching(self, key: Key, value: str, candidates: Sequence[Object]) -> str:
        if self.asked.back or self.asked.secret not in ("", key.name):
            return ""
        ids = [one.id for one in candidates]
        return next((id for id in ids if self.world.values[id] == value), "")

    def carry_out(self, step: Change) -> None:
        world = self.world
        world.meanwhile()
        world.alive()
        match step:
            case Create():
                world.add(of(step.key, step.version, step.turn), self.declared[step.key])
            case MakeCurrent():
                world.relabel(step.id, turn=step.turn, withdrawn=None)
            case Withdraw():
                world.relabel(step.id, withdrawn=world.now)
            case Flip():
                self.flip(step)
            case Await():
                self.see_through(step)
            case Remove():
                seen = world.seen()
                [wanted] = [one for one in self.wanted(seen) if one.key == step.key]
                going = unneeded(wanted, seen, world.living(), asked=self.asked)
                if step.id in [one.id for one in going]:
                    world.remove(step.id)
            case _:
                raise AssertionError(f"no step of a rotation: {step}")
        world.check()

    def flip(self, step: Flip) -> None:
        world = self.world
        if step.id not in world.services:
            return
        service = world.services[step.id]
        before = service.spec
        new = flipped(before, world.seen(), step)
        if new is None:
            return
        world.update(step.id, new, service.version)
        world.check()
        world.alive()
        self.end(step.id, before)

    def see_through(self, step: Await) -> None:
        service = self.world.services.get(step.id)
        if service is not None:
            self.end(step.id, service.previous if step.ours else None)

    def end(self, id: str, before: object) -> None:
        """What the services' operations do: await the end, and put back what has failed."""
        world, service = self.world, self.world.services[id]
        world.go_on(id)
        world.check()
        if service.update in ("", "completed") and not world.fails(service.spec):
            return
        self.stopped = f"{service.name}: {service.update}"
        if service.update in ("paused", "completed") and isinstance(before, Mapping):
            world.alive()
            world.roll_back(id, before)
