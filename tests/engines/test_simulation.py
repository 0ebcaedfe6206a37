"""The simulated swarm held against real engines: the same worlds, the same deploy, the same end.

``tests/models/swarm`` says how a swarm behaves, and the unit tests let the planners loose on it
thousands of times. Here a few of its worlds are made of real engines, the real command line works
on them, and what came of it has to be what the simulation said. ``ENGINES_WORLDS=20`` takes more.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import random
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyinfra_swarm.settings import Settings
from tests.engines.conftest import SWARM
from tests.engines.hosts import EngineError, Hosts
from tests.models.swarm.run import Run
from tests.models.swarm.world import CLEAR, ENCRYPTED, NONE, Crash, Swarm, World
from tests.scenarios.conftest import ROOT, reasons, wait_for
from tests.unit.swarm.test_swarm_simulation import declared, world_of

HOSTS = 5
WORLDS = int(os.environ.get("ENGINES_WORLDS", "5"))
SOUND = (("ready", ""), ("ready", "reachable"))
HEARTBEAT = 2_000_000_000
"""Nanoseconds; a node is called down when three are missing."""


@pytest.fixture(scope="module")
def boards() -> Iterator[Hosts]:
    """Hosts at the addresses that the simulation's have."""
    with Hosts(HOSTS, network="192.168.1") as made:
        yield made


# A world of real engines
# -----------------------


class Impossible(Exception):
    """No sequence of deeds leads there: only the simulation can be put into this state."""


def everybody(world: World) -> list[str]:
    """The declared hosts, and those that nobody declared."""
    names = [host.name for host in world.settings.hosts]
    return [*names, *sorted(world.member.keys() - {*names})]


def entries(world: World, name: str) -> list[tuple[str, bool]]:
    """A host's entries in the swarm, oldest first: role, and whether the host still is it."""
    [swarm] = world.swarms() or [Swarm("none")]
    own = world.member.get(name, (None, ""))[1]
    return [(n.role, n.id == own) for n in swarm.nodes.values() if n.hostname == name]


def realise(hosts: Hosts, world: World) -> None:
    """Do with real engines what must have been done for this to be the case."""
    hosts.reset()
    if not world.member:
        return
    [swarm] = world.swarms()
    past = {name: entries(world, name) for name in everybody(world)}
    living = [name for name, found in past.items() if found and found[-1] == ("manager", True)]
    dying = [name for name, found in past.items() if found and not found[-1][1]]
    twins = [name for name, found in past.items() if len(found) > 1]
    if not living:
        raise Impossible("a swarm that no declared host manages any more")
    founder = living[0]
    hosts.init(
        founder,
        DefaultAddrPool=["10.200.0.0/16"],
        SubnetSize=24,  # left out, the engine takes it for 0, and no network gets its addresses
        Spec={"Dispatcher": {"HeartbeatPeriod": HEARTBEAT}},
    )
    if swarm.ingress != CLEAR:
        replace_ingress(hosts, founder, encrypted=swarm.ingress == ENCRYPTED)
    for name, found in past.items():
        if found and name != founder:
            hosts.join(name, founder, role=found[0][0])
    for name in twins:
        votes = sum(node.role == "manager" for node in hosts.nodes(founder).values())
        if past[name][0][0] == "manager" and votes < 3:
            raise Impossible("without quorum nobody joins beside its dead entry")
        hosts.reinstall(name)
        wait_for(functools.partial(dead, hosts, founder, name), f"{name} to be missed", 90)
        hosts.join(name, founder, role=past[name][1][0])
    for node in swarm.nodes.values():
        if node.availability != "active":
            [id] = [
                n.id
                for n in hosts.nodes(founder).values()
                if n.hostname == node.hostname and n.state != "down"
            ]
            update_node(hosts, founder, id, Availability=node.availability)
    if swarm.mesh_service:
        service = ("--detach", "--name", "web", "--replicas", "0", "--publish", "8080:80")
        hosts.docker(founder, "service", "create", "--no-resolve-image", *service, "busybox")
    hosts.each(hosts.reinstall, dying)
    if world.quorate(swarm):
        wait_for(
            lambda: all(dead(hosts, founder, name) for name in dying) and settled(hosts, founder),
            "the managers to see it as it is",
            120,
        )
    else:
        wait_for(lambda: not answers(hosts, founder), "the quorum to be lost", 60)


def replace_ingress(hosts: Hosts, at: str, *, encrypted: bool) -> None:
    wait_for(lambda: network(hosts, at) is not None, "the ingress network")
    found = network(hosts, at)
    assert found is not None
    hosts.api(at, f"/networks/{found['Id']}", method="DELETE")
    wait_for(lambda: network(hosts, at) is None, "the ingress network to be gone")
    if encrypted:
        body = {
            "Name": "ingress",
            "Driver": "overlay",
            "Ingress": True,
            "Options": {"encrypted": ""},
            "IPAM": {"Config": [{"Subnet": "10.201.0.0/24"}]},
        }
        # The engine may have its own end of the old one only now, a moment after it is gone.
        wait_for(lambda: created(hosts, at, body), "the new ingress network to be taken")
        wait_for(lambda: network(hosts, at) is not None, "the new ingress network")


def created(hosts: Hosts, at: str, body: dict[str, Any]) -> bool:
    try:
        hosts.api(at, "/networks/create", body)
    except EngineError as error:
        if error.status != 409:
            raise
        return False
    return True


def network(hosts: Hosts, at: str, name: str = "ingress") -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = hosts.api(at, f"/networks/{name}")
    except EngineError as error:
        if error.status != 404:
            raise
        return None
    return found


def update_node(hosts: Hosts, at: str, id: str, **spec: object) -> None:
    node = hosts.api(at, f"/nodes/{id}")
    version = node["Version"]["Index"]
    hosts.api(at, f"/nodes/{id}/update?version={version}", {**node["Spec"], **spec})


def answers(hosts: Hosts, at: str) -> bool:
    with contextlib.suppress(EngineError, OSError):
        hosts.api(at, "/nodes", timeout=30)
        return True
    return False


def dead(hosts: Hosts, at: str, name: str) -> bool:
    """A host has an entry that is down, and none that is there."""
    with contextlib.suppress(EngineError):
        return {n.state for n in hosts.nodes(at).values() if n.hostname == name} == {"down"}
    return False


def settled(hosts: Hosts, at: str) -> bool:
    """The managers know of every node whether it is there, and one of them leads."""
    with contextlib.suppress(EngineError):
        nodes = hosts.nodes(at).values()
        return any(node.leader for node in nodes) and all(
            node.state == "down" or (node.state, node.reachability) in SOUND for node in nodes
        )
    return False


# What came of it
# ---------------


def as_simulated(world: World) -> dict[str, Any]:
    """The end, as the simulation has it: each host's own entry, the dead ones, the networks."""
    if not world.member:
        return {}
    [swarm] = world.swarms()
    hosts = {}
    for name, (_, id) in world.member.items():
        node = swarm.nodes[id]
        hosts[name] = (node.role, id in swarm.voting, dict(node.labels), node.availability)
    own = {id for _, id in world.member.values()}
    return {
        "hosts": hosts,
        "dead": sorted(node.hostname for node in swarm.nodes.values() if node.id not in own),
        "ingress": swarm.ingress,
        "overlays": swarm.overlays,
    }


def as_real(hosts: Hosts, names: list[str]) -> dict[str, Any]:
    """The end, as the engines have it."""
    ids = {name: hosts.swarm(name)["NodeID"] for name in names}
    managers = [name for name in names if hosts.swarm(name)["ControlAvailable"]]
    if not managers:
        return {}
    nodes = hosts.nodes(managers[0]).values()
    found = {}
    for name, id in ids.items():
        for node in nodes:
            if node.id == id:
                voting = node.reachability != ""
                found[name] = (node.role, voting, dict(node.labels), node.availability)
    ingress = network(hosts, managers[0])
    return {
        "hosts": found,
        "dead": sorted(node.hostname for node in nodes if node.id not in ids.values()),
        "ingress": NONE
        if ingress is None
        else (ENCRYPTED if "encrypted" in (ingress["Options"] or {}) else CLEAR),
        "overlays": {"apps"} if network(hosts, managers[0], "apps") else set(),
    }


def declare(hosts: Hosts, settings: Settings) -> None:
    hosts.settings(
        [host.name for host in settings.managers],
        [host.name for host in settings.workers],
        labels={host.name: host.labels for host in settings.hosts},
        availability={h.name: h.availability for h in settings.hosts if h.availability},
        networks={"overlays": [{"name": "apps"}]},
    )


def apply(hosts: Hosts, told: Path) -> tuple[int, dict[str, str], str]:
    """Run the deploy; its status, the refusals by host, and all it said."""
    told.unlink(missing_ok=True)
    run = hosts.pyinfra("-y", *SWARM, env={"SWARM_REASONS": str(told)})
    refused = {f["host"]: f["reason"] for f in reasons(told) if f["kind"] == "refusal"}
    return run.returncode, refused, run.output


def apply_and_die(hosts: Hosts, changes: int) -> None:
    """Run the deploy, and kill the controller when it has told of so many changes."""
    line, env = hosts.pyinfra_line("-y", *SWARM)
    process = subprocess.Popen(
        line,
        cwd=ROOT,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for said in process.stderr:
        changes -= "~ swarm |" in said
        if changes <= 0:
            process.send_signal(signal.SIGKILL)
            break
    process.stderr.close()
    process.wait()


def worlds() -> Iterator[tuple[int, World]]:
    """Worlds of the simulation that real deeds can lead to, one of each size in turn."""
    chance = random.Random(7)
    sizes = [(3, 1), (1, 2), (3, 2), (2, 1), (5, 0), (4, 1)]
    for number in range(10**6):
        seed, (managers, workers) = chance.randrange(2**32), sizes[number % len(sizes)]
        world = world_of(seed, managers, workers, strange=False)
        if possible(world):
            yield seed, world


def possible(world: World) -> bool:
    if not world.member:
        return True
    past = {host.name: entries(world, host.name) for host in world.settings.hosts}
    living = [n for n, found in past.items() if found and found[-1] == ("manager", True)]
    twins = [n for n, found in past.items() if len(found) > 1 and found[0][0] == "manager"]
    votes = sum(found[0][0] == "manager" for found in past.values() if found)
    # A twin joins again while the others have their quorum without it, one after the other.
    return bool(living) and all(votes - n - 1 >= votes // 2 + 1 for n, _ in enumerate(twins))


def clear_with_an_undeclared_manager() -> World:
    """Two managers and a worker are declared; rk2 is no worker, rk3 is missing, rk4 is nobody's."""
    world = World(declared(2, 1), {"rk1", "rk2", "rk3", "rk4"}, random.Random(1))
    swarm = Swarm("swarm0", ingress=CLEAR)
    for name in ("rk1", "rk2", "rk4"):
        world.enter(swarm, name, "manager")
    return world


def clear_and_in_use() -> World:
    """A service publishes a port through the ingress network; rk3 is missing."""
    world = World(declared(2, 1), {"rk1", "rk2", "rk3"}, random.Random(1))
    swarm = Swarm("swarm0", ingress=CLEAR, mesh_service=True)
    world.enter(swarm, "rk1", "manager")
    world.enter(swarm, "rk2", "worker")
    return world


CHOSEN = (clear_and_in_use, clear_with_an_undeclared_manager)
PICKED = [
    *(pytest.param(seed, made(), id=made.__name__) for seed, made in enumerate(CHOSEN)),
    *(pytest.param(seed, made, id=str(seed)) for seed, made in itertools.islice(worlds(), WORLDS)),
]


@pytest.mark.parametrize(("seed", "world"), PICKED)
def test_a_run_ends_as_the_simulation_says(
    boards: Hosts, seed: int, world: World, tmp_path: Path
) -> None:
    names = everybody(world)
    realise(boards, world)
    declare(boards, world.settings)
    chance = random.Random(seed)
    start, dies = repr(world), chance.random() < 0.5
    if dies:
        crash = chance.randrange(1, 5)
        world.taken, world.crash_after = 0, crash
        with contextlib.suppress(Crash):
            Run(world).all()
        world.crash_after = -1
        apply_and_die(boards, crash)
    simulated = Run(world).all()
    status, refused, said = apply(boards, tmp_path / "told")
    context = f"{start}\n{'It died once.' if dies else ''}\n{said}"
    assert set(refused) == set(simulated.refusals), context
    for name, words in simulated.refusals.items():
        assert gist(refused[name]) in gist(words), context
    assert (status == 0) is (not simulated.refusals), context
    if not simulated.refusals:
        assert as_real(boards, names) == as_simulated(world), context
        status, refused, said = apply(boards, tmp_path / "told")
        assert (status, refused) == (0, {}), said
        assert "Nothing was changed" in said, said


def gist(words: str) -> str:
    """A refusal's words without what an engine has said, and without ids."""
    return words.partition(" (")[0]
