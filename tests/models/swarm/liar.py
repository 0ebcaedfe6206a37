"""One declared worker that lies: what it may say, and what must not come of it.

It is root on its own host and knows whatever a worker knows, chooses its own engine's name, and
answers each look as it likes. It is no manager: who is one is root on every node.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from pyinfra_swarm.nodes.membership import Membership, Node, Observed, Overlay
from pyinfra_swarm.run.lock_state import Holder, Met

if TYPE_CHECKING:
    from tests.models.swarm.world import Swarm


class World(Protocol):
    """What a liar can know of: every swarm that there is."""

    def swarms(self) -> list[Swarm]: ...


FOREIGN = "203.0.113.66"
"""Where the swarm is that a liar would have everybody join."""


@dataclass
class Liar:
    """The board that lies.

    name: of it; alias: what its engine calls it, which the managers repeat, "" for its name.
    earlier: what it has truly said before; told: the kinds of lies, in order.
    """

    name: str
    random: random.Random
    alias: str = ""
    earlier: list[Membership] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def says(self, world: World, truth: Membership | None, others: Observed) -> Membership | None:
        """Its answer to this look; another one to the next."""
        if truth is not None:
            self.earlier.append(truth)
        kind = self.random.choice([*LIES])
        self.told.append(kind)
        return LIES[kind](self, world, truth or Membership("running"), others)

    def says_of_the_lock(self, truth: Mapping[str, Met | None]) -> Met | None:
        """A run in progress: one that is not, the true one at another age; or that there is none.

        truth: what every host would say that does not lie.
        """
        ages = [0, 59, 3600, 2 * 86400, 10 * 365 * 86400, self.random.randrange(10**8)]
        age = self.random.choice(ages)
        true = [found.holder for found in truth.values() if found]
        of_its_own = Holder("mallory", self.name, age, "deploys/site.py", "never")
        lies = [Met(age, of_its_own), Met(age), *(Met(age, holder) for holder in true)]
        return self.random.choice([*lies, *lies, None])

    def another(self, world: World) -> Node:
        """A node of any swarm, whoever's it is."""
        nodes = [node for swarm in world.swarms() for node in swarm.nodes.values()]
        return self.random.choice(nodes) if nodes else _foreign(self.name)

    def a_list(self, world: World) -> tuple[Node, ...]:
        """A manager's list with a stranger in it, and with others as they are not."""
        real = [node for swarm in world.swarms() for node in swarm.nodes.values()]
        found = [_foreign(self.name)]
        for node in real:
            if self.random.random() < 0.8:
                found.append(
                    replace(
                        node,
                        role=self.random.choice(["manager", "worker"]),
                        availability=self.random.choice(["active", "drain"]),
                        state=self.random.choice(["ready", "down", "unknown"]),
                        reachability=self.random.choice(["", "reachable", "unreachable"]),
                        address=self.random.choice([node.address, FOREIGN]),
                        leader=self.random.random() < 0.2,
                    )
                )
        return tuple(found)


def _foreign(name: str) -> Node:
    return Node(
        "evil1", name, FOREIGN, "manager", "active", "ready", True, "reachable", {}, "28.5.2"
    )


_OVERLAYS = (Overlay("evil", "ingress", True, True, ("10.201.0.0/24",)),)


def _its_own_swarm(liar: Liar, world: World, truth: Membership, others: Observed) -> Membership:
    ids = [swarm.id for swarm in world.swarms()]
    return replace(
        truth,
        engine="running",
        state="active",
        node=liar.random.choice(["evil1", truth.node or "evil1", liar.another(world).id]),
        manager=True,
        cluster=liar.random.choice(["evil", *ids]),
        remote_managers={"evil1": f"{FOREIGN}:2377"},
        nodes=liar.a_list(world),
        overlays=liar.random.choice([_OVERLAYS, ()]),
    )


def _another_s_id(liar: Liar, world: World, truth: Membership, others: Observed) -> Membership:
    node = liar.another(world)
    manager = liar.random.random() < 0.5
    return replace(truth, engine="running", state="active", node=node.id, manager=manager)


def _all_of_another(liar: Liar, world: World, truth: Membership, others: Observed) -> Membership:
    said = [own for own in others.values() if own is not None]
    return liar.random.choice(said) if said else truth


def _a_name(liar: Liar, world: World, truth: Membership, others: Observed) -> Membership:
    return replace(truth, hostname=liar.another(world).hostname)


def _an_old_answer(liar: Liar, world: World, truth: Membership, others: Observed) -> Membership:
    return liar.random.choice(liar.earlier) if liar.earlier else truth


def _no_quorum(liar: Liar, world: World, truth: Membership, others: Observed) -> Membership:
    return replace(truth, engine="running", state="active", manager=True, error="no leader")


def _a_state(liar: Liar, world: World, truth: Membership, others: Observed) -> Membership:
    state = liar.random.choice(["inactive", "pending", "active", "error", "locked"])
    node = liar.random.choice([truth.node, "", "evil1"])
    managers = {liar.random.choice(["", "evil1"]): f"{FOREIGN}:2377"}
    return replace(truth, engine="running", state=state, node=node, remote_managers=managers)


def _an_engine(liar: Liar, world: World, truth: Membership, others: Observed) -> Membership:
    return Membership(liar.random.choice(["absent", "stopped", "running", "unreachable: no"]))


Lie = Callable[[Liar, World, Membership, Observed], Membership | None]
LIES: dict[str, Lie] = {
    "a swarm of its own": _its_own_swarm,
    "another's id": _another_s_id,
    "another's whole answer": _all_of_another,
    "another's name": _a_name,
    "an old answer": _an_old_answer,
    "a manager without a quorum": _no_quorum,
    "another state": _a_state,
    "another engine": _an_engine,
    "nothing": lambda liar, world, truth, others: None,
    "the truth": lambda liar, world, truth, others: truth,
}
