"""A simulated swarm: from wherever it starts, and wherever a run dies, it ends as declared.

The planners decide, the simulation carries out, by the rules of Docker's documentation:

- [init]   https://docs.docker.com/reference/cli/docker/swarm/init/: the host becomes the manager of
  a single-node swarm; its ingress network is not encrypted
  (https://docs.docker.com/engine/network/drivers/overlay/).
- [quorum] https://docs.docker.com/engine/swarm/admin_guide/: a swarm of N managers changes nothing
  (no joining, promoting, labelling) unless (N/2)+1 of them are reachable; running tasks go on.
- [rm]     https://docs.docker.com/reference/cli/docker/node/rm/: a node has to be down, and a
  manager to be demoted before it can be removed; the last manager cannot be demoted.
- [join]   https://docs.docker.com/engine/swarm/join-nodes/: joining takes a manager's answer, and
  makes a new node even of a host that the swarm had known before.
- [ingress] https://docs.docker.com/engine/swarm/networking/: the ingress network cannot be removed
  while a service publishes ports through it; a swarm can be without one.
- [raft]   https://docs.docker.com/engine/swarm/raft/: a manager that is down still counts.
"""

from __future__ import annotations

import functools
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import event, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from cluster.findings import Change, Finding, Refusal
from cluster.membership import (
    Membership,
    Node,
    Observed,
    Overlay,
    Service,
    acting_manager,
    node_of,
    quorum,
    view,
)
from cluster.overlays import plan_ingress
from cluster.settings import Host, Settings
from cluster.swarm import (
    plan_join,
    plan_labels,
    plan_promotion,
    plan_swarm,
    stale_entries,
)

CLEAR, ENCRYPTED, NONE = "clear", "encrypted", "none"


class Crash(Exception):
    """The controller dies."""


class Refused(Exception):
    """The engine does not do it."""


@dataclass
class Swarm:
    """What the managers agree on."""

    id: str
    nodes: dict[str, Node] = field(default_factory=dict)
    ingress: str = CLEAR
    mesh_service: bool = False


@dataclass
class World:
    """Boards with engines, on or off, in a swarm by node id or in none."""

    settings: Settings
    on: set[str]
    member: dict[str, tuple[Swarm, str]] = field(default_factory=dict)
    crash_after: int = -1
    steps: int = 0
    founded: int = 0
    ids: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    # What is the case

    def reached(self, swarm: Swarm, node: Node) -> bool:
        return any(
            name in self.on and other is swarm and node_id == node.id
            for name, (other, node_id) in self.member.items()
        )

    def managers(self, swarm: Swarm) -> list[Node]:
        return [node for node in swarm.nodes.values() if node.role == "manager"]

    def quorate(self, swarm: Swarm) -> bool:  # [quorum], [raft]
        managers = self.managers(swarm)
        return sum(self.reached(swarm, node) for node in managers) >= quorum(len(managers))

    def listed(self, swarm: Swarm) -> tuple[Node, ...]:
        seen = []
        for node in swarm.nodes.values():
            up = self.reached(swarm, node)
            word = ("reachable" if up else "unreachable") if node.role == "manager" else ""
            seen.append(replace(node, state="ready" if up else "down", reachability=word))
        return tuple(seen)

    def says(self, name: str) -> Membership | None:
        if name not in self.on:
            return None
        if name not in self.member:
            return Membership("running", hostname=name)
        swarm, node_id = self.member[name]
        manager = swarm.nodes[node_id].role == "manager"
        answers = manager and self.quorate(swarm)
        encrypted = swarm.ingress == ENCRYPTED
        ingress = Overlay("ingress", "ingress", True, encrypted, ("10.201.0.0/24",))
        overlays = () if swarm.ingress == NONE else (ingress,)
        return Membership(
            "running",
            hostname=name,
            state="active",
            node=node_id,
            address=self.settings.host(name).address,
            manager=manager,
            cluster=swarm.id if answers else "",
            remote_managers={node.id: node.address for node in self.managers(swarm)},
            nodes=self.listed(swarm) if answers else None,
            overlays=overlays if answers else None,
            error="" if answers or not manager else "The swarm does not have a leader.",
        )

    def observe(self) -> dict[str, Membership | None]:
        return {host.name: self.says(host.name) for host in self.settings.hosts}

    # What can be done: every step may be the controller's last

    def step(self, swarm: Swarm | None, does: Callable[[], None]) -> None:
        if self.steps == self.crash_after:
            raise Crash
        self.steps += 1
        if swarm is not None and not self.quorate(swarm):
            raise Refused("The swarm does not have a leader.")
        does()
        if swarm is not None:
            assert self.quorate(swarm), "our own step has cost the swarm its quorum"

    def init(self, name: str) -> None:  # [init]
        def does() -> None:
            assert name not in self.member
            self.founded += 1
            self.member[name] = (Swarm(f"swarm{next(self.ids)}"), "")
            self.enter(name, "manager")

        self.step(None, does)

    def enter(self, name: str, role: str) -> None:
        swarm = self.member[name][0]
        node = Node(
            id=f"n{next(self.ids)}",
            hostname=name,
            address=self.settings.host(name).address,
            role=role,
            availability="active",
            state="ready",
            leader=False,
            reachability="",
            labels={},
            engine_version="28.5.2",
        )
        swarm.nodes[node.id] = node
        self.member[name] = (swarm, node.id)

    def join(self, name: str, acting: str) -> None:  # [join]
        swarm = self.member[acting][0]

        def does() -> None:
            assert name not in self.member
            self.member[name] = (swarm, "")
            self.enter(name, "worker")

        self.step(swarm, does)

    def change(self, acting: str, node_id: str, **values: object) -> None:
        swarm = self.member[acting][0]

        def does() -> None:
            swarm.nodes[node_id] = replace(swarm.nodes[node_id], **values)  # type: ignore[arg-type]
            if not self.managers(swarm):
                raise Refused("attempting to demote the last manager of the swarm")

        self.step(swarm, does)

    def remove(self, acting: str, node_id: str) -> None:  # [rm]
        swarm = self.member[acting][0]
        if swarm.nodes[node_id].role == "manager":
            self.change(acting, node_id, role="worker")

        def does() -> None:
            assert not self.reached(swarm, swarm.nodes[node_id]), "only dead entries are removed"
            del swarm.nodes[node_id]

        self.step(swarm, does)

    def replace_ingress(self, acting: str) -> None:  # [ingress]
        swarm = self.member[acting][0]
        if swarm.ingress != NONE:
            assert not swarm.mesh_service
            self.step(swarm, functools.partial(setattr, swarm, "ingress", NONE))
        self.step(swarm, functools.partial(setattr, swarm, "ingress", ENCRYPTED))

    def services(self) -> list[Service]:
        used = any(swarm.mesh_service for swarm, _ in self.member.values())
        return [Service("web", (), (8080,))] if used else []


# A run: the operations of deploys/swarm.py, in their order
# ---------------------------------------------------------


@dataclass
class Run:
    """One run of the deploy. refusals: by host; such a host is out of the run's further steps."""

    world: World
    order: random.Random
    changes: int = 0
    refusals: dict[str, str] = field(default_factory=dict)

    def all(self) -> Run:
        # Hosts work side by side: one observation for all of them, carried out in any order.
        for plan, does in (
            (plan_swarm, self.found),
            (self.plan_ingress, self.ingress),
            (plan_join, self.join),
        ):
            self.together(plan, does)
        for host in self.world.settings.hosts:  # _serial=True
            self.one(host, self.world.observe(), plan_promotion, self.promote)
        self.together(plan_labels, self.label)
        return self

    def together(self, plan: Plan, does: Does) -> None:
        observed = self.world.observe()
        hosts = list(self.world.settings.hosts)
        self.order.shuffle(hosts)
        for host in hosts:
            self.one(host, observed, plan, does)

    def one(self, host: Host, observed: Observed, plan: Plan, does: Does) -> None:
        if host.name not in self.world.on or host.name in self.refusals:
            return
        findings = plan(self.world.settings, observed, host)
        refusal = next((f for f in findings if isinstance(f, Refusal)), None)
        changes = [f for f in findings if isinstance(f, Change)]
        if refusal:
            self.refusals[host.name] = refusal.sentence()
        elif changes:
            self.changes += len(changes)
            try:
                does(host, observed)
            except Refused as refused:
                self.refusals[host.name] = str(refused)

    def plan_ingress(self, settings: Settings, observed: Observed, host: Host) -> list[Finding]:
        return plan_ingress(settings, observed, host, self.world.services())

    def found(self, host: Host, observed: Observed) -> None:
        self.world.init(host.name)

    def ingress(self, host: Host, observed: Observed) -> None:
        self.world.replace_ingress(host.name)

    def join(self, host: Host, observed: Observed) -> None:
        acting, cluster = self.acting(observed)
        if not any(o.ingress and o.encrypted for o in cluster.overlays or ()):
            raise Refused("the ingress network is not encrypted")
        own = observed[host.name]
        assert own is not None
        for node in stale_entries(cluster, host, own):
            self.world.remove(acting, node.id)
        if not own.in_swarm:
            self.world.join(host.name, acting)

    def promote(self, host: Host, observed: Observed) -> None:
        acting, cluster = self.acting(observed)
        node = node_of(observed[host.name], cluster)
        if node is None:
            raise Refused("this host is not in the swarm")
        self.world.change(acting, node.id, role="manager")

    def label(self, host: Host, observed: Observed) -> None:
        acting, cluster = self.acting(observed)
        node = node_of(observed[host.name], cluster)
        if node is None:
            raise Refused("this host is not in the swarm")
        labels = {**node.labels, **host.labels}
        availability = host.availability or node.availability
        self.world.change(acting, node.id, labels=labels, availability=availability)

    def acting(self, observed: Observed) -> tuple[str, Membership]:
        settings = self.world.settings
        acting, cluster = acting_manager(settings, observed), view(settings, observed)
        if acting is None or cluster is None:
            raise Refused("no manager answers")
        return acting, cluster


Plan = Callable[[Settings, Observed, Host], list[Finding]]
Does = Callable[[Host, Observed], None]


# Where it starts
# ---------------


@functools.cache
def declared(managers: int, workers: int) -> Settings:
    hosts: Any = [
        {
            "name": f"rk{number}",
            "address": f"192.168.1.{10 + number}",
            "role": "manager" if number <= managers else "worker",
            "labels": {"disk": "nvme"} if number % 2 else {},
            **({"availability": "drain"} if number == managers + 1 else {}),
        }
        for number in range(1, managers + workers + 1)
    ]
    return Settings(hosts=hosts)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Any mixture of fresh hosts, members, and reinstalled members whose dead entries are left."""
    settings = declared(draw(st.integers(1, 5)), draw(st.integers(0, 3)))
    names = [host.name for host in settings.hosts]
    world = World(settings, on=set(names))
    past = {
        name: draw(st.sampled_from(["fresh", "member", "member", "worker", "reinstalled"]))
        for name in names
    }
    swarm = Swarm("swarm0", ingress=draw(st.sampled_from([CLEAR, ENCRYPTED, ENCRYPTED, NONE])))
    swarm.mesh_service = swarm.ingress != NONE and draw(st.integers(0, 3)) == 0
    for host in settings.hosts:
        if past[host.name] == "fresh":
            continue
        world.member[host.name] = (swarm, "")
        world.enter(host.name, "worker" if past[host.name] == "worker" else host.role)
    if not world.managers(swarm):
        world.member.clear()  # a swarm had its manager once
    for name in names:
        if past[name] == "reinstalled":
            world.member.pop(name, None)
    return world


def as_declared(world: World) -> bool:
    if len({id(swarm) for swarm, _ in world.member.values()}) != 1:
        return False
    [swarm] = {id(swarm): swarm for swarm, _ in world.member.values()}.values()
    for host in world.settings.hosts:
        if host.name not in world.member:
            return False
        node = swarm.nodes[world.member[host.name][1]]
        if node.role != host.role or dict(node.labels) != host.labels:
            return False
        if node.availability != (host.availability or "active"):
            return False
    return swarm.ingress == ENCRYPTED and len(swarm.nodes) == len(world.settings.hosts)


def hopeless(world: World) -> str:
    """Why this world cannot be made what is declared without a person; empty where it can."""
    swarms = {id(swarm): swarm for swarm, _ in world.member.values()}
    if not swarms:
        return ""
    if len(swarms) > 1:
        return "workers of a swarm that is gone"
    [swarm] = swarms.values()
    if not world.quorate(swarm):
        return "the quorum is lost"
    if swarm.mesh_service and swarm.ingress == CLEAR:
        return "services publish through a clear ingress network"
    return ""


def snapshot(world: World) -> str:
    return repr((world.member, world.founded))


def run(world: World, order: random.Random) -> Run:
    return Run(world, order).all()


# The promises
# ------------


@given(world=worlds(), order=st.randoms())
@hypothesis_settings(max_examples=250, deadline=None)
def test_one_run_makes_it_as_declared_or_says_why_not(world: World, order: random.Random) -> None:
    why, before = hopeless(world), snapshot(world)
    event(why or "can be done")
    first = run(world, order)
    if not why:
        assert not first.refusals
        assert as_declared(world)
        assert run(world, order).changes == 0
    else:
        assert first.refusals
        if "quorum" in why:
            assert set(first.refusals) == {host.name for host in world.settings.hosts}
            assert snapshot(world) == before
        else:
            assert any("publish ports through it" in words for words in first.refusals.values())
    assert world.founded <= 1


@given(world=worlds(), order=st.randoms(), crashes=st.lists(st.integers(0, 20), max_size=3))
@hypothesis_settings(max_examples=250, deadline=None)
def test_whatever_step_a_run_dies_at_the_next_one_finishes_it(
    world: World, order: random.Random, crashes: list[int]
) -> None:
    why = hopeless(world)
    for crash in crashes:
        world.steps, world.crash_after = 0, crash
        try:
            run(world, order)
        except Crash:
            event("died")
    world.crash_after = -1
    last = run(world, order)
    assert bool(last.refusals) == bool(why)
    assert as_declared(world) or why
    if not why:
        assert run(world, order).changes == 0
    assert world.founded <= 1


@given(world=worlds(), order=st.randoms(), data=st.data())
@hypothesis_settings(max_examples=250, deadline=None)
def test_hosts_that_are_off_meanwhile_split_and_lose_nothing(
    world: World, order: random.Random, data: st.DataObject
) -> None:
    names = sorted(world.on)
    old = next((swarm for swarm, _ in world.member.values()), None)
    # Where every manager was installed anew, the swarm is gone, whatever its workers believe.
    gone = old is None or not any(world.reached(old, node) for node in world.managers(old))
    for _ in range(2):
        world.on = set(names) - data.draw(st.sets(st.sampled_from(names)))
        run(world, order)
    assert world.founded == 0 or gone
    world.on = set(names)
    why = hopeless(world)
    event(why or "can be done")
    last = run(world, order)
    assert why or (as_declared(world) and not last.refusals)
    assert run(world, order).changes == 0 or why
    assert world.founded <= 1
