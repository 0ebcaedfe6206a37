"""What a host does around its engine that is stopped for a backup: run for real with sh."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from pyinfra_swarm.backup import save_operations as backup
from pyinfra_swarm.keys import attach_operations as attach
from pyinfra_swarm.run.answer import asked, sections
from tests.tools.pretended_host import (
    ALL,
    NODES,
    ONE_LOST,
    Machine,
    as_json,
)
from tests.unit.run.test_refused_on_this_side import CHOICE


@pytest.fixture(autouse=True)
def _without_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup, "PATIENCE", 0)


def saving(machine: Machine) -> tuple[str, str]:
    """The status of a backup, and what the host reports."""
    done = machine.run(asked(backup.save_script(CHOICE)))
    found = sections(done.stdout.splitlines())
    return found["status"][0], "; ".join(found["log"])


LABELS = {"Reachability": "reachable", "State": "ready", "ManagerStatus": "{}", "Leader": "true"}


def test_an_engine_in_no_network_is_started_until_it_is_in_them(machine: Machine) -> None:
    machine.connects_at = 5
    assert saving(machine) == ("0", "")
    assert machine.count("start docker") == machine.count("stop docker") == 5
    assert machine.count("start docker.socket") == 5


def test_it_is_not_started_for_ever(machine: Machine) -> None:
    machine.connects_at = 99
    status, said = saving(machine)
    assert status == "1"
    assert "it is in no overlay network" in said
    assert machine.count("start docker") == attach.ATTEMPTS + 1


def test_one_that_was_in_no_network_before_is_left_as_it_was(machine: Machine) -> None:
    (machine.here / "connected").unlink()
    machine.connects_at = 99
    assert saving(machine) == ("0", "")
    assert machine.count("start docker") == 1


def test_it_is_not_stopped_once_more_while_another_manager_is_lost(machine: Machine) -> None:
    machine.connects_at = 99
    (machine.here / "later").write_text(ONE_LOST)
    status, said = saving(machine)
    assert status == "1"
    assert "not done, since too few of the other managers are reachable" in said
    assert machine.count("stop docker") == machine.count("start docker") == 1


def in_another_order(nodes: list[Any]) -> list[Any]:
    """What a later release might write: each manager's status and its reachability elsewhere."""
    for one in nodes:
        if status := one.pop("ManagerStatus", None):
            one["ManagerStatus"] = dict(reversed(status.items()))
        for part in ("Version", "Description"):
            one[part] = one.pop(part)
    return nodes


def labelled_by_a_worker(nodes: list[Any]) -> list[Any]:
    """A worker's engine gives itself labels (daemon.json), which the managers repeat."""
    nodes[-1]["Description"]["Engine"]["Labels"] = LABELS
    nodes[-1]["Spec"]["Labels"] = LABELS
    return nodes


@pytest.mark.parametrize("changed", [in_another_order, labelled_by_a_worker])
@pytest.mark.parametrize(("listed", "spared"), [(ALL, True), (ONE_LOST, False)])
def test_who_is_a_reachable_manager_does_not_depend_on_other_words(
    machine: Machine, changed: Callable[[list[Any]], list[Any]], listed: str, spared: bool
) -> None:
    (machine.here / "nodes").write_text(as_json(changed(json.loads(listed))))
    status, said = saving(machine)
    assert (status, "too few of the other managers" in said) == ("0" if spared else "1", not spared)


@pytest.mark.parametrize(
    "instead",
    [
        {"Status": {"State": "down"}},
        {"ManagerStatus": {"Reachability": "unreachable", "Addr": "192.168.77.12:2377"}},
        {"ManagerStatus": None},
    ],
)
def test_a_manager_is_back_when_the_others_reach_it(
    machine: Machine, instead: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "BACK_WITHIN", 0)
    node = {key: value for key, value in {**NODES[1], **instead}.items() if value}
    node["Spec"] = {**node["Spec"], "Labels": LABELS}
    (machine.here / "node").write_text(as_json(node))
    status, said = saving(machine)
    assert status == "1"
    assert "it is not a reachable manager after 0 s" in said


def test_a_manager_that_is_lost_while_tasks_move_keeps_the_engine_running(
    machine: Machine,
) -> None:
    (machine.here / "nodes").write_text(ONE_LOST)
    status, said = saving(machine)
    assert status == "1"
    assert "the engine was not stopped: too few of the other managers are reachable" in said
    assert machine.count("stop docker") == 0
