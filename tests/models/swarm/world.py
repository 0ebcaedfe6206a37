"""Boards with engines, and the swarms they are in, by the rules of Docker's documentation.

- [init]   https://docs.docker.com/reference/cli/docker/swarm/init/: the host becomes the manager of
  a single-node swarm; its ingress network is not encrypted
  (https://docs.docker.com/engine/network/drivers/overlay/).
- [quorum] https://docs.docker.com/engine/swarm/admin_guide/: a swarm of N managers changes nothing
  (no joining, promoting, labelling) unless (N/2)+1 of them are reachable; running tasks go on.
- [rm]     https://docs.docker.com/reference/cli/docker/node/rm/: a node has to be down, and a
  manager to be demoted before it can be removed.
- [demote] https://docs.docker.com/engine/swarm/manage-nodes/: the last manager cannot be demoted; a
  leader can, and another manager takes over (https://docs.docker.com/engine/swarm/raft/).
- [join]   https://docs.docker.com/engine/swarm/join-nodes/: joining takes a manager's answer, and
  makes a new node even of a host that the swarm had known before.
- [leave]  https://docs.docker.com/reference/cli/docker/swarm/leave/: a worker leaves and stays in
  the list as down; a manager does not leave without force.
- [drain]  https://docs.docker.com/engine/swarm/swarm-tutorial/drain-node/: the tasks of a drained
  node are started elsewhere.
- [ingress] https://docs.docker.com/engine/swarm/networking/: the ingress network cannot be removed
  while a service publishes ports through it; a swarm can be without one.
- [raft]   https://docs.docker.com/engine/swarm/raft/: a manager that is down still counts.

A role is first asked for, and is there a moment later: a controller that dies in between leaves a
node on its way, which the managers finish by themselves.
"""

from __future__ import annotations

import functools
import itertools
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from pyinfra_swarm.networks.plan import CreateOverlay, ReplaceIngress
from pyinfra_swarm.nodes.identity import node_of
from pyinfra_swarm.nodes.membership import Membership, Node, Observed, Overlay, Service
from pyinfra_swarm.nodes.quorum import majority
from pyinfra_swarm.nodes.steps import Step
from pyinfra_swarm.run.lock_state import Holder, Met
from pyinfra_swarm.settings import Settings
from pyinfra_swarm.swarm.init import Init
from pyinfra_swarm.swarm.join import AwaitJoin, Clear, Join
from pyinfra_swarm.swarm.labels import SetAvailability, SetLabel
from pyinfra_swarm.swarm.roles import Demote, Promote
from tests.models.swarm.liar import Liar

CLEAR, ENCRYPTED, NONE = "clear", "encrypted", "none"


class Crash(Exception):
    """The controller dies."""


class Refused(Exception):
    """The engine does not do it."""


@dataclass
class Swarm:
    """What the managers agree on. voting: node ids in the raft group."""

    id: str
    nodes: dict[str, Node] = field(default_factory=dict)
    voting: set[str] = field(default_factory=set)
    leader: str = ""
    ingress: str = CLEAR
    mesh_service: bool = False
    overlays: set[str] = field(default_factory=set)
    busy: set[str] = field(default_factory=set)


@dataclass(repr=False)
class World:
    """Boards, on or off, in a swarm by node id or in none.

    on: names of the boards that have power; undeclared ones (that the settings do not know) too.
    liar: a board whose answers are not true. boards: whose each node is, in truth, by its id.
    meanwhile: called before each step: what else happens in the world.
    holder: another run that changes the cluster, None where there is none; held: since how many
    seconds it holds the lock on which boards.
    """

    settings: Settings
    on: set[str]
    random: random.Random
    member: dict[str, tuple[Swarm, str]] = field(default_factory=dict)
    crash_after: int = -1
    taken: int = 0
    initialised: int = 0
    meanwhile: Callable[[], None] = lambda: None
    addresses: dict[str, str] = field(default_factory=dict)
    seen: Observed | None = None
    liar: Liar | None = None
    holder: Holder | None = None
    held: dict[str, int] = field(default_factory=dict)
    boards: dict[str, str] = field(default_factory=dict)
    ids: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def __repr__(self) -> str:
        """All that a counterexample needs to say."""
        lines = [f"{len(self.settings.managers)} managers of {len(self.settings.hosts)} declared"]
        for host in self.settings.hosts:
            swarm, node_id = self.member.get(host.name, (None, "nothing"))
            where = f"in {swarm.id} as {node_id}" if swarm else "in no swarm"
            lines.append(f"{host.name}: declared a {host.role}, {where}")
        for swarm in self.swarms():
            lines.append(f"{swarm.id}: voting {sorted(swarm.voting)}, ingress {swarm.ingress}")
            lines += [
                f"  {n.id} {n.hostname} {n.role} {n.availability} {dict(n.labels)}"
                for n in swarm.nodes.values()
            ]
        return "\n".join(lines)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))  # asked for by hypothesis, which would print every field

    # What is the case

    def address(self, name: str) -> str:
        self.addresses = self.addresses or {h.name: h.address for h in self.settings.hosts}
        return self.addresses.get(name, f"192.168.9.{sum(map(ord, name)) % 250}")

    def swarms(self) -> list[Swarm]:
        """Each that some board is in."""
        return list({id(swarm): swarm for swarm, _ in self.member.values()}.values())

    def reached(self, swarm: Swarm) -> set[str]:
        """The ids of the nodes that have power and know that they are in the swarm."""
        return {
            node_id
            for name, (other, node_id) in self.member.items()
            if other is swarm and name in self.on
        }

    def quorate(self, swarm: Swarm) -> bool:  # [quorum], [raft]
        return len(swarm.voting & self.reached(swarm)) >= majority(len(swarm.voting))

    def listed(self, swarm: Swarm) -> tuple[Node, ...]:
        up = self.reached(swarm)
        if swarm.leader not in swarm.voting & up:
            swarm.leader = self.random.choice(sorted(swarm.voting & up))
        seen = []
        for node in swarm.nodes.values():
            word = "reachable" if node.id in up else "unreachable"
            liar = self.liar if self.liar and self.boards[node.id] == self.liar.name else None
            seen.append(
                replace(
                    node,
                    hostname=liar.alias if liar and liar.alias else node.hostname,
                    state="ready" if node.id in up else "down",
                    reachability=word if node.id in swarm.voting else "",
                    leader=node.id == swarm.leader,
                )
            )
        return tuple(seen)

    def observe(self) -> Observed:
        """What every declared host says; managers of one swarm say the same."""
        if self.seen is None:  # else nothing has happened since
            self.seen = self.truth()
        if self.liar is None or self.liar.name not in self.on:
            return self.seen
        name = self.liar.name
        others = {other: own for other, own in self.seen.items() if other != name}
        return {**self.seen, name: self.liar.says(self, self.seen[name], others)}

    def truth(self) -> Observed:
        """The same without lies."""
        answers = {
            id(swarm): self.listed(swarm) if self.quorate(swarm) else None
            for swarm in self.swarms()
        }
        return {h.name: self._says(h.name, answers) for h in self.settings.hosts}

    def lock(self) -> dict[str, Met | None]:
        """What every declared host that has power says of the cluster's lock."""
        said: dict[str, Met | None] = {h.name: None for h in self.settings.hosts}
        if self.holder:
            said |= {name: Met(seconds, self.holder) for name, seconds in self.held.items()}
        if self.liar is not None:
            said[self.liar.name] = self.liar.says_of_the_lock(said)
        return {name: one for name, one in said.items() if name in self.on}

    def _says(self, name: str, answers: dict[int, tuple[Node, ...] | None]) -> Membership | None:
        if name not in self.on:
            return None
        if name not in self.member:
            return Membership("running", hostname=name)
        swarm, node_id = self.member[name]
        manager = node_id in swarm.voting
        nodes = answers[id(swarm)] if manager else None
        ingress = Overlay("ingress", "ingress", True, swarm.ingress == ENCRYPTED, _SUBNETS)
        overlays = [Overlay(other, other, False, True, ()) for other in sorted(swarm.overlays)]
        overlays += [ingress] * (swarm.ingress != NONE)
        return Membership(
            "running",
            hostname=name,
            state="active",
            node=node_id,
            address=self.address(name),
            manager=manager,
            cluster=swarm.id if nodes else "",
            remote_managers={id: f"{swarm.nodes[id].address}:2377" for id in swarm.voting},
            nodes=nodes,
            overlays=tuple(overlays) if nodes else None,
            error="" if nodes or not manager else "The swarm does not have a leader.",
        )

    def services(self, acting: str | None) -> list[Service]:
        """The services of the swarm that a host is in."""
        used = acting is not None and self.member[acting][0].mesh_service
        return [Service("web", (), (8080,))] if used else []

    # What can be done: every step may be the controller's last

    def step(self, swarm: Swarm | None, does: Callable[[], None]) -> None:
        if self.taken == self.crash_after:
            raise Crash
        self.taken += 1
        self.seen = None
        self.meanwhile()
        if swarm is not None and not self.quorate(swarm):
            raise Refused("The swarm does not have a leader.")
        does()
        if swarm is not None:
            assert self.quorate(swarm), "our own step has cost the swarm its quorum"

    def manages(self, acting: str) -> Swarm:
        swarm, node_id = self.member[acting]
        if acting not in self.on or node_id not in swarm.voting:
            raise Refused("This node is not a swarm manager.")
        return swarm

    def init(self, name: str) -> None:  # [init]
        def does() -> None:
            if name in self.member:
                raise Refused("This node is already part of a swarm.")
            self.initialised += 1
            self.enter(Swarm(f"swarm{next(self.ids)}"), name, "manager")

        self.step(None, does)

    def enter(self, swarm: Swarm, name: str, role: str, **differing: str) -> str:
        node = Node(
            id=f"n{next(self.ids)}",
            hostname=name,
            address=self.address(name),
            role=role,
            availability="active",
            state="ready",
            leader=False,
            reachability="",
            labels={},
            engine_version="28.5.2",
        )
        swarm.nodes[node.id] = replace(node, **differing)  # type: ignore[arg-type]
        self.boards[node.id] = name
        if role == "manager":
            swarm.voting.add(node.id)
        self.member[name] = (swarm, node.id)
        return node.id

    def join(self, name: str, acting: str) -> None:  # [join]
        swarm = self.manages(acting)

        def does() -> None:
            if name in self.member:
                raise Refused("This node is already part of a swarm.")
            self.enter(swarm, name, "worker")

        self.step(swarm, does)

    def change(self, acting: str, node_id: str, **values: object) -> None:
        """A node's specification is written anew."""
        swarm = self.manages(acting)

        def does() -> None:
            if node_id not in swarm.nodes:
                raise Refused(f"node {node_id} not found")
            if swarm.voting == {node_id} and values.get("role") == "worker":  # [demote]
                raise Refused("attempting to demote the last manager of the swarm")
            swarm.nodes[node_id] = replace(swarm.nodes[node_id], **values)  # type: ignore[arg-type]
            if values.get("availability") == "drain":  # [drain]
                swarm.busy.discard(node_id)

        self.step(swarm, does)

    def settle(self, swarm: Swarm) -> None:
        """The managers carry out what roles were asked for, as far as they can [raft]."""
        up = self.reached(swarm)
        for node in swarm.nodes.values():
            if not self.quorate(swarm):
                return
            if node.role == "manager" and node.id in up:
                swarm.voting.add(node.id)
            elif node.role == "worker" and node.id in swarm.voting:
                left = swarm.voting - {node.id}
                if len(left & up) >= majority(len(left)):
                    swarm.voting = left

    def set_role(self, acting: str, node_id: str, role: str) -> None:
        self.change(acting, node_id, role=role)
        swarm = self.manages(acting)
        self.step(swarm, functools.partial(self.settle, swarm))
        if (node_id in swarm.voting) is not (role == "manager"):
            raise Refused("its role did not change in time")

    def remove(self, acting: str, node_id: str) -> None:  # [rm]
        swarm = self.manages(acting)

        def does() -> None:
            if node_id in self.reached(swarm):
                raise Refused("the node is not down and can't be removed")
            if node_id in swarm.voting:
                raise Refused("the node is a member of the raft cluster")
            swarm.nodes.pop(node_id, None)
            swarm.busy.discard(node_id)

        self.step(swarm, does)

    def leave(self, name: str) -> None:  # [leave]
        def does() -> None:
            if name not in self.member:
                raise Refused("This node is not part of a swarm.")
            swarm, node_id = self.member[name]
            if node_id in swarm.voting:
                raise Refused("You are attempting to leave the swarm on a manager")
            del self.member[name]

        self.step(None, does)

    def replace_ingress(self, acting: str) -> None:  # [ingress]
        swarm = self.manages(acting)
        if swarm.ingress != NONE:
            if swarm.mesh_service:
                raise Refused("ingress network is used by service web")
            self.step(swarm, functools.partial(setattr, swarm, "ingress", NONE))
        self.step(swarm, functools.partial(setattr, swarm, "ingress", ENCRYPTED))

    # A planner's step

    def carry_out(self, name: str, one: Step, acting: str | None, observed: Observed) -> None:
        """What the operations do for a step, on the host or through the manager that acts."""
        if isinstance(one, Init):
            self.init(name)
            return
        if acting is None:
            raise Refused("no manager answers")
        self.trusts(acting)
        match one:
            case ReplaceIngress():
                self.replace_ingress(name)
            case Clear(node=node):
                if node.votes:
                    self.set_role(acting, self.of(name, node.id), "worker")
                self.remove(acting, self.of(name, node.id))
            case Join():
                self.join(name, acting)
            case AwaitJoin():
                raise Refused("it has not joined in time")  # here only liars say that they do
            case Promote(node=node_id):
                self.set_role(acting, self.of(name, node_id), "manager")
            case Demote(node=node_id, on=on):
                self.trusts(on)
                self.set_role(on, self.of(name, node_id), "worker")
            case SetLabel() | SetAvailability():
                cluster = observed[acting]
                assert cluster is not None
                node_now = node_of(self.settings, observed, cluster, name)
                if node_now is None:
                    raise Refused("this host is not in the swarm")
                node_id = self.of(name, node_now.id)
                if isinstance(one, SetLabel):
                    labels = {**self.manages(acting).nodes[node_id].labels, one.key: one.value}
                    self.change(acting, node_id, labels=labels)
                else:
                    self.change(acting, node_id, availability=one.availability)
            case CreateOverlay(name=overlay):
                swarm = self.manages(acting)
                self.step(swarm, functools.partial(swarm.overlays.add, overlay))
            case _:
                raise AssertionError(f"the simulation does not know {one}")

    def of(self, name: str, node_id: str) -> str:
        """A node that is changed in the name of a host: never another's, unless that lies."""
        owner = self.boards.get(node_id, name)
        lies = self.liar is not None and owner == self.liar.name
        assert owner == name or lies, f"{node_id} is {owner}'s, changed in the name of {name}"
        return node_id

    def trusts(self, acting: str) -> None:
        """Who speaks for all is no liar."""
        assert self.liar is None or acting != self.liar.name, f"{acting} is believed"

    # What may happen without us

    def power(self, off: Iterable[str], on: Iterable[str] = ()) -> None:
        self.seen = None
        self.on = (self.on | set(on)) - set(off)

    def rest(self) -> None:
        """Some time passes: roles that were asked for are there."""
        self.seen = None
        for swarm in self.swarms():
            self.settle(swarm)


_SUBNETS = ("10.201.0.0/24",)
