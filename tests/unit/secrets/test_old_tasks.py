"""Which tasks have an old version still, how long they may, and what is said of them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import pytest

from pyinfra_swarm.run.findings import Finding, Notice, Remark
from pyinfra_swarm.secrets import old_tasks
from pyinfra_swarm.secrets.objects import Object, User
from pyinfra_swarm.secrets.steps import AwaitOldTasks
from pyinfra_swarm.services.service import TASK_STATES, Task
from tests.models.secrets.world import spec
from tests.unit.secrets.swarms import DB, NOW, SITE, seen, stranger, user, version

V1, V2, V3, OTHER = version(1), version(2), version(3), version(1, SITE)
WEB, API = user("web", V3), user("api", V3)
ALL = seen(V1, V2, V3, OTHER, WEB, API)
NAMES = {WEB.id: "web", API.id: "api"}


def task(
    of: User,
    *uses: Object,
    state: str = "running",
    desired: str = "shutdown",
    node: str = "n1",
    **container: Any,
) -> Task:
    template = spec(of.name, *uses)["TaskTemplate"]
    template = {**template, "ContainerSpec": {**template["ContainerSpec"], **container}}
    return Task("t", of.id, 1, node, desired, state, "", "", None, 1, template)


def ending(*tasks: Task) -> tuple[Task, ...]:
    return old_tasks.ending(tasks, old_tasks.outdated(ALL.objects))


def test_a_task_of_any_old_version_that_is_told_to_end_and_has_not_is_one() -> None:
    old = (task(WEB, V2), task(API, V1, state="starting"), task(WEB, V2, desired="remove"))
    assert ending(*old) == old


@pytest.mark.parametrize(
    "one",
    [
        task(WEB, V3),
        task(WEB, V3, desired="running"),
        task(WEB, OTHER),
        task(WEB),
        task(WEB, V2, state="shutdown"),
        task(WEB, V2, state="failed"),
        task(WEB, V2, state="orphaned"),
        task(WEB, V2, node="", state="new"),
    ],
)
def test_one_of_the_current_version_or_that_has_ended_or_never_began_is_none(one: Task) -> None:
    assert ending(one) == ()


@pytest.mark.parametrize("desired", ["running", "ready", "complete"])
def test_one_that_is_to_run_on_is_not_waited_for(desired: str) -> None:
    """A job's task, or one of a service that was left as it is."""
    assert desired in TASK_STATES
    assert ending(task(WEB, V2, desired=desired)) == ()


def test_what_was_adopted_counts_as_an_old_version() -> None:
    plain = stranger("db_password")
    one = task(WEB, plain)
    there = seen(V3, plain, stranger("other"), WEB).objects
    assert old_tasks.ending([one], old_tasks.outdated(there)) == ()
    assert old_tasks.outdated(there, [DB]) == {plain.id}
    assert old_tasks.ending([one], old_tasks.outdated(there, [DB])) == (one,)
    assert old_tasks.with_old_ones(there) == frozenset()
    assert old_tasks.with_old_ones(there, [DB]) == {V3.id}


def test_what_is_to_be_adopted_is_no_old_version_before_there_is_one_of_ours() -> None:
    there = seen(stranger("db_password"), WEB).objects
    assert old_tasks.outdated(there, [DB]) == old_tasks.with_old_ones(there, [DB]) == frozenset()
    taken_back = [version(1, withdrawn=NOW), stranger("db_password")]
    assert old_tasks.outdated(taken_back, [DB]) == {version(1).id}


def test_each_version_that_is_not_the_only_one_may_have_left_an_old_task() -> None:
    assert old_tasks.with_old_ones(ALL.objects) == {V1.id, V2.id, V3.id}


def test_they_may_take_as_long_as_their_service_says_and_a_while_besides() -> None:
    quick = task(WEB, V2, StopGracePeriod=2_000_000_000)
    slow = task(API, V2, StopGracePeriod=90_000_000_000)
    assert old_tasks.patience([quick]) == 22
    assert old_tasks.patience([quick, task(WEB, V2)]) == 30
    assert old_tasks.patience([slow, quick]) == 110
    assert old_tasks.patience([]) == 30


def test_what_is_said_of_them_names_their_services() -> None:
    two = [task(WEB, V2), task(API, V2)]
    assert old_tasks.sentence(two[:1], NAMES) == "1 old task of web"
    assert old_tasks.sentence([*two, two[0]], NAMES) == "3 old tasks of api and web"
    [late] = old_tasks.left_running([], two, NAMES)
    assert late.sentence() == (
        "2 old tasks of api and web: were told to stop, and have not been seen to stop: the old "
        "value may still be in use. Keep the old value valid until `docker service ps api web` on "
        "a manager shows none of them running"
    )
    [one] = old_tasks.left_running([], two[:1], NAMES)
    assert one.sentence().startswith(
        "1 old task of web: was told to stop, and has not been seen to stop: "
    )


def test_those_of_a_node_that_is_down_are_no_difference_of_their_own() -> None:
    """A check would say so for a day, and nothing but the node's return could end it."""
    away, late = old_tasks.left_running([task(WEB, V2)], [task(API, V2)], NAMES)
    assert (type(away), type(late)) == (Remark, Notice)
    assert away.sentence() == (
        "1 old task of web: was told to stop, and has not been seen to stop, since the node is "
        "down: the old value may still be in use. Keep the old value valid until `docker service "
        "ps web` on a manager shows none of them running"
    )
    assert old_tasks.left_running([], [], NAMES) == []


def test_what_cannot_be_seen_is_said_to_be_in_use_perhaps() -> None:
    assert old_tasks.unseen(["web", "api"], "rk1 is silent").sentence() == (
        "old tasks of api and web: could not be seen to stop: the old value may still be in use "
        "(rk1 is silent). Keep the old value valid until `docker service ps api web` on a manager "
        "shows none of them running"
    )


def found(
    *tasks: Task, after: float = 30, down: Collection[str] = (), ended: float | None = None
) -> list[Finding]:
    """What is found so many seconds after they were told to stop. ended: the update of web."""
    users = [replace(WEB, ended=ended), replace(API, ended=None)]
    return old_tasks.findings(tasks, users, NOW + after, down)


def told_at(when: float | None, of: User = WEB, **more: Any) -> Task:
    return replace(task(of, V2, **more), updated=when)


def test_those_that_an_earlier_run_has_not_seen_end_are_awaited() -> None:
    young = found(told_at(NOW), told_at(NOW, API))
    assert [one.sentence() for one in young] == [
        "old tasks of service api: are still stopping, and use the old value until they have "
        "stopped (1 task → stopped)",
        "old tasks of service web: are still stopping, and use the old value until they have "
        "stopped (1 task → stopped)",
    ]
    assert [(one.id, one.service) for one in young if isinstance(one, AwaitOldTasks)] == [
        (API.id, "api"),
        (WEB.id, "web"),
    ]
    assert found() == []


def test_those_that_have_had_the_time_to_end_are_told_whatever_was_updated_since() -> None:
    """The engine forgets the end of an update with the next one: nothing would ever be in sync."""
    late = told_at(NOW)
    told = old_tasks.left_running([], [late], NAMES)
    assert found(late, after=31) == found(late, after=86400) == told
    assert found(late, after=31, ended=NOW + 20) == told
    assert found(told_at(NOW + 20), after=31, ended=NOW) == told  # written of once more
    slow = told_at(NOW, StopGracePeriod=90_000_000_000)
    assert [type(one) for one in found(slow, after=31)] == [AwaitOldTasks]
    assert [type(one) for one in found(told_at(None), after=31)] == [AwaitOldTasks]


def test_those_of_a_node_that_is_down_are_told_and_the_others_are_awaited() -> None:
    there, away = told_at(NOW), told_at(NOW, node="n2")
    told, awaited = found(there, away, after=1, down={"n2"})
    assert [told] == old_tasks.left_running([away], [], NAMES)
    assert isinstance(awaited, AwaitOldTasks)
    assert (awaited.found, awaited.not_awaited) == ("1 task", (away.id,))
    assert found(away, after=1, down={"n2"}) == found(away, after=86400, down={"n2"}) == [told]
    assert found(there, after=1, down={"n2"}) == [replace(awaited, not_awaited=())]
