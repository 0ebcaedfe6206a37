"""Rotations on a simulated swarm: anything may fail or die at any moment, and nothing is lost.

The swarm is in ``models/secrets``. Its own checks hold after every request: no service, no task and
no rollback is left with an object that is gone.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from pyinfra_swarm.run.findings import changes, refusals
from pyinfra_swarm.secrets.objects import Key, lines
from pyinfra_swarm.secrets.steps import NOTHING, Asked, Remove
from pyinfra_swarm.services.service import references, with_references
from tests.models.secrets.run import Run
from tests.models.secrets.world import Crash, Refused, Service, World, of, spec

APP, VAULT, SITE = Key("secret", "app"), Key("secret", "app_vault"), Key("config", "site")
KEYS = st.sampled_from([APP, VAULT, SITE])
VALUES = st.sampled_from(["one", "two", "three"])
MODES = st.sampled_from(["replicated", "replicated", "global", "replicated-job"])
ENDS = st.sampled_from(["pause", "rollback", "continue"])
LIFE = st.one_of(st.none(), st.integers(0, 12))
ENOUGH = 8
"""Runs in which a swarm that lets a run do its work is at its end."""


class Rotations(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.declared = {APP: "one", VAULT: "one", SITE: "one"}

    @initialize(uses=st.lists(st.sets(KEYS, min_size=1), min_size=1, max_size=4), data=st.data())
    def services(self, uses: list[set[Key]], data: st.DataObject) -> None:
        """Each uses first versions, as a site run and a stack have made them."""
        self.run(NOTHING, None)
        for number, keys in enumerate(uses):
            self.deploy(
                f"s{number}", keys, data.draw(MODES), data.draw(ENDS), data.draw(st.integers(0, 2))
            )

    def deploy(self, name: str, keys: set[Key], mode: Any, end: str, replicas: int) -> None:
        there = lines(self.world.objects.values(), KEYS_ALL)
        used = [line.current for key in keys if (line := there[key]).current]
        id = self.world.id("s")
        self.world.start(
            Service(
                id,
                name,
                spec(name, *used),
                mode=mode,
                on_failure=end,
                replicas=replicas if mode == "replicated" else 1,
            )
        )

    # What happens
    # ------------

    @rule(key=KEYS, value=VALUES)
    def declare(self, key: Key, value: str) -> None:
        self.declared[key] = value

    @rule(value=VALUES)
    def spoil(self, value: str) -> None:
        """With this value no task starts any more, as with a password that a database refuses."""
        self.world.broken.add(value)

    @rule()
    def mend(self) -> None:
        self.world.broken.clear()

    @rule(life=LIFE)
    def site(self, life: int | None) -> None:
        self.run(NOTHING, life)

    @rule(key=KEYS, life=LIFE)
    def only(self, key: Key, life: int | None) -> None:
        self.run(Asked(key.name), life)

    @rule(key=KEYS, life=LIFE)
    def back(self, key: Key, life: int | None) -> None:
        self.run(Asked(key.name, back=True), life)

    @rule()
    def managers(self) -> None:
        """Time passes: what is under way comes to its end."""
        for id in self.world.services:
            self.world.go_on(id)

    @rule(data=st.data())
    @precondition(lambda self: self.world.services)
    def owner(self, data: st.DataObject) -> None:
        """Somebody updates a service by hand, its secrets as they are."""
        service = data.draw(st.sampled_from([*self.world.services.values()]))
        self.world.update(service.id, {**service.spec, "Labels": {}}, service.version)
        self.world.go_on(service.id)

    @rule(data=st.data())
    @precondition(lambda self: self.world.services)
    def hang(self, data: st.DataObject) -> None:
        """A task does not end, whatever its service says."""
        service = data.draw(st.sampled_from([*self.world.services.values()]))
        service.hanging = [service.spec]

    @rule()
    def let_go(self) -> None:
        for service in self.world.services.values():
            service.hanging = []

    @rule(keys=st.sets(KEYS, min_size=1), mode=MODES, end=ENDS, replicas=st.integers(0, 2))
    @precondition(lambda self: len(self.world.services) < 5)
    def more(self, keys: set[Key], mode: Any, end: str, replicas: int) -> None:
        self.deploy(f"n{next(self.world.ids)}", keys, mode, end, replicas)

    @rule(data=st.data())
    @precondition(lambda self: len(self.world.services) > 1)
    def fewer(self, data: st.DataObject) -> None:
        del self.world.services[data.draw(st.sampled_from([*self.world.services]))]

    def run(self, asked: Asked, life: int | None) -> Run:
        self.world.now += 60
        self.world.requests = life
        run = Run(self.world, self.declared, asked)
        try:
            run.all()
        except Crash:
            run.died = True
        finally:
            self.world.requests = None
        return run

    # What holds
    # ----------

    @invariant()
    def nothing_is_missing(self) -> None:
        self.world.check()

    @rule()
    def there_is_an_end(self) -> None:
        """Where values work and runs live, all services come to the current versions, and stay."""
        self.world.broken.clear()
        for service in self.world.services.values():
            service.hanging = []
        for _ in range(ENOUGH):
            run = self.run(NOTHING, None)
            if not run.done and not run.stopped:
                break
        assert not run.stopped, f"{run.stopped}\n{self.world!r}"
        assert not run.done, f"{run.done}\n{self.world!r}"
        there = lines(self.world.objects.values(), KEYS_ALL)
        for key, line in there.items():
            assert line.current is not None
            value = self.world.values[line.current.id]
            taken_back = {self.world.values[one.id] for one in line.versions if one.withdrawn}
            assert value == self.declared[key] or self.declared[key] in taken_back
            ids = {one.id for one in line.versions} - {line.current.id}
            for service in self.world.services.values():
                if not service.mode.endswith("job"):
                    assert service.update != "paused" or self.owners(service), service.name
                    assert not ids & {one.id for one in references(service.spec)}, service.name
        assert not changes(Run(self.world, self.declared).plan())

    def owners(self, service: Service) -> bool:
        """Whether the last update was not for the sake of another version."""
        used, before = (
            {one.id for one in references(spec)}
            for spec in (service.spec, service.previous or service.spec)
        )
        return used == before

    @rule(data=st.data())
    @precondition(lambda self: self.world.services)
    def while_others_work(self, data: st.DataObject) -> None:
        """A run, and before each of its steps somebody rolls back a service, or a task hangs."""

        def meanwhile() -> None:
            service = data.draw(st.sampled_from([*self.world.services.values()]))
            match data.draw(st.sampled_from(["nothing", "nothing", "roll back", "hang"])):
                case "roll back" if service.previous is not None:
                    self.world.update(service.id, service.previous, service.version)
                    self.world.go_on(service.id)
                case "hang":
                    service.hanging = [*service.hanging, service.spec]

        self.world.meanwhile = meanwhile
        self.run(NOTHING, None)
        self.world.meanwhile = lambda: None

    @rule(key=KEYS, lives=st.lists(st.integers(0, 5), max_size=3))
    def no_flip_flop_after_a_way_back(self, key: Key, lives: list[int]) -> None:
        """However often it is interrupted and run again: one version back, and there it stays."""
        self.there_is_an_end()
        before = lines(self.world.objects.values(), KEYS_ALL)[key]
        back = Asked(key.name, back=True)
        if refusals(Run(self.world, self.declared, back).plan()):
            return
        for life in (*lives, None):
            self.run(back, life)
        to = before.standing[0 if before.last_taken_back else 1]
        for again in (False, True):
            after = lines(self.world.objects.values(), KEYS_ALL)[key]
            assert after.current is not None
            assert after.current.id == to.id
            found = changes(Run(self.world, self.declared).plan())
            # A service has one previous specification: the way back has taken the place of the
            # one that still needed an old version of another secret.
            assert all(isinstance(one, Remove) and one.key != key for one in found)
            assert not (again and found)
            self.run(NOTHING, None)


KEYS_ALL = (APP, VAULT, SITE)


def ends(machine: Rotations) -> None:
    """A machine's own promise, asked for outside of its rules."""
    machine.there_is_an_end()


@pytest.mark.parametrize("on_failure", ["pause", "rollback", "continue"])
@pytest.mark.parametrize("works", [True, False])
@pytest.mark.parametrize("asked", [NOTHING, Asked("app", back=True)])
def test_a_run_may_die_before_any_request(on_failure: str, works: bool, asked: Asked) -> None:
    """Every moment of a rotation, and of a way back, one after the other."""
    for life in range(20):
        machine = Rotations()
        world = machine.world
        machine.declare(SITE, "another")  # so that what breaks is a version of the secret alone
        machine.run(NOTHING, None)
        for name in ("api", "web"):
            machine.deploy(name, {APP, SITE}, "replicated", on_failure, 1)
        machine.declare(APP, "two")
        machine.run(NOTHING, None)
        if not asked.back:
            machine.declare(APP, "three")
        if not works:
            world.broken = {"three"} if not asked.back else {"one"}
        run = machine.run(asked, life)
        world.check()
        machine.managers()
        for _ in range(2):
            machine.run(asked, None)
            world.check()
        assert not [one.name for one in world.services.values() if world.fails(one.spec)]
        ends(machine)
        if not run.died:
            return
    raise AssertionError("it never lived to its end")


Rotations.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestRotations = Rotations.TestCase


def test_the_world_refuses_what_an_engine_refuses() -> None:
    """Or the promises would hold of a world in which anything goes."""
    world = World()
    first = world.objects[world.add(of(APP, 1, 1), "one")]
    world.start(Service("s", "web", spec("web", first)))
    with pytest.raises(Refused):
        world.add(of(APP, 1, 1), "two")
    with pytest.raises(Refused):
        world.remove(first.id)
    with pytest.raises(Refused):
        world.update("s", {}, 7)
    second = world.objects[world.add(of(APP, 2, 2), "two")]
    new = with_references(world.services["s"].spec, "secret", {first.id: (second.id, "app_v2")})
    world.update("s", new, 1)
    world.remove(first.id)  # the engine lets it go
    with pytest.raises(AssertionError, match="app_v1 is gone"):
        world.check()  # and a rollback without its secret is noticed
