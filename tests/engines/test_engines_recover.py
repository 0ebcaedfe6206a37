"""Lost quorums on real engines.

What came of it is looked up at the engines, never through the product's facts.
"""

from __future__ import annotations

from pathlib import Path

from tests.engines.backups import (
    RECOVER,
    answers,
    declare,
    is_in_networks,
    kept,
    wait_until,
)
from tests.engines.conftest import SWARM
from tests.engines.hosts import Hosts
from tests.scenarios.conftest import Run


def test_a_quorum_that_is_there_is_not_recovered(swarm: Hosts, key: Path, folder: Path) -> None:
    declare(swarm, key, folder)
    run = swarm.pyinfra("-y", *RECOVER)
    assert run.returncode == 1
    assert "the swarm has its quorum: 3 of 3 managers are reachable, 2 are needed" in run.output


def test_two_of_three_managers_are_lost_and_the_third_continues(
    swarm: Hosts, key: Path, folder: Path
) -> None:
    declare(swarm, key, folder)
    before = kept(swarm, "rk1")
    swarm.power_cut("rk2")
    swarm.stop_engine("rk3")
    wait_until(lambda: not answers(swarm, "rk1"), "rk1 still answers")
    run = swarm.pyinfra("-y", *RECOVER, "--limit", "rk1")
    assert run.returncode == 1
    assert "rk3 is still a manager of this swarm, though its engine does not run now" in run.output
    swarm.power_cut("rk3")
    planned = swarm.pyinfra("--dry", *RECOVER, "--limit", "rk1")
    assert planned.returncode == 0, planned.output
    assert "node rk2: is a manager that is lost for good" in planned.output
    run = swarm.pyinfra("-y", *RECOVER, "--limit", "rk1")
    assert run.returncode == 1
    assert "rk2 and rk3 must never come back with their old state" in run.output
    assert "--data confirm=rk1" in run.output
    assert not answers(swarm, "rk1")
    run = swarm.pyinfra("-y", *RECOVER, "--limit", "rk1", "--data", "confirm=rk1")
    assert run.returncode == 0, run.output
    assert set(swarm.nodes("rk1")) == {"rk1", "rk4"}
    assert kept(swarm, "rk1") == before
    assert is_in_networks(swarm, "rk1")
    wait_until(lambda: swarm.nodes("rk1")["rk4"].state == "ready", "the worker has not come back")
    for name in ("rk2", "rk3"):
        swarm.reinstall(name)
    site = swarm.pyinfra("-y", *SWARM)
    assert site.returncode == 0, site.output
    assert {n.role for n in swarm.nodes("rk1").values() if n.reachability == "reachable"} == {
        "manager"
    }
    assert sorted(swarm.nodes("rk1")) == ["rk1", "rk2", "rk3", "rk4"]


def test_entries_of_lost_managers_are_cleared_once_the_nodes_can_be_listed(
    swarm: Hosts, key: Path, folder: Path
) -> None:
    """A recovery that was interrupted, and somebody who clears them by hand at the same time."""
    declare(swarm, key, folder)
    for name in ("rk2", "rk3"):
        swarm.power_cut(name)
    forced = {"ForceNewCluster": True, "ListenAddr": "0.0.0.0:2377", "AdvertiseAddr": "10.99.0.11"}
    swarm.api("rk1", "/swarm/init", forced)
    wait_until(
        lambda: {swarm.nodes("rk1")[name].state for name in ("rk2", "rk3")} == {"down"},
        "the lost ones are not called down",
    )

    def recover(how: str) -> Run:
        instead = f'#!/bin/sh\ncase "$*" in {how} esac\nexec /usr/bin/docker "$@"\n'
        path = "/usr/local/bin/docker"
        swarm.run("rk1", f"mkdir -p /usr/local/bin; cat > {path}; chmod 755 {path}", text=instead)
        run = swarm.pyinfra("-y", *RECOVER, "--limit", "rk1")
        swarm.run("rk1", f"rm {path}")
        return run

    run = recover('"node ls -q") echo "no leader" >&2; exit 1;;')
    assert run.returncode == 1, run.output
    assert "no leader" in run.output
    assert set(swarm.nodes("rk1")) == {"rk1", "rk2", "rk3", "rk4"}
    run = recover('"node rm "*) /usr/bin/docker "$@";;')
    assert run.returncode == 0, run.output
    assert set(swarm.nodes("rk1")) == {"rk1", "rk4"}
