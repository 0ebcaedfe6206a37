"""Restores on real engines.

What came of it is looked up at the engines, never through the product's facts.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engines.backups import (
    MANAGERS,
    RESTORE,
    back_up,
    declare,
    holds_a_state,
    is_in_networks,
    kept,
    left_behind,
    restore,
    wait_until,
)
from tests.engines.conftest import SWARM
from tests.engines.hosts import Hosts


@pytest.fixture(scope="module")
def saved(swarm: Hosts, key: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of rk2."""
    folder = tmp_path_factory.mktemp("backups")
    declare(swarm, key, folder)
    return back_up(swarm, folder)


@pytest.fixture(scope="module")
def before(swarm: Hosts, saved: Path) -> dict[str, object]:
    return kept(swarm, "rk1")


def test_nothing_is_restored_beside_a_living_swarm(
    swarm: Hosts, saved: Path, before: dict[str, object], key: Path
) -> None:
    run = restore(swarm, saved, key)
    assert run.returncode == 1
    assert "the swarm is alive: rk1 is one of its managers and answers" in run.output
    swarm.reinstall("rk2")
    run = restore(swarm, saved, key)
    assert run.returncode == 1
    assert "the swarm is alive: rk1 is one of its managers and answers" in run.output
    assert swarm.swarm("rk2")["LocalNodeState"] == "inactive"


def test_nothing_is_restored_while_an_old_manager_may_come_back(
    swarm: Hosts, saved: Path, before: dict[str, object], key: Path
) -> None:
    swarm.power_cut("rk1")
    run = restore(swarm, saved, key)
    assert run.returncode == 1
    assert "rk1 did not answer, and may still be a manager of this swarm" in run.output
    assert "rk3 is still a manager of this swarm" in run.output
    assert "--data gone=rk1" in run.output
    swarm.stop_engine("rk3")
    run = restore(swarm, saved, key, "--data", "gone=rk1")
    assert run.returncode == 1
    assert "rk3 is still a manager of this swarm, though its engine does not run now" in run.output
    assert swarm.swarm("rk2")["LocalNodeState"] == "inactive"


def test_a_backup_goes_back_on_a_fresh_host_and_the_site_completes_the_swarm(
    swarm: Hosts, saved: Path, before: dict[str, object], key: Path
) -> None:
    """All managers are lost; the worker is not, and finds the swarm again by itself."""
    for name in ("rk1", "rk3"):
        swarm.reinstall(name)
    planned = swarm.pyinfra(
        "--dry", *RESTORE, "--data", f"file={saved}", "--data", f"identity={key}"
    )
    assert planned.returncode == 0, planned.output
    assert "continues with rk2 as its only manager" in planned.output
    assert "node rk1: is a manager that is lost for good" in planned.output
    assert swarm.swarm("rk2")["LocalNodeState"] == "inactive"
    run = restore(swarm, saved, key)
    assert run.returncode == 1
    assert "--data confirm=rk2" in run.output
    assert swarm.swarm("rk2")["LocalNodeState"] == "inactive"
    run = restore(swarm, saved, key, "--data", "confirm=rk2", "-vvv", "--debug")
    assert run.returncode == 0, run.output
    assert not holds_a_state(run.output)
    assert kept(swarm, "rk2") == before
    assert is_in_networks(swarm, "rk2")
    nodes = swarm.nodes("rk2")
    assert nodes["rk2"].availability == "active", "it was drained for the backup"
    assert set(nodes) == {"rk2", "rk4"}
    assert nodes["rk2"].leader
    wait_until(lambda: swarm.nodes("rk2")["rk4"].state == "ready", "the worker has not come back")
    assert not left_behind(swarm, "rk2")
    again = restore(swarm, saved, key)
    assert again.returncode == 0, again.output
    assert "is a manager of this swarm and answers: nothing is restored" in again.output
    site = swarm.pyinfra("-y", *SWARM)
    assert site.returncode == 0, site.output
    assert {name: (n.role, n.state) for name, n in swarm.nodes("rk2").items()} == {
        **dict.fromkeys(MANAGERS, ("manager", "ready")),
        "rk4": ("worker", "ready"),
    }
    assert kept(swarm, "rk1") == before
