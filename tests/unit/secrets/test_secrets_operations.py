"""A whole look at a swarm in which an earlier run was ended: what is planned from it."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from pyinfra_swarm.nodes.membership import Membership
from pyinfra_swarm.run import records
from pyinfra_swarm.run.findings import Finding, Remark
from pyinfra_swarm.secrets import observing, operations, steps_operations
from pyinfra_swarm.secrets.objects import Key, Object, Seen, User
from pyinfra_swarm.secrets.steps import AwaitOldTasks
from pyinfra_swarm.secrets.value import Unreadable, Value
from pyinfra_swarm.services.service import Task
from pyinfra_swarm.settings import Settings
from tests.builders import declared, node, swarm
from tests.models.secrets.world import spec
from tests.unit.secrets.swarms import DB, seen, stranger, user, version

V2, V3 = version(2), version(3)
WEB = user("web", V3)


class Looked:
    """A run on the acting manager rk1. found: what it has planned."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, there: Seen, *tasks: Task) -> None:
        self.found: list[Finding] = []
        self.there = there
        self.said: dict[str, Membership | None] = swarm([node(1), node(2, "worker")])
        here = operations
        monkeypatch.setattr(here, "current_host", lambda: SimpleNamespace(name="rk1"))
        monkeypatch.setattr(here, "given", lambda key: None)
        monkeypatch.setattr(here, "is_run_of", lambda name: False)
        monkeypatch.setattr(here, "memberships", lambda: self.said)
        monkeypatch.setattr(here, "observe", lambda fact: self.there)
        monkeypatch.setattr(records, "measure", lambda *of: None)
        monkeypatch.setattr(here, "report", lambda part, found: self.found.extend(found))
        monkeypatch.setattr(observing, "_values", values_of_the_current_versions)
        monkeypatch.setattr(observing, "matches", lambda value, sealed: sealed == "same")

        def tasks_of(host: Any, services: list[str]) -> tuple[Task, ...]:
            return tuple(task for task in tasks if task.service in services)

        monkeypatch.setattr(observing, "tasks_of", tasks_of)

    def steps(self, **more: Any) -> list[Any]:
        """What it then does, as ``call`` is given it."""
        settings = declared(1, 1, secrets=[{"name": DB.name, "env": "DB", **more}])
        body: Any = operations.as_declared
        commands = body._inner.__wrapped__(settings)
        return [(command.args[0], *command.args[1]) for command in commands]


def values_of_the_current_versions(
    settings: Settings, keys: list[Key]
) -> dict[Key, Value | Unreadable]:
    return {key: Value(b"x") for key in keys}


def old(of: User, *uses: Object, on: str = "node2") -> Task:
    """A task that is told to stop."""
    template = spec(of.name, *uses)["TaskTemplate"]
    return Task("t", of.id, 1, on, "shutdown", "running", "", "", None, 1, template)


def test_an_old_task_of_a_node_that_is_down_is_named_and_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = seen(V2, replace(V3, sealed="same"), WEB)
    up = Looked(monkeypatch, there, old(WEB, V2))
    assert len(up.steps()) == 1
    assert [type(one) for one in up.found] == [AwaitOldTasks]
    down = Looked(monkeypatch, there, old(WEB, V2))
    down.said = swarm([node(1), node(2, "worker", state="down")])
    assert down.steps() == []
    assert [type(one) for one in down.found] == [Remark]


def test_old_tasks_of_an_adoption_are_awaited_by_the_next_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was adopted is no version of ours, and holds the old value all the same."""
    first, plain = version(1, sealed="same"), stranger("db_password")
    web = user("web", first)
    there = seen(first, plain, web)
    run = Looked(monkeypatch, there, old(web, plain))
    [step] = run.steps(adopt=True)
    assert [one.sentence() for one in run.found] == [
        "old tasks of service web: are still stopping, and use the old value until they have "
        "stopped (1 task → stopped)"
    ]
    assert step == (steps_operations.old_tasks_end, run.found, {DB}, set())
    another = Looked(monkeypatch, there, old(web, plain))
    assert another.steps() == []
