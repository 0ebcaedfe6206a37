"""A simulated swarm: from wherever it starts, and wherever a run dies, it ends as declared.

The planners decide, the simulation (``tests/swarm``) carries out. Promised, of any start:

- a run ends as declared, or with refusals that are justified by what can be counted;
- no step of ours costs a swarm its quorum (the simulation asserts it at each step);
- a dry run foresees the run, step by step;
- the least number of steps is what it takes: one for each thing that differs, see :func:`distance`;
  a run that dies repeats one step at most.
"""

from __future__ import annotations

import functools
import random
from collections import Counter
from typing import Any

from hypothesis import event, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pyinfra_swarm.networks.plan import CreateOverlay, ReplaceIngress
from pyinfra_swarm.nodes.membership import acting_manager
from pyinfra_swarm.nodes.quorum import majority
from pyinfra_swarm.nodes.steps import Step
from pyinfra_swarm.settings import Host, Settings
from pyinfra_swarm.swarm.init import Init
from pyinfra_swarm.swarm.join import Clear, Join
from pyinfra_swarm.swarm.labels import SetAvailability, SetLabel
from pyinfra_swarm.swarm.plan import plan
from pyinfra_swarm.swarm.roles import Demote, Promote
from pyinfra_swarm.swarm.stages import Seen
from tests.models.swarm.run import Removal, Run
from tests.models.swarm.world import CLEAR, ENCRYPTED, NONE, Crash, Swarm, World

# Where it starts
# ---------------


@functools.cache
def declared(managers: int, workers: int) -> Settings:
    hosts: Any = [
        {
            "name": f"rk{number}",
            "address": f"192.168.1.{10 + number}",
            # Managers stand anywhere among the hosts.
            "role": "manager" if (number * 7) % (managers + workers) < managers else "worker",
            "labels": {"disk": "nvme"} if number % 2 else {},
            **({"availability": "drain"} if number == managers + 1 else {}),
        }
        for number in range(1, managers + workers + 1)
    ]
    return Settings(hosts=hosts, networks={"overlays": [{"name": "apps"}]})  # type: ignore[arg-type]


PASTS = {
    "fresh": 3,
    "member": 6,
    "worker": 2,  # whatever is declared
    "manager": 2,  # whatever is declared
    "drained": 1,
    "reinstalled": 2,
    "twin": 1,  # installed anew, joined again, and the dead entry is left
    "elsewhere": 1,  # a worker of a swarm that nobody declared
}


def world_of(seed: int, managers: int, workers: int, *, strange: bool) -> World:
    """Any mixture of fresh hosts, members, reinstalled members, and others that nobody declared.

    strange: also undeclared nodes, hosts of other swarms, and swarms in twos.
    """
    chance = random.Random(seed)
    settings = declared(managers, workers)
    names = [host.name for host in settings.hosts]
    world = World(settings, set(names), random.Random(seed + 1))
    kinds = dict(PASTS)
    if not strange or chance.random() < 0.8:
        del kinds["elsewhere"]
    if chance.random() < 0.2:
        kinds = {"fresh": 1}
    elif chance.random() < 0.2:
        kinds = {"member": 20, **dict.fromkeys(kinds, 1)}
    ingress = chance.choice([CLEAR, ENCRYPTED, ENCRYPTED, NONE])
    ours, other = Swarm("swarm0", ingress=ingress), Swarm("elsewhere", ingress=CLEAR)
    ours.mesh_service = strange and ingress != NONE and chance.random() < 0.25
    past = {name: chance.choices([*kinds], [*kinds.values()])[0] for name in names}
    for host in settings.hosts:
        match past[host.name]:
            case "fresh":
                continue
            case "elsewhere":
                world.enter(other, host.name, "worker")
            case "worker" | "manager" as role:
                world.enter(ours, host.name, role)
            case "drained":
                world.enter(ours, host.name, host.role, availability="drain")
            case "twin":
                world.enter(ours, host.name, host.role)
                world.enter(ours, host.name, "worker")
            case _:
                world.enter(ours, host.name, host.role)
    for number in range(chance.choice([0, 0, 1, 2]) if strange else 0):
        role = "manager" if chance.random() < 0.4 else "worker"
        world.enter(ours, f"old{number}", role)
        if chance.random() < 0.5:
            world.on.add(f"old{number}")
    if strange and chance.random() < 0.05:
        name = chance.choice(names)
        world.member.pop(name, None)
        world.enter(other, name, "manager")  # a second swarm, founded by mistake
    if other.nodes and not other.voting:
        away = world.enter(other, "away", "manager")
        world.member["away"] = (other, away)
        world.on.add("away")
    if not ours.voting:  # a swarm had its manager once
        for name in [name for name, (swarm, _) in world.member.items() if swarm is ours]:
            del world.member[name]
    for name in names:
        if past[name] == "reinstalled":
            world.member.pop(name, None)
    return world


def sizes(hosts: int) -> st.SearchStrategy[tuple[int, int]]:
    """Up to nine managers, and as many workers as there are hosts."""
    return st.tuples(st.integers(1, 9), st.integers(0, hosts))


@st.composite
def worlds(draw: st.DrawFn, hosts: int = 8, strange: bool = True) -> World:
    managers, workers = draw(sizes(hosts))
    return world_of(draw(st.integers(0, 2**32)), managers, workers, strange=strange)


@st.composite
def counted(draw: st.DrawFn, hosts: int = 8) -> tuple[World, int]:
    """Any world, and how many steps a run takes there."""
    (managers, workers), seed = draw(sizes(hosts)), draw(st.integers(0, 2**32))
    tried, untouched = (world_of(seed, managers, workers, strange=True) for _ in range(2))
    Run(tried).all()
    return untouched, tried.taken


percents = st.integers(0, 99)
"""When a run dies: after so many percent of the steps that are left."""


# What is justified, counted without the planners
# -----------------------------------------------


def hopeless(world: World) -> dict[str, str]:
    """Hosts that cannot be made what is declared without a person, and why."""
    everybody = [host.name for host in world.settings.hosts]
    of = {name: world.member[name][0] for name in everybody if name in world.member}
    leading = {id(of[name]): of[name] for name in believed(world)}
    if not of:
        return {}
    if len(leading) > 1:
        return dict.fromkeys(everybody, "two swarms")
    if not leading:
        return dict.fromkeys(everybody, "no manager answers")
    [swarm] = leading.values()
    stuck = {name: "in another swarm" for name, other in of.items() if other is not swarm}
    if swarm.mesh_service and swarm.ingress == CLEAR:
        stuck[acting(world, swarm)] = "services publish through a clear ingress network"
        stuck |= {name: "does not join it" for name in everybody if name not in of}
    return stuck


def believed(world: World) -> list[str]:
    """Who can speak for a swarm: managers, declared so, or of a swarm that a declared one is in."""
    declared = {host.name for host in world.settings.managers}
    vouched = {id(world.member[name][0]) for name in declared & world.on if name in world.member}
    return [
        host.name
        for host in (*world.settings.managers, *world.settings.workers)
        if host.name in world.on and host.name in world.member
        if (of := world.member[host.name]) and of[1] in of[0].voting and world.quorate(of[0])
        if host.name in declared or id(of[0]) in vouched
    ]


def acting(world: World, swarm: Swarm) -> str:
    return next(name for name in believed(world) if world.member[name][0] is swarm)


def indispensable(world: World, name: str) -> str:
    """Why this manager cannot become a worker, by the numbers; empty where it can."""
    swarm, node_id = world.member[name]
    left = swarm.voting - {node_id}
    able = len(left & world.reached(swarm))
    if able < majority(len(left)):
        return f"{able} of {len(left)}"
    managers = [host.name for host in world.settings.managers]
    leads = {n for n, (s, id) in world.member.items() if s is swarm and id in left} & world.on
    ours = leads & {host.name for host in world.settings.hosts}
    if not leads >= {*managers} and len(ours) < majority(len(managers)):
        return f"{len(ours)} of {len(managers)} declared"
    return ""


def matches(world: World, host: Host) -> bool:
    if host.name not in world.member:
        return False
    swarm, node_id = world.member[host.name]
    node = swarm.nodes[node_id]
    return (
        node.role == host.role
        and (node_id in swarm.voting) is host.is_manager
        and node.labels.items() >= host.labels.items()
        and node.availability in (host.availability or node.availability,)
    )


def judge(world: World, run: Run, stuck: dict[str, str]) -> None:
    """Every host is as declared, or refused for a reason that can be counted."""
    event(next(iter(stuck.values()), "can be done"))
    for host in world.settings.hosts:
        words = run.refusals.get(host.name)
        if host.name in stuck:
            assert words, f"{host.name}: {stuck[host.name]}"
        elif words:
            assert "is not demoted" in words
            assert indispensable(world, host.name), words
            event("a demotion was refused")
        else:
            assert matches(world, host), host.name
    names = {host.name for host in world.settings.hosts} - stuck.keys()
    swarms = {id(s): s for n, (s, _) in world.member.items() if n in names}
    assert len(swarms) <= 1
    if not run.refusals:
        [swarm] = swarms.values()
        left = [node for node in swarm.nodes.values() if node.id not in world.reached(swarm)]
        assert all(node.hostname.startswith("old") for node in left), "a dead twin was left"
        assert (swarm.ingress, swarm.overlays) == (ENCRYPTED, {"apps"})


def distance(world: World) -> Counter[str]:
    """What differs from what is declared: the least number of steps, by their kind."""
    differs: Counter[str] = Counter()
    names = {host.name for host in world.settings.hosts}
    swarm = next((s for n, (s, _) in world.member.items() if n in names), None)
    if swarm is None:
        differs["Init"] = 1
    nodes = {}
    for host in world.settings.hosts:
        node = swarm.nodes[world.member[host.name][1]] if host.name in world.member else None  # type: ignore[union-attr]
        nodes[host.name] = node
        differs["Join"] += node is None
        differs["Promote"] += host.is_manager and (node is None or node.role == "worker")
        differs["Demote"] += not host.is_manager and node is not None and node.role == "manager"
        labels = dict(node.labels) if node else {}
        differs["SetLabel"] += sum(labels.get(key) != v for key, v in host.labels.items())
        found = node.availability if node else "active"
        differs["SetAvailability"] += (host.availability or found) != found
    if swarm is None:
        differs["Join"] -= 1  # the founder is in it,
        differs["Promote"] -= 1  # and a manager
    differs["ReplaceIngress"] = swarm is None or swarm.ingress != ENCRYPTED
    differs["CreateOverlay"] = 1
    if swarm is not None:
        known = {id for other, id in world.member.values() if other is swarm}
        differs["Clear"] = sum(
            node.id not in known and node.hostname in names for node in swarm.nodes.values()
        )
    return +differs


def kinds(done: list[tuple[str, Step]]) -> Counter[str]:
    return Counter(type(step).__name__ for _, step in done)


def snapshot(world: World) -> str:
    return repr((world, world.initialised))


# The promises
# ------------


def promise(world: World) -> Run:
    """Whatever the world is like: one run ends it, and a second finds nothing to do."""
    stuck, before = hopeless(world), snapshot(world)
    first = Run(world).all()
    if set(stuck.values()) & {"two swarms", "no manager answers"}:
        assert set(first.refusals) == set(stuck)
        assert snapshot(world) == before
        return first
    judge(world, first, stuck)
    again = Run(world).all()
    if not any("clear ingress" in why for why in stuck.values()):  # told by whoever speaks first
        assert again.done == []
    assert world.initialised <= 1
    return first


@given(worlds())
@hypothesis_settings(max_examples=500, deadline=None)
def test_one_run_makes_it_as_declared_or_says_why_not(world: World) -> None:
    promise(world)


@given(worlds())
@hypothesis_settings(max_examples=300, deadline=None)
def test_a_dry_run_foresees_the_run_step_by_step(world: World) -> None:
    observed = world.observe()
    services = world.services(acting_manager(world.settings, observed))
    foreseen = plan(Seen(world.settings, observed, services))
    before = snapshot(world)
    ran = Run(world).all()
    assert snapshot(world) == before or ran.done

    def told(taken: list[tuple[str, Step]]) -> dict[str, list[str]]:
        return {
            host.name: [type(step).__name__ for name, step in taken if name == host.name]
            for host in world.settings.hosts
        }

    assert told(foreseen.steps) == told(ran.done)
    assert {name for name, _ in foreseen.refusals} == set(ran.refusals)
    # Across hosts, too, where the order matters: whoever joins, joins before anybody is promoted.
    for taken in (foreseen.steps, ran.done):
        at = [next(n for n, of in enumerate(ORDER) if type(step) in of) for _, step in taken]
        assert at == sorted(at)


ORDER = (
    (Init,),
    (ReplaceIngress,),
    (Clear, Join),
    (Promote,),
    (Demote,),
    (SetLabel, SetAvailability),
    (CreateOverlay,),
)
"""What is done before what; kinds in one line are of one stage, host by host."""


@given(worlds(strange=False))
@hypothesis_settings(max_examples=300, deadline=None)
def test_a_run_takes_one_step_for_each_thing_that_differs(world: World) -> None:
    if hopeless(world):
        return
    least = distance(world)
    ran = Run(world).all()
    assert kinds(ran.done) == least


def interrupted(world: World, left: int, dies: list[int]) -> None:
    """Runs that die one after the other, and one that does not and keeps the promise."""
    least = None if hopeless(world) else distance(world)
    taken: Counter[str] = Counter()
    died = 0
    for percent in dies:
        world.taken, world.crash_after = 0, left * percent // 100
        run = Run(world)
        try:
            run.all()
        except Crash:
            died += 1
            event("died")
        taken += kinds(run.done)
        left = max(left - world.taken, 0)
        if world.random.random() < 0.5:
            world.rest()
    world.crash_after = -1
    last = promise(world)
    if least is not None:
        repeated = (taken + kinds(last.done)).total() - least.total()
        assert repeated <= died, "more was repeated than what was interrupted"


@given(counted(), st.lists(percents, max_size=4))
@hypothesis_settings(max_examples=400, deadline=None)
def test_whatever_step_a_run_dies_at_the_next_one_finishes_it(
    world: tuple[World, int], dies: list[int]
) -> None:
    interrupted(*world, dies)


@given(counted(hosts=191), percents)
@hypothesis_settings(max_examples=15, deadline=None)
def test_so_it_does_with_two_hundred_hosts(world: tuple[World, int], dies: int) -> None:
    interrupted(*world, [dies])


@given(worlds(), st.integers(0, 2**32))
@hypothesis_settings(max_examples=800, deadline=None)
def test_hosts_that_come_and_go_meanwhile_split_and_lose_nothing(world: World, seed: int) -> None:
    chance = random.Random(seed)
    names = sorted(world.on)
    # Where every manager was installed anew, the swarm is gone, whatever its workers believe.
    gone = not any(host.name in world.member for host in world.settings.managers)
    for _ in range(2):
        world.power(off=[name for name in names if chance.random() < 0.3], on=names)

        def weather() -> None:
            if chance.random() < 0.2:
                name = chance.choice(names)
                world.power(off=[name] if name in world.on else [], on=[name])

        world.meanwhile = weather
        Run(world).all()
    world.meanwhile = lambda: None
    assert world.initialised == 0 or gone
    world.power(off=[], on=names)
    world.rest()
    promise(world)


# Taking a node out
# -----------------


def irremovable(world: World, name: str) -> str:
    """Why this node cannot be taken out without a person, by the numbers; empty where it can."""
    ours = world.settings.hosts
    leading = believed(world)
    is_ours = name in {host.name for host in ours}
    own = world.member.get(name)
    if is_ours and name in world.on and own is None and not leading:
        return ""
    if not leading:
        return "no manager answers"
    swarm = world.member[leading[0]][0]
    if is_ours and name in world.on and own is not None and own[0] is not swarm:
        return "it is in another swarm"
    reached = world.reached(swarm)
    found = sorted(
        (node for node in swarm.nodes.values() if node.hostname == name),
        key=lambda node: node.id in reached,  # the dead ones go first
    )
    if not found:
        return "" if is_ours else "it is gone"
    if any(world.member[other][0] is not swarm for other in leading):
        return "two swarms"
    voting = set(swarm.voting)
    for node in found:
        voting -= {node.id}
        if len(voting & reached) < majority(len(voting)):
            return "the others have no quorum without it"
    if leading == [name]:
        return "nobody could be asked"
    if not is_ours and found[-1].id in reached:
        return "it lives, and nobody but a person reaches it"
    return ""


def by_hand(world: World, name: str, chance: random.Random) -> None:
    """What somebody may have done since the last run of the site."""
    other = chance.choice([host.name for host in world.settings.hosts])
    if name in world.member and chance.random() < 0.2:  # installed anew, and given its role again
        swarm, id = world.member[name]
        world.enter(swarm, name, swarm.nodes[id].role)
    elif chance.random() < 0.1 and other not in world.member:
        world.enter(Swarm("second"), other, "manager")
    world.rest()


@given(worlds(), st.integers(0, 2**32), st.lists(st.integers(0, 8), max_size=3))
@hypothesis_settings(max_examples=400, deadline=None)
def test_a_removal_ends_it_or_says_why_not_wherever_it_dies(
    world: World, seed: int, crashes: list[int]
) -> None:
    """The simulation asserts at each step that the quorum is kept."""
    chance = random.Random(seed)
    if chance.random() < 0.7:
        Run(world).all()  # as declared, as far as that goes
    declared_names = [host.name for host in world.settings.hosts]
    others = [name for name in ("old0", "old1") if name in world.member]
    name = chance.choice([*declared_names, *others])
    by_hand(world, name, chance)
    if chance.random() < 0.3:
        world.power(off=[name])
    swarm = world.member[name][0] if name in world.member else None
    before = {node.id: node.hostname for node in swarm.nodes.values()} if swarm else {}
    for crash in crashes:
        world.taken, world.crash_after = 0, crash
        try:
            Removal(world, name).all()
        except Crash:
            event("died")
        world.rest()
    world.crash_after = -1
    why = irremovable(world, name)
    event(why or "removed")
    last = Removal(world, name).all()
    assert bool(last.refused) == bool(why), last.refused or why
    if not why:
        assert name not in world.member or name not in world.on
        asked = acting_manager(world.settings, world.observe())
        if asked:
            assert name not in {node.hostname for node in world.member[asked][0].nodes.values()}
    if swarm is not None:  # nobody else's entry has gone
        gone = before.keys() - {node.id for node in swarm.nodes.values()}
        assert {before[node_id] for node_id in gone} <= {name}  # a dead twin of its own has
    again = Removal(world, name).all()
    assert again.done == [] or again.refused
