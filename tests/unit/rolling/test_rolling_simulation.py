"""Rolling work, simulated: wherever a run dies, the same command finishes it, and nothing is lost.

The plan decides, the simulation carries out, by the rules of Docker's documentation:

- [quorum] https://docs.docker.com/engine/swarm/admin_guide/: a swarm of N managers changes nothing
  unless (N/2)+1 of them are reachable.
- [drain]  https://docs.docker.com/engine/swarm/swarm-tutorial/drain-node/: a drained node gets no
  tasks until it is made active again; its availability stays as it is while its engine is down.
- [leader] https://docs.docker.com/engine/swarm/raft/: another manager becomes the leader when the
  leader is gone.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from hypothesis import assume, event, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pyinfra_swarm.docker.installation import PACKAGES, Engine, Package
from pyinfra_swarm.nodes.membership import Membership, Node, managers_of, view
from pyinfra_swarm.nodes.quorum import majority
from pyinfra_swarm.rolling.availability import drained, finished, restored
from pyinfra_swarm.rolling.health import healthy_peers, not_back
from pyinfra_swarm.rolling.jobs import Options, Roll, Running, reboot, restart
from pyinfra_swarm.rolling.nodes import STAGES, entry, in_stage
from pyinfra_swarm.rolling.plan import RemoveLabel, WorkOnNode, plan
from pyinfra_swarm.rolling.turns import labelled, labels_to_set, order_of_turns
from pyinfra_swarm.rolling.upgrade import upgrade
from pyinfra_swarm.run.findings import Change, Finding, Refusal
from pyinfra_swarm.settings import Settings
from pyinfra_swarm.settings.labels import AVAILABILITY_BEFORE, LABEL_PREFIX
from tests.builders import declared
from tests.models.swarm.liar import Liar
from tests.models.swarm.world import Swarm

START = 1_800_000_000.0
OLD, NEW = "26.1.5", "28.5.2"
OFFERED = tuple(f"5:{version}-1~debian.13~trixie" for version in (OLD, NEW))


class Crash(Exception):
    """The controller dies."""


@dataclass
class Board:
    """A host: when its engine was started (``None``: it is stopped), and what is installed."""

    started: float | None
    version: str
    booted: float = START - 9000.0
    boots: int = 0
    waits_for_reboot: bool = False
    breaks: bool = False
    changed: int = 0


@dataclass
class World:
    """A swarm whose nodes are these boards."""

    settings: Settings
    nodes: dict[str, Node]
    boards: dict[str, Board]
    clock: float = START
    crash_after: int = -1
    steps: int = 0
    worked_on: list[str] = field(default_factory=list)
    given_up: set[str] = field(default_factory=set)
    waits_for_services: str = ""
    liar: Liar | None = None

    def listed(self) -> tuple[Node, ...]:
        seen = []
        for name, node in self.nodes.items():
            up = self.boards[name].started is not None
            word = ("reachable" if up else "unreachable") if node.role == "manager" else ""
            version = self.boards[name].version if up else node.engine_version
            seen.append(
                replace(
                    node,
                    state="ready" if up else "down",
                    reachability=word,
                    engine_version=version,
                )
            )
        return tuple(seen)

    def quorate(self) -> bool:  # [quorum]
        managers = [node for node in self.listed() if node.role == "manager"]
        reachable = [node for node in managers if node.reachability == "reachable"]
        return len(reachable) >= majority(len(managers))

    def says(self, name: str, listed: tuple[Node, ...] | None) -> Membership:
        """What a host says; listed: what managers list, ``None`` where they have no quorum."""
        if self.boards[name].started is None:
            return Membership("stopped")
        node = self.nodes[name]
        manager = node.role == "manager"
        return Membership(
            "running",
            hostname=name,
            state="active",
            node=node.id,
            manager=manager,
            cluster="swarm",
            nodes=listed if manager else None,
            in_ingress=True,
        )

    def swarms(self) -> list[Swarm]:
        return [Swarm("swarm", nodes={node.id: node for node in self.listed()})]

    def observe(self) -> dict[str, Membership | None]:
        listed = self.listed() if self.quorate() else None
        said: dict[str, Membership | None] = {name: self.says(name, listed) for name in self.nodes}
        if self.liar is not None:
            own = said.pop(self.liar.name)
            said[self.liar.name] = self.liar.says(self, own, dict(said))
        return said

    def running(self) -> dict[str, Running | None]:
        return {
            name: Running(
                str(board.boots),
                board.booted,
                board.started,
                "6.8.0-1-generic",
                (),
                board.waits_for_reboot,
                (),
            )
            for name, board in self.boards.items()
        }

    def engines(self) -> dict[str, Engine | None]:
        return {name: engine(board) for name, board in self.boards.items()}

    # Every step may be the controller's last

    def step(self, does: Callable[[], None]) -> None:
        if self.steps == self.crash_after:
            raise Crash
        self.steps += 1
        self.clock += 7.0
        does()
        away = [name for name, board in self.boards.items() if board.started is None]
        assert len(away) <= 1, "more than one node is away"
        if len(managers_of(Membership("running", nodes=self.listed()))) > 2:
            assert self.quorate(), "our own step has cost the swarm its quorum"

    def update(self, name: str, node_id: str, options: list[str]) -> None:
        """``docker node update`` with these options, in the name of a host."""
        assert node_id == self.nodes[name].id, f"{node_id} is changed in the name of {name}"

        def does() -> None:
            assert self.quorate(), "a swarm without a quorum changes nothing"
            node, words = self.nodes[name], list(options)
            labels, availability = dict(node.labels), node.availability
            while words:
                option, value, *words = words
                if option == "--availability":
                    availability = value
                elif option == "--label-add":
                    key, _, text = value.partition("=")
                    labels[key] = text
                else:
                    del labels[value]  # the command line refuses it where there is none
            self.nodes[name] = replace(node, labels=labels, availability=availability)

        self.step(does)

    def stop(self, name: str) -> None:
        def does() -> None:
            assert self.nodes[name].availability == "drain", "tasks are lost with it"
            self.boards[name].started = None
            self.worked_on.append(name)
            if self.nodes[name].leader:  # [leader]
                heirs = [n for n, node in self.nodes.items() if node.role == "manager"]
                heir = next(n for n in (*(h for h in heirs if h != name), name))
                self.nodes = {n: replace(o, leader=n == heir) for n, o in self.nodes.items()}

        self.step(does)

    def begin_again(self, name: str, job: str) -> None:
        def does() -> None:
            board = self.boards[name]
            if board.breaks:
                return
            board.started = self.clock
            board.changed += 1
            if job == "upgrade":
                board.version = NEW
            if job == "reboot":
                board.booted, board.boots, board.waits_for_reboot = (
                    self.clock,
                    board.boots + 1,
                    False,
                )

        self.step(does)


def engine(board: Board) -> Engine:
    package = Package(f"5:{board.version}-1~debian.13~trixie", True)
    return Engine(
        distribution="debian",
        codename="trixie",
        architecture="arm64",
        curl=True,
        packages=dict.fromkeys(PACKAGES, package),
        sources="",
        keyring="",
        stale=(),
        daemon_json=None,
        loaded_json=None,
        drop_in="",
        running=board.started is not None,
        enabled=True,
        reload_needed=False,
        changed_since_start=False,
        group=(),
    )


# A run: the operations of a rolling deploy, in their order
# ---------------------------------------------------------


@dataclass
class Run:
    """One run. refusals: by host; stopped_at: who has not come through."""

    world: World
    job: str
    given: Options
    now: float
    refusals: dict[str, str] = field(default_factory=dict)
    stopped_at: str = ""
    changes: int = 0

    def all(self) -> Run:
        for at in STAGES:
            for host in self.world.settings.hosts:  # _serial=True
                self.turn(host.name, at)
        return self

    def roll(self) -> Roll:
        world, observed = self.world, self.world.observe()
        if self.job == "upgrade":
            names = list(world.nodes)
            offers = dict.fromkeys(names, OFFERED)
            return upgrade(
                world.settings, observed, world.engines(), offers, self.given, fetched=names
            )
        make = restart if self.job == "restart" else reboot
        roll = make(world.settings, observed, world.running(), self.given, self.now)
        if roll.continued:
            self.now = roll.begun
        return roll

    def turn(self, name: str, at: str) -> None:
        world, names = self.world, list(self.world.nodes)
        if name in self.refusals:
            return
        observed, roll = world.observe(), self.roll()
        cluster = view(world.settings, observed)
        node = entry(world.settings, observed, cluster, name) if cluster else None
        if not in_stage(at, node, answered=cluster is not None, executing=True):
            return
        order = order_of_turns(world.settings, observed, roll, names)
        findings = plan(world.settings, observed, roll, world.settings.host(name), order, names)
        if self.stopped_at and findings:
            findings = [Refusal("roll", f"stopped at {self.stopped_at}")]
        refusal = next((f for f in findings if isinstance(f, Refusal)), None)
        if refusal:
            self.refusals[name] = refusal.sentence()
            self.stopped_at = self.stopped_at or name
        elif change := next((f for f in findings if isinstance(f, Change)), None):
            assert node is not None
            assert cluster is not None
            self.changes += 1
            self.stopped_at = name
            self.carry_out(name, change, node, cluster, roll, names)

    def carry_out(
        self,
        name: str,
        change: Change,
        node: Node,
        cluster: Membership,
        roll: Roll,
        names: list[str],
    ) -> None:
        world = self.world
        if isinstance(change, RemoveLabel):
            world.update(name, node.id, ["--label-rm", change.label])
            self.stopped_at = ""
            return
        if isinstance(change, WorkOnNode):
            world.step(lambda: world.given_up.add(name))
            world.update(name, node.id, drained(node, labels_to_set(roll, names)))
            world.stop(name)
            world.begin_again(name, self.job)
        observed = world.observe()
        seen = view(world.settings, observed)
        version = NEW if self.job == "upgrade" else ""
        lacking = not_back(observed[name], seen, node.id, version, healthy_peers(cluster, node))
        if world.liar is not None and name == world.liar.name:
            lacking = lacking or "it says now this, now that"
        if lacking:
            self.refusals[name] = lacking
            return
        assert seen is not None
        fresh = entry(world.settings, observed, seen, name)
        assert fresh is not None
        last = labelled(self.roll(), seen, name)
        world.update(name, fresh.id, restored(fresh))
        if world.waits_for_services == name:
            self.refusals[name] = "services still lack replicas"
            return
        world.step(lambda: world.given_up.discard(name))
        if done := finished(fresh):
            world.update(name, fresh.id, done)
        for other in last:
            [bearer] = [n for n, found in world.nodes.items() if found.id == other.id]
            world.update(bearer, other.id, ["--label-rm", roll.since_label])
        self.stopped_at = ""


# Where it starts
# ---------------


@functools.cache
@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A swarm with nodes drained or paused by hand, some upgraded, some waiting for a reboot."""
    settings = declared(draw(st.integers(1, 9)), draw(st.integers(0, 4)), docker={"version": NEW})
    leader = draw(st.sampled_from([host.name for host in settings.managers]))
    nodes, boards = {}, {}
    for host in settings.hosts:
        nodes[host.name] = Node(
            id=f"id-{host.name}",
            hostname=host.name,
            address=host.address,
            role=host.role,
            availability=draw(st.sampled_from(["active", "active", "pause", "drain"])),
            state="ready",
            leader=host.name == leader,
            reachability="",
            labels={"disk": "nvme"},
            engine_version=OLD,
        )
        boards[host.name] = Board(
            started=START - draw(st.integers(60, 5000)),
            version=draw(st.sampled_from([OLD, OLD, NEW])),
            waits_for_reboot=draw(st.booleans()),
        )
    return World(settings, nodes, boards)


jobs = st.sampled_from(
    [
        ("upgrade", Options(interruption=True)),
        ("restart", Options(interruption=True)),
        ("reboot", Options(interruption=True)),
        ("reboot", Options(interruption=True, everything=True)),
    ]
)


def due(world: World, job: str, given: Options) -> set[str]:
    """The boards that the job is to change."""
    return {
        name
        for name, board in world.boards.items()
        if job == "restart"
        or (job == "upgrade" and board.version != NEW)
        or (job == "reboot" and (given.everything or board.waits_for_reboot))
    }


def availabilities(world: World) -> dict[str, str]:
    return {name: node.availability for name, node in world.nodes.items()}


def traces(world: World) -> set[str]:
    labels = {key for node in world.nodes.values() for key in node.labels}
    assert "disk" in labels
    return {key for key in labels if key.startswith(LABEL_PREFIX)}


def run(world: World, job: str, given: Options) -> Run:
    world.clock += 60.0
    return Run(world, job, given, world.clock).all()


# The promises
# ------------


@given(world=worlds(), job=jobs)
@hypothesis_settings(max_examples=50, deadline=None)
def test_each_node_that_is_due_is_changed_once_in_its_order(
    world: World, job: tuple[str, Options]
) -> None:
    before, wanted = availabilities(world), due(world, *job)
    leader = next(name for name, node in world.nodes.items() if node.leader)
    done = run(world, *job)
    assert not done.refusals
    assert {name for name, board in world.boards.items() if board.changed} == wanted
    assert all(board.changed <= 1 for board in world.boards.values())
    assert availabilities(world) == before
    assert traces(world) == set()
    managers = [name for name in world.worked_on if world.nodes[name].role == "manager"]
    assert world.worked_on[: len(managers)] == managers
    assert leader not in managers[:-1]


@given(world=worlds(), job=jobs, dies=st.lists(st.integers(0, 99), max_size=4))
@hypothesis_settings(max_examples=60, deadline=None)
def test_wherever_runs_die_the_same_command_finishes_it(
    world: World, job: tuple[str, Options], dies: list[int]
) -> None:
    """dies: after so many percent of the steps that are left, seven for each node."""
    before, wanted = availabilities(world), due(world, *job)
    died = 0
    for percent in dies:
        undone = sum(not world.boards[name].changed for name in wanted)
        world.steps, world.crash_after = 0, (7 * undone + 1) * percent // 100
        try:
            run(world, *job)
        except Crash:
            event("died")
            died += 1
            if (
                not world.quorate()
            ):  # one of two managers, left stopped: deploys/docker.py starts it
                assert set(run(world, *job).refusals) == set(world.nodes)
                [left] = [name for name, board in world.boards.items() if board.started is None]
                world.crash_after = -1
                world.begin_again(left, job[0])
            continue
        break  # it came through: another run of “all” would begin anew
    else:
        world.crash_after = -1
        assert not run(world, *job).refusals
    assert {name for name, board in world.boards.items() if board.changed} == wanted
    # A node is taken again only where it was left stopped in the middle.
    assert all(board.changed <= 1 for board in world.boards.values())
    assert len(world.worked_on) - len(wanted) <= died
    assert availabilities(world) == before
    assert traces(world) == set()
    assert world.given_up == set()


@given(world=worlds(), job=jobs, data=st.data())
@hypothesis_settings(max_examples=30, deadline=None)
def test_services_that_do_not_come_back_end_it_and_no_node_is_taken_before_they_have(
    world: World, job: tuple[str, Options], data: st.DataObject
) -> None:
    before, wanted = availabilities(world), due(world, *job)
    if not wanted:
        return
    world.waits_for_services = data.draw(st.sampled_from(sorted(wanted)))
    first = run(world, *job)
    worked_on = list(world.worked_on)
    assert worked_on[-1] == world.waits_for_services
    assert set(first.refusals) == (wanted - set(worked_on)) | {worked_on[-1]}
    again = run(world, *job)
    assert world.worked_on == worked_on
    # A node of which only the job's label is left waits for the job's end as well.
    assert set(first.refusals) <= set(again.refusals)
    assert world.given_up == {world.waits_for_services}
    world.waits_for_services = ""
    assert not run(world, *job).refusals
    assert {name for name, board in world.boards.items() if board.changed} == wanted
    assert all(board.changed <= 1 for board in world.boards.values())
    assert availabilities(world) == before
    assert traces(world) == set()
    assert world.given_up == set()


@given(world=worlds(), job=jobs, data=st.data())
@hypothesis_settings(max_examples=30, deadline=None)
def test_the_first_that_does_not_come_back_ends_it_and_mended_it_goes_on(
    world: World, job: tuple[str, Options], data: st.DataObject
) -> None:
    before, wanted = availabilities(world), due(world, *job)
    if not wanted:
        return
    broken = data.draw(st.sampled_from(sorted(wanted)))
    world.boards[broken].breaks = True
    first = run(world, *job)
    assert broken in first.refusals
    assert world.worked_on[-1] == broken
    # Whoever had no turn is as before, and whoever was due says that it is not done.
    undone = wanted - set(world.worked_on[:-1])
    # (Without a quorum, nobody can say that all is well with it.)
    assert set(first.refusals) == undone if world.quorate() else set(first.refusals) >= undone
    later = wanted - set(world.worked_on)
    for name in later:
        assert world.boards[name].changed == 0
        assert world.nodes[name].availability == before[name]
    alone = len(world.settings.managers) <= 2 and world.nodes[broken].role == "manager"
    if not alone:
        assert world.nodes[broken].labels[AVAILABILITY_BEFORE] == before[broken]
        again = run(world, *job)
        assert set(again.refusals) == set(first.refusals)  # nobody else is touched meanwhile
        assert set(world.worked_on) == wanted - later
    world.boards[broken].breaks = False
    if alone:  # without a quorum it has to be mended by hand
        world.begin_again(broken, job[0])
    last = run(world, *job)
    assert not last.refusals
    assert {name for name, board in world.boards.items() if board.changed} == wanted
    assert all(board.changed <= 1 for board in world.boards.values())
    assert availabilities(world) == before
    assert traces(world) == set()


@given(world=worlds(), job=jobs, data=st.data())
@hypothesis_settings(max_examples=80, deadline=None)
def test_a_swarm_that_is_not_whole_is_not_touched(
    world: World, job: tuple[str, Options], data: st.DataObject
) -> None:
    away = data.draw(st.sampled_from(sorted(world.nodes)))
    world.boards[away].started = None
    before = repr((world.nodes, world.boards))
    done = run(world, *job)
    assert repr((world.nodes, world.boards)) == before
    assert world.steps == 0
    wanted = due(world, *job) | ({away} if job[0] == "upgrade" else set())
    assert set(done.refusals) == wanted or not world.quorate()


def test_two_managers_are_not_touched_unless_it_is_accepted() -> None:
    settings = declared(2, 1, docker={"version": NEW})
    nodes = {
        host.name: Node(
            f"id-{host.name}", host.name, host.address, host.role, "active", "ready",
            host.name == "rk1", "", {"disk": "nvme"}, OLD,
        )
        for host in settings.hosts
    }  # fmt: skip
    world = World(settings, nodes, {name: Board(START - 100, OLD) for name in nodes})
    refused = run(world, "restart", Options())
    assert set(refused.refusals) == set(nodes)
    assert world.steps == 0
    findings: list[Finding] = plan(
        settings, world.observe(), refused.roll(), settings.host("rk3"), (), list(nodes)
    )
    assert "--data interruption=accepted" in findings[0].remedy


@given(world=worlds(), job=jobs, seed=st.integers(0, 2**32))
@hypothesis_settings(max_examples=60, deadline=None)
def test_a_worker_that_lies_takes_no_other_node_away(
    world: World, job: tuple[str, Options], seed: int
) -> None:
    """Each update asserts that it is of the node of the host in whose name it is made."""
    assume(world.settings.workers)
    before, wanted = availabilities(world), due(world, *job)
    chance = random.Random(seed)
    liar = chance.choice(world.settings.workers).name
    world.liar = Liar(liar, random.Random(seed + 1), chance.choice(["", *world.nodes]))
    if world.liar.alias:
        world.nodes[liar] = replace(world.nodes[liar], hostname=world.liar.alias)
    for _ in range(2):
        run(world, *job)
    for kind in set(world.liar.told):
        event(kind)
    for name, node in world.nodes.items():
        if name != liar:
            assert AVAILABILITY_BEFORE not in node.labels
            assert node.availability == before[name]
            assert world.boards[name].started is not None
            assert not world.boards[name].changed or name in wanted
