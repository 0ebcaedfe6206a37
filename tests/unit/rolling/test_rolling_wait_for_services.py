"""How long services are waited for, and what is said of tasks that no node may run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pyinfra_swarm.rolling import wait_for_services
from pyinfra_swarm.rolling.services import Replicas
from pyinfra_swarm.run import clock, reporting

STUCK, STARTING, WHOLE = (Replicas("db", 2, *now) for now in ((1, 1), (1, 0), (2, 0)))
"""Of two replicas one runs: the other has no node, or starts; and both run."""


class Waited:
    """What became of a wait; looks: what a manager says, one look after the other."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, before: Replicas, *looks: Replicas) -> None:
        self.now = 0.0
        self.failed: list[str] = []
        self.logged: list[str] = []
        self.left = [*looks]
        here = wait_for_services
        monkeypatch.setattr(clock, "now", lambda: self.now)
        monkeypatch.setattr(here, "pause", self.pause)
        monkeypatch.setattr(here, "forget_observations", lambda: None)
        monkeypatch.setattr(here, "observe_on", lambda name, fact: (self.look(),))
        monkeypatch.setattr(reporting, "failed", lambda host, words: self.failed.append(words))
        self.before = before

    def pause(self, seconds: float) -> None:
        self.now += seconds

    def look(self) -> Replicas:
        return self.left.pop(0) if len(self.left) > 1 else self.left[0]

    def ends_well(self, *, restored: bool, seconds: int = 60) -> bool:
        host: Any = SimpleNamespace(log=self.logged.append)
        state: Any = None
        return wait_for_services._wait(state, host, "rk1", [self.before], seconds, "Look", restored)


def test_while_a_node_is_drained_its_own_tasks_are_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waited = Waited(monkeypatch, WHOLE, STARTING, STUCK)
    assert waited.ends_well(restored=False)
    assert waited.logged == ["service db waits for this node: no other may run its tasks"]


def test_a_task_that_has_lost_its_place_by_the_change_ends_the_job(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waited = Waited(monkeypatch, WHOLE, STUCK)
    assert not waited.ends_well(restored=True)
    assert waited.failed == ["after 60 s services still lack replicas: db (1 of 2). Look"]


def test_a_resumed_turn_waits_for_what_the_drained_node_had_to_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The managers need a moment to give it tasks again: until then these have no node still."""
    waited = Waited(monkeypatch, STUCK, STUCK, STARTING, STARTING, WHOLE)
    assert waited.ends_well(restored=True)
    assert (waited.left, waited.logged) == ([WHOLE], [])


def test_what_no_node_could_run_before_holds_up_no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    waited = Waited(monkeypatch, STUCK, STUCK)
    assert waited.ends_well(restored=True, seconds=1)
    assert waited.now >= wait_for_services.SETTLED
    assert waited.logged == ["service db waits: no node may run some of its tasks"]
