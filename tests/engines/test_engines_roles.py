"""Roles both ways on real engines: promoted, demoted, one at a time, the leader last."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Sequence

import pytest

from tests.engines.conftest import SWARM
from tests.engines.hosts import EngineError, Hosts
from tests.scenarios.conftest import ROOT, Run, changes_in, lines_with

ALL = ("rk1", "rk2", "rk3", "rk4")


def declare(hosts: Hosts, managers: Sequence[str]) -> None:
    hosts.settings(tuple(managers), tuple(name for name in ALL if name not in managers))


def apply(hosts: Hosts, *arguments: str) -> Run:
    return hosts.pyinfra(*(arguments or ("-y",)), *SWARM)


def leader(hosts: Hosts, at: str) -> str:
    [name] = [node.hostname for node in hosts.nodes(at).values() if node.leader]
    return name


def assert_roles(hosts: Hosts, managers: Sequence[str]) -> None:
    """By the managers' list, and by what each engine believes itself."""
    nodes = hosts.nodes(managers[0])
    roles = {name: (node.role, node.reachability) for name, node in nodes.items()}
    assert roles == {
        name: ("manager", "reachable") if name in managers else ("worker", "") for name in ALL
    }
    assert leader(hosts, managers[0]) in managers
    for name in ALL:
        own = hosts.swarm(name)
        # "error" without words: an engine that works, see Membership.broken
        assert own["LocalNodeState"] in ("active", "error")
        assert (own["Error"], own["ControlAvailable"]) == ("", name in managers)


def wait_until(hosts: Hosts, at: str, name: str, word: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        with contextlib.suppress(EngineError):
            if hosts.nodes(at)[name].reachability == word:
                return
        assert time.monotonic() < deadline, f"{name} did not become {word}"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def made(four: Hosts) -> Hosts:
    four.reset()
    declare(four, ALL[:3])
    run = apply(four)
    assert run.returncode == 0, run.output
    return four


# Each begins where the one before has ended, and the roles go round: every host leads in turn.
ROUNDS = (
    ("rk2", "rk3", "rk4"),
    ("rk1", "rk2", "rk3"),
    ("rk1",),
    ("rk2",),
    ("rk3", "rk4"),
    ("rk1", "rk2", "rk3", "rk4"),
    ("rk4",),
    ("rk1", "rk2", "rk3"),
)


@pytest.mark.parametrize("managers", ROUNDS, ids="+".join)
def test_roles_become_what_is_declared(made: Hosts, managers: tuple[str, ...]) -> None:
    declare(made, managers)
    planned = apply(made, "--dry")
    assert planned.returncode == 0, planned.output
    begun = time.monotonic()
    run = apply(made)
    assert run.returncode == 0, run.output
    assert_roles(made, managers)
    print(f"{'+'.join(managers)}: {time.monotonic() - begun:.1f} s")
    # The dry run had said just this.
    for name in ALL:
        told = [
            lines_with(one.output, (f"[{name}]", "role: is declared")) for one in (planned, run)
        ]
        assert len(told[0]) == len(told[1]) <= 1
    again = made.pyinfra("-y", "--json", *SWARM)
    assert again.returncode == 0, again.output
    assert not changes_in(again.json)


def test_a_promotion_by_hand_is_undone_even_if_it_leads(made: Hosts) -> None:
    declare(made, ALL[:3])
    assert apply(made).returncode == 0
    made.docker("rk1", "node", "promote", "rk4")
    wait_until(made, "rk4", "rk4", "reachable")
    while leader(made, "rk4") != "rk4":  # until the others have given up their turns
        leading = leader(made, "rk4")
        made.restart_engine(leading)
        wait_until(made, "rk4", leading, "reachable")
    run = apply(made)
    assert run.returncode == 0, run.output
    assert lines_with(run.output, ("[rk4]", "role: is declared a worker", "manager → worker"))
    assert_roles(made, ALL[:3])


def test_nobody_is_demoted_while_the_declared_managers_are_not_there(made: Hosts) -> None:
    declare(made, ("rk1",))
    assert apply(made).returncode == 0
    made.docker("rk1", "node", "promote", "rk4")
    declare(made, ALL[:3])
    for name in ("rk2", "rk3"):
        made.power_cut(name)
    run = apply(made)
    for name in ("rk2", "rk3"):
        made.power_on(name)
    assert run.returncode == 1
    assert "is not demoted yet: rk2 and rk3 are declared a manager" in run.output
    assert "1 declared host would manage the swarm; 2 are needed (1 < 2)" in run.output
    assert made.nodes("rk1")["rk4"].role == "manager"
    run = apply(made)
    assert run.returncode == 0, run.output
    assert_roles(made, ALL[:3])


def test_a_demotion_that_would_cost_the_quorum_is_refused_with_the_arithmetic(made: Hosts) -> None:
    declare(made, ALL[:3])
    assert apply(made).returncode == 0
    declare(made, ("rk1", "rk2"))
    made.power_cut("rk2")
    wait_until(made, "rk1", "rk2", "unreachable")
    run = apply(made)
    assert run.returncode == 1
    assert lines_with(
        run.output,
        ("[rk3]", "of the 2 other managers 2 would have to be reachable, and only 1 is (1 < 2)"),
    )
    assert made.nodes("rk1")["rk3"].role == "manager"
    made.power_on("rk2")


def test_a_demotion_that_was_broken_off_is_finished_by_the_next_run(made: Hosts) -> None:
    declare(made, ALL[:3])
    assert apply(made).returncode == 0
    assert_roles(made, ALL[:3])
    declare(made, ("rk1", "rk2"))
    line, env = made.pyinfra_line("-y", *SWARM)
    begun = subprocess.Popen(line, cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True)
    assert begun.stderr is not None
    assert any("demoting" in said for said in begun.stderr)
    begun.kill()
    begun.wait()
    run = apply(made)
    assert run.returncode == 0, run.output
    assert_roles(made, ("rk1", "rk2"))
