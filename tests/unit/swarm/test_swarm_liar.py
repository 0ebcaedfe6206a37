"""One declared worker of the simulated swarm lies: nobody but itself comes to harm.

What it may say is in ``models/swarm/liar.py``; whatever else may happen to a swarm is tried without
it in ``test_swarm_simulation.py``.
"""

from __future__ import annotations

import copy
import random
from dataclasses import replace
from datetime import timedelta

from hypothesis import assume, event, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pyinfra_swarm.backup.recover import recovery_target
from pyinfra_swarm.drift.history import History, learn
from pyinfra_swarm.drift.report import BUSY_LIMIT
from pyinfra_swarm.nodes.membership import Observed, acting_manager
from pyinfra_swarm.reset.plan import Turn, plan_leaving
from pyinfra_swarm.run import lock_state as lock
from pyinfra_swarm.run.findings import Refusal
from pyinfra_swarm.run.lock_state import Holder
from pyinfra_swarm.settings import Host
from pyinfra_swarm.swarm.plan import plan
from pyinfra_swarm.swarm.stages import Seen
from tests.models.swarm.liar import Liar
from tests.models.swarm.run import Removal, Run
from tests.models.swarm.world import World
from tests.unit.drift.drift_examples import AT, all_looked, busy, reported, run_of
from tests.unit.swarm.test_swarm_simulation import believed, matches, world_of

seeds = st.integers(0, 2**32)


@st.composite
def with_a_liar(draw: st.DrawFn) -> World:
    """Any world in which one declared worker, that is none but a worker, says what is not so."""
    managers, workers, seed = draw(st.tuples(st.integers(1, 5), st.integers(1, 4), seeds))
    world = world_of(seed, managers, workers, strange=draw(st.booleans()))
    chance = random.Random(seed)
    able = [
        host.name
        for host in world.settings.workers
        if (of := world.member.get(host.name)) is None or of[1] not in of[0].voting
    ]
    assume(able)
    for name, (swarm, id) in world.member.items():  # some are known at another interface's address
        if chance.random() < 0.1:
            swarm.nodes[id] = replace(swarm.nodes[id], address=f"10.0.0.{len(name)}{id[1:]}")
    name = chance.choice(able)
    names = [host.name for host in world.settings.hosts]
    alias = chance.choice(["", "", *names, "old0"])
    world.liar = Liar(name, random.Random(seed + 2), alias)
    if chance.random() < 0.3:  # somebody honest is away
        others = [other for other in names if other != name]
        world.power(off=[chance.choice(others)])
    return world


def honest(world: World) -> list[Host]:
    assert world.liar is not None
    return [host for host in world.settings.hosts if host.name != world.liar.name]


def told_of(world: World, observed: Observed) -> dict[str, set[tuple[str, str]]]:
    """What a plan finds for each honest host, but for what it says of the liar's own nodes."""
    assert world.liar is not None
    its = {id for id, board in world.boards.items() if board == world.liar.name}
    names = {world.liar.name, world.liar.alias} | its
    services = world.services(acting_manager(world.settings, observed))
    found: dict[str, set[tuple[str, str]]] = {host.name: set() for host in honest(world)}
    for entry in plan(Seen(world.settings, observed, services)).entries:
        for finding in entry.findings:
            if entry.host in found and finding.what.removeprefix("node ") not in names:
                found[entry.host].add((finding.kind, finding.what))
    return found


@given(with_a_liar())
@hypothesis_settings(max_examples=150, deadline=None)
def test_a_worker_that_lies_keeps_nothing_silent_of_others(world: World) -> None:
    assert world.liar is not None
    answers, truth = bool(believed(world)), dict(world.truth())
    if not answers:
        truth[world.liar.name] = None  # whatever only the liar could have told
    expected = told_of(world, truth)
    for _ in range(5):
        lied = told_of(world, world.observe())
        for host, found in expected.items():
            stopped = "refusal" in {kind for kind, _ in lied[host]}
            if answers:
                assert lied[host] == found, host
            else:
                assert stopped or lied[host] >= found, host


@given(with_a_liar())
@hypothesis_settings(max_examples=200, deadline=None)
def test_a_worker_that_lies_harms_nobody_but_itself(world: World) -> None:
    """The world asserts at each step that a node is changed in its own host's name only."""
    assert world.liar is not None
    answers, before = bool(believed(world)), dict(world.member)
    twin = copy.deepcopy(world)
    twin.liar = None
    true = Run(twin).all()
    runs = [Run(world).all() for _ in range(2)]
    for kind in set(world.liar.told):
        event(kind)
    assert world.initialised <= 1
    if answers:
        assert world.initialised == 0
    for host in honest(world):
        name = host.name
        if name in before:
            assert world.member[name] == before[name]
        elif name in world.member and answers:
            assert world.member[name][0].id == twin.member[name][0].id
        if answers and not true.refusals.keys() - {world.liar.name}:
            assert all(name not in run.refusals for run in runs), runs[-1].refusals
            assert name not in world.on or matches(world, host)


@given(with_a_liar())
@hypothesis_settings(max_examples=200, deadline=None)
def test_a_worker_that_lies_is_named_by_whoever_it_holds_up(world: World) -> None:
    """With the liar silent instead, whatever is refused is refused for another reason."""
    assert world.liar is not None
    twin = copy.deepcopy(world)
    twin.liar = None
    twin.power(off=[world.liar.name])
    true, lied = Run(twin).all(), Run(world).all()
    for host in honest(world):
        words = lied.refusals.get(host.name, "")
        if words and host.name not in true.refusals:
            event("held up")
            assert world.liar.name in words, words


@given(with_a_liar(), st.integers(0, 2**32))
@hypothesis_settings(max_examples=200, deadline=None)
def test_whoever_is_taken_out_while_a_worker_lies_goes_alone(world: World, seed: int) -> None:
    """The liar itself, whom its owner does not trust any more, or another."""
    assert world.liar is not None
    chance = random.Random(seed)
    names = [host.name for host in world.settings.hosts]
    name = chance.choice([world.liar.name, world.liar.name, *names])
    answers = bool(believed(world))
    swarms = [(swarm, dict(swarm.nodes)) for swarm in world.swarms()]
    for _ in range(3):
        Removal(world, name).all()
    for swarm, before in swarms:
        for id, node in before.items():
            if world.boards[id] not in (name, world.liar.name):
                assert swarm.nodes.get(id) == node
    event("asked" if answers else "nobody to ask")


@given(with_a_liar(), st.sampled_from(["workers", "managers", "last"]))
@hypothesis_settings(max_examples=100, deadline=None)
def test_a_worker_that_lies_changes_nobody_s_turn_to_leave(world: World, turn: Turn) -> None:
    for host in honest(world):
        true = plan_leaving(world.settings, world.truth(), host, turn=turn)
        assert plan_leaving(world.settings, world.observe(), host, turn=turn) == true


@given(with_a_liar())
@hypothesis_settings(max_examples=150, deadline=None)
def test_a_worker_that_lies_is_never_the_one_to_continue_alone(world: World) -> None:
    assert world.liar is not None
    target = recovery_target(world.settings, world.observe(), {}, None)
    assert isinstance(target, Refusal) or target.name != world.liar.name


# The cluster's lock
# ------------------

ADA = Holder("ada", "desk", 4711, "deploys/upgrade.py", "x")


def hold(world: World, chance: random.Random) -> None:
    """Another run begins: it takes the lock on the declared managers that it reaches."""
    managers = [host.name for host in world.settings.managers if host.name in world.on]
    reached = [name for name in managers if chance.random() < 0.7] or managers[:1]
    world.holder = ADA if reached else None
    # A manager that the run has rebooted is held since a shorter while.
    world.held = {name: chance.randrange(10**5) for name in reached}


def run_in_progress(world: World) -> lock.Met | None:
    """What a check or a plan makes of what all hosts say."""
    return lock.believed([host.name for host in world.settings.managers], world.lock())


@given(with_a_liar(), st.booleans(), seeds)
@hypothesis_settings(max_examples=150, deadline=None)
def test_a_worker_that_lies_makes_no_plan_busy_and_hides_no_run(
    world: World, busy: bool, seed: int
) -> None:
    if busy:
        hold(world, random.Random(seed))
    event("a run" if world.holder else "no run")
    for _ in range(5):
        found = run_in_progress(world)
        if world.holder is None:
            assert found is None
        else:
            assert found is not None
            assert (found.holder, found.seconds) in [(ADA, age) for age in world.held.values()]


@given(with_a_liar(), st.integers(0, 12), st.integers(0, 12), seeds)
@hypothesis_settings(max_examples=100, deadline=None)
def test_a_worker_that_lies_changes_neither_what_checks_measure_nor_when_a_run_is_news(
    world: World, begins: int, ends: int, seed: int
) -> None:
    """A check every quarter of an hour; a run goes on from one of them until before another."""
    history, quarter, news = History(), timedelta(minutes=15), []
    hold(world, random.Random(seed))
    world.holder, holder = None, world.holder
    for check in range(12):
        lasted = (check - begins) * quarter
        world.holder = holder if begins <= check < ends else None
        world.held = dict.fromkeys(world.held, int(lasted.total_seconds()))
        at = AT + check * quarter
        found = run_in_progress(world)
        met = busy(found.seconds, at=at) if found else reported(run_of(all_looked()), at=at)
        history, report, told = learn(history, met)
        assert bool(report.busy) is (world.holder is not None)
        assert report.stuck is (world.holder is not None and lasted >= BUSY_LIMIT)
        news.append(told.stuck)
    assert news.count(True) == (holder is not None and min(ends, 12) - begins > 8)
