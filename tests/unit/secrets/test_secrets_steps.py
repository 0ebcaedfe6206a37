"""What is sent to the manager for each step, and what is said where it does not go well."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest

from pyinfra_swarm.engine.api import API
from pyinfra_swarm.run import clock, reporting
from pyinfra_swarm.run.converge import Unobserved
from pyinfra_swarm.run.findings import Finding
from pyinfra_swarm.run.script import Outcome
from pyinfra_swarm.secrets import observing, old_tasks, steps_operations
from pyinfra_swarm.secrets.digest import matches
from pyinfra_swarm.secrets.objects import SEALED, TURN, VERSION, WITHDRAWN, Seen
from pyinfra_swarm.secrets.steps import (
    NOTHING,
    Asked,
    Await,
    AwaitOldTasks,
    Create,
    Flip,
    MakeCurrent,
    Remove,
    Wanted,
    Withdraw,
)
from pyinfra_swarm.secrets.value import Value
from pyinfra_swarm.services import operations as services
from pyinfra_swarm.services.cause import NOTHING as NO_CAUSE
from pyinfra_swarm.services.ended import Ended, NotBegun
from pyinfra_swarm.services.service import Service, Spec, Task, references
from pyinfra_swarm.services.verdict import By, Completed, Failed
from pyinfra_swarm.settings.labels import NAME
from tests.builders import declared
from tests.models.secrets.world import spec
from tests.unit.secrets.swarms import DB, NOW, SITE, seen, stranger, user, version

HOST: Any = SimpleNamespace(name="rk1")
STATE: Any = None
SETTINGS = declared(
    secrets=[{"name": "db_password", "env": "DB"}],
    configs=[{"name": "site", "env": "SITE", "template": True}],
)
PASSWORD = b"correct horse"
V1, V2, V3 = map(version, (1, 2, 3))
WEB = user("web", V3)
LOST = Outcome("no answer (timed out)", silent=True)


@dataclass
class Manager:
    """What it sees, what it is sent, what it answers; and what the owner reads."""

    sees: Seen = field(default_factory=seen)
    answers: Callable[[str], Outcome] = lambda text: Outcome()
    sent: list[tuple[str, Any]] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    told: list[Finding] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    since: list[int] = field(default_factory=list)
    service: Service | None = None
    updates: list[Spec] = field(default_factory=list)
    ends: list[Ended] = field(default_factory=list)
    put_back: list[Spec] = field(default_factory=list)

    def quietly(self, host: Any, text: str, *, stdin: str = "", hidden: Any = ()) -> Outcome:
        self.sent.append((text, json.loads(stdin) if stdin else None))
        self.hidden += hidden
        return self.answers(text)

    def update(self, host: Any, service: Service, spec: Spec, *, doing: str) -> Ended:
        self.updates.append(spec)
        return self.ends.pop(0) if self.ends else Ended("web", Completed(1))


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Manager:
    made = Manager()
    here = steps_operations
    monkeypatch.setattr(here, "quietly", made.quietly)
    monkeypatch.setattr(here, "_look", lambda host: made.sees)
    monkeypatch.setattr(services, "read", lambda host, number: made.service)
    monkeypatch.setattr(services, "update", made.update)

    def await_update(host: Any, service: Service, since: int) -> Ended:
        made.since.append(since)
        return made.ends.pop(0)

    monkeypatch.setattr(services, "await_update", await_update)

    def put_back(host: Any, service: Service, before: Spec) -> Ended:
        made.put_back.append(before)
        return Ended("web", Completed(1))

    monkeypatch.setattr(services, "put_back", put_back)
    monkeypatch.setattr(reporting, "failed", lambda host, words: made.failures.append(words))

    def report(host: Any, part: str, findings: list[Finding]) -> None:
        made.parts.append(part)
        made.told.extend(findings)

    monkeypatch.setattr(reporting, "report", report)
    monkeypatch.setattr(observing, "value", lambda settings, key: Value(PASSWORD))
    monkeypatch.setattr(observing, "tasks_use", lambda host, seen: frozenset())
    monkeypatch.setattr(observing, "wanted", lambda settings, seen, asked: [Wanted(DB, V3.id)])
    return made


def values(text: str, *lines: str) -> bool:
    """Whether a program is sent with these values, and with what talks to the engine."""
    return API in text and {*lines} <= {*text.splitlines()}


# Created
# -------

CREATE = Create("secret db_password", "", key=DB, version=3, turn=7)


def test_a_version_is_created_with_its_labels_and_its_value_in_the_body(manager: Manager) -> None:
    assert steps_operations.create(STATE, HOST, SETTINGS, CREATE)
    [(text, body)] = manager.sent
    assert body["Name"] == "db_password_v3"
    assert base64.b64decode(body["Data"]) == PASSWORD
    sealed = body["Labels"].pop(SEALED)
    assert matches(Value(PASSWORD), sealed)
    assert body["Labels"] == {NAME: "db_password", VERSION: "3", TURN: "7"}
    assert "Templating" not in body
    for secret in (PASSWORD.decode(), body["Data"], sealed):
        assert secret not in text
    assert {PASSWORD.decode(), body["Data"]} <= {*manager.hidden}
    assert values(text, "kind=secrets")


@pytest.mark.parametrize(
    ("value", "hidden"),
    [(b"abcd", "abcd"), (b"abc", None), (b"a\xff\xfeb", "a\ufffd\ufffdb")],
)
def test_a_value_is_hidden_in_what_is_told_unless_it_says_nothing(
    manager: Manager, monkeypatch: pytest.MonkeyPatch, value: bytes, hidden: str | None
) -> None:
    monkeypatch.setattr(observing, "value", lambda settings, key: Value(value))
    assert steps_operations.create(STATE, HOST, SETTINGS, CREATE)
    assert manager.hidden[1:] == ([hidden] if hidden else [])


def test_a_template_is_said_to_be_one(manager: Manager) -> None:
    create = replace(CREATE, key=SITE)
    assert steps_operations.create(STATE, HOST, SETTINGS, create)
    [(text, body)] = manager.sent
    assert body["Templating"] == {"Name": "golang"}
    assert values(text, "kind=configs")
    plain = declared(configs=[{"name": "site", "env": "SITE"}])
    assert steps_operations.create(STATE, HOST, plain, create)
    assert "Templating" not in manager.sent[1][1]


def test_an_answer_that_was_lost_is_no_failure_where_the_version_is_there(manager: Manager) -> None:
    def lost(text: str) -> Outcome:
        sealed = manager.sent[-1][1]["Labels"][SEALED]
        manager.sees = seen(replace(V3, sealed=sealed))
        return LOST

    manager.answers = lost
    assert steps_operations.create(STATE, HOST, SETTINGS, CREATE)
    manager.answers = lambda text: LOST
    assert not steps_operations.create(STATE, HOST, SETTINGS, CREATE)
    assert "It may have happened all the same" in manager.failures[0]


def test_the_engines_words_are_told_where_it_refuses(manager: Manager) -> None:
    manager.answers = lambda text: Outcome("the engine answered 409: already exists")
    assert not steps_operations.create(STATE, HOST, SETTINGS, CREATE)
    [words] = manager.failures
    assert words.startswith("creating secret db_password_v3 failed: the engine answered 409")


# Labels
# ------


def test_a_version_that_was_taken_back_is_current_again_with_all_its_labels(
    manager: Manager,
) -> None:
    labels = {NAME: "db_password", "owners": "own", WITHDRAWN: "1"}
    manager.sees = seen(V1, V3, replace(V2, labels=labels, withdrawn=1.0))
    step = MakeCurrent("", "", key=DB, id=V2.id, turn=9)
    assert steps_operations.set_labels(STATE, HOST, step)
    [(text, body)] = manager.sent
    assert body == {
        "Name": "db_password_v2",
        "Labels": {NAME: "db_password", "owners": "own", TURN: "9"},
    }
    assert values(text, "kind=secrets", f"id={V2.id}", f"index={V2.index}")


def test_what_the_engine_says_against_labels_is_told(manager: Manager) -> None:
    manager.sees = seen(V2)
    manager.answers = lambda text: Outcome("the engine answered 500: update out of sequence")
    assert not steps_operations.set_labels(STATE, HOST, Withdraw("", "", key=DB, id=V2.id))
    [words] = manager.failures
    assert words.startswith("writing the labels of db_password_v2 failed: the engine answered 500")


def test_one_that_is_taken_back_keeps_its_turn(
    manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: NOW)
    manager.sees = seen(replace(V2, labels={TURN: "2"}))
    assert steps_operations.set_labels(STATE, HOST, Withdraw("", "", key=DB, id=V2.id))
    assert manager.sent[0][1]["Labels"] == {TURN: "2", WITHDRAWN: "1800000000"}


def test_a_version_that_is_gone_is_told(manager: Manager) -> None:
    assert not steps_operations.set_labels(STATE, HOST, Withdraw("", "", key=DB, id=V2.id))
    assert "has been removed meanwhile" in manager.failures[0]
    assert manager.sent == []


# Removed
# -------

REMOVE = Remove("", "", key=DB, id=V1.id, name="db_password_v1")


def test_an_old_version_goes(manager: Manager) -> None:
    manager.sees = seen(V1, V2, V3)
    assert steps_operations.remove(STATE, HOST, SETTINGS, NOTHING, REMOVE)
    [(text, _)] = manager.sent
    assert values(text, "kind=secrets", f"id={V1.id}")
    assert manager.told == []


def test_one_that_is_gone_already_is_no_matter(manager: Manager) -> None:
    manager.sees = seen(V2, V3)
    assert steps_operations.remove(STATE, HOST, SETTINGS, NOTHING, REMOVE)
    assert (manager.sent, manager.told) == ([], [])


def test_what_was_asked_for_counts_when_its_turn_comes(manager: Manager) -> None:
    """A version that was taken back and is asked for again is current: the one before is kept."""
    manager.sees = seen(V1, V2, replace(V3, withdrawn=NOW))
    assert steps_operations.remove(STATE, HOST, SETTINGS, Asked("db_password"), REMOVE)
    assert len(manager.sent) == 1
    assert steps_operations.remove(STATE, HOST, SETTINGS, NOTHING, REMOVE)
    assert len(manager.sent) == 1


def test_one_that_somebody_has_taken_up_meanwhile_stays(
    manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    for there, tasks in (
        (seen(V1, V2, V3, user("web", V3, before=[V1])), frozenset[str]()),
        (seen(V1, V2, V3), frozenset({V1.id})),
    ):
        manager.sees = there
        monkeypatch.setattr(observing, "tasks_use", lambda host, seen, tasks=tasks: tasks)
        assert steps_operations.remove(STATE, HOST, SETTINGS, NOTHING, REMOVE)
    assert manager.sent == []
    assert ["stays" in one.reason for one in manager.told] == [True, True]
    assert manager.parts == ["secrets"] * 2


def test_what_the_engine_does_not_remove_is_told_and_no_failure(manager: Manager) -> None:
    manager.sees = seen(V1, V2, V3)
    manager.answers = lambda text: Outcome("the engine answered 400: is in use")
    assert steps_operations.remove(STATE, HOST, SETTINGS, NOTHING, REMOVE)
    assert "is in use" in manager.told[0].reason
    manager.answers = lambda text: LOST
    assert not steps_operations.remove(STATE, HOST, SETTINGS, NOTHING, REMOVE)


# Flipped
# -------

FLIP = Flip(
    "service web", "", expected="db_password_v3", id="s", service="web", keys=(DB,), old=(V2.id,)
)


def of(used: Spec, previous: Spec | None = None) -> Service:
    return Service("s", "web", 5, used, previous)


def test_a_service_gets_the_current_version(manager: Manager) -> None:
    manager.sees, manager.service = seen(V2, V3), of(spec("web", V2))
    assert steps_operations.flip(STATE, HOST, FLIP)
    assert manager.updates == [spec("web", V3)]


def test_a_service_that_is_gone_or_flipped_already_is_left_alone(manager: Manager) -> None:
    manager.sees = seen(V2, V3)
    assert steps_operations.flip(STATE, HOST, FLIP)
    manager.service = of(spec("web", V3))
    assert steps_operations.flip(STATE, HOST, FLIP)
    assert manager.updates == []


def test_where_somebody_else_changes_it_too_it_is_looked_at_again(manager: Manager) -> None:
    manager.sees, manager.service = seen(V2, V3), of(spec("web", V2))
    overtaken = Ended("web", NotBegun("", overtaken=True))
    manager.ends = [overtaken]
    assert steps_operations.flip(STATE, HOST, FLIP)
    assert len(manager.updates) == 2
    manager.ends = [overtaken] * 5
    assert not steps_operations.flip(STATE, HOST, FLIP)
    assert len(manager.updates) == 5


def test_a_flip_that_fails_says_that_the_rest_waits(manager: Manager) -> None:
    manager.sees, manager.service = seen(V2, V3), of(spec("web", V2))
    manager.ends = [Ended("web", Failed("rolled back", NO_CAUSE))]
    assert not steps_operations.flip(STATE, HOST, FLIP)
    [words] = manager.failures
    assert "service web: it was rolled back" in words
    assert "no version was removed" in words


# Seen through
# ------------


def awaiting(ours: bool) -> Await:
    return Await("", "", id="s", service="web", ours=ours)


@pytest.mark.parametrize("by", ["paused", "timeout"])
def test_an_update_of_an_earlier_run_that_fails_is_put_back(manager: Manager, by: By) -> None:
    manager.service = of(spec("web", V3), spec("web", V2))
    failed = Ended("web", Failed(by, NO_CAUSE), seen=manager.service)
    manager.ends = [failed, failed]
    assert not steps_operations.see_through(STATE, HOST, awaiting(ours=True))
    assert manager.put_back == [spec("web", V2)]
    assert [one.name for one in references(manager.put_back[0])] == ["db_password_v2"]
    assert "was put back" in manager.failures[0]
    assert not steps_operations.see_through(STATE, HOST, awaiting(ours=False))
    assert len(manager.put_back) == 1
    assert manager.since == [0, 0]


@pytest.mark.parametrize(
    ("by", "last"),
    [
        ("rolled back", of(spec("web", V3), spec("web", V2))),
        ("superseded", of(spec("web", V3), spec("web", V2))),
        ("paused", of(spec("web", V3))),
        ("timeout", None),
    ],
)
def test_what_was_put_back_or_has_nothing_to_go_back_to_is_told_alone(
    manager: Manager, by: By, last: Service | None
) -> None:
    manager.service = of(spec("web", V3), spec("web", V2))
    manager.ends = [Ended("web", Failed(by, NO_CAUSE), seen=last)]
    assert not steps_operations.see_through(STATE, HOST, awaiting(ours=True))
    assert manager.put_back == []
    assert len(manager.failures) == 1


def test_one_that_ends_well_is_none_of_our_business(manager: Manager) -> None:
    manager.service = of(spec("web", V3))
    manager.ends = [Ended("web", Completed(2))]
    assert steps_operations.see_through(STATE, HOST, awaiting(ours=False))
    manager.service = None
    assert steps_operations.see_through(STATE, HOST, awaiting(ours=False))


# The old tasks' end
# ------------------

OLD_FLIP = replace(FLIP, id=WEB.id)
"""A flip of the service whose tasks are looked at."""


def old_task(state: str = "running") -> Task:
    template = spec("web", V2)["TaskTemplate"]
    return Task("t", WEB.id, 1, "n", "shutdown", state, "", "", None, 1, template)


@pytest.fixture
def passing(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which passes only where it is waited for."""
    now = [NOW]
    monkeypatch.setattr(steps_operations, "pause", lambda seconds: now.append(now[-1] + seconds))
    monkeypatch.setattr(clock, "now", lambda: now[-1])
    return now


def test_the_end_of_old_tasks_is_awaited(
    manager: Manager, monkeypatch: pytest.MonkeyPatch, passing: list[float]
) -> None:
    manager.sees = seen(V2, V3, stranger("db_password"), WEB, user("other", V2))
    looks = [[old_task(), old_task()], [old_task()], [old_task()], [old_task("shutdown")]]
    asked: list[list[str]] = []
    said: list[str] = []

    def tasks_of(host: Any, ids: list[str]) -> list[Task]:
        asked.append(ids)
        return looks.pop(0)

    monkeypatch.setattr(observing, "tasks_of", tasks_of)
    monkeypatch.setattr(steps_operations, "progress", said.append)
    assert steps_operations.old_tasks_end(STATE, HOST, [OLD_FLIP])
    assert said == [
        "waiting for 2 old tasks of web to stop: until then the old value is in use",
        "waiting for 1 old task of web to stop: until then the old value is in use",
    ]
    assert asked == [[WEB.id]] * 4
    assert (looks, manager.told, len(passing)) == ([], [], 4)


def test_the_end_of_tasks_with_what_was_adopted_is_awaited(
    manager: Manager, monkeypatch: pytest.MonkeyPatch, passing: list[float]
) -> None:
    plain = stranger("db_password")
    manager.sees = seen(V3, plain, WEB)
    template = spec("web", plain)["TaskTemplate"]
    looks = [[replace(old_task(), template=template)], []]
    monkeypatch.setattr(observing, "tasks_of", lambda host, ids: looks.pop(0))
    monkeypatch.setattr(steps_operations, "progress", lambda words: None)
    step = AwaitOldTasks("old tasks", "are still stopping", id=WEB.id, service="web")
    assert steps_operations.old_tasks_end(STATE, HOST, [step], {DB})
    assert (looks, manager.told) == ([], [])


def test_old_tasks_that_do_not_end_are_named_and_fail_nothing(
    manager: Manager, monkeypatch: pytest.MonkeyPatch, passing: list[float]
) -> None:
    manager.sees = seen(V2, V3, WEB)
    monkeypatch.setattr(observing, "tasks_of", lambda host, ids: [old_task()])
    monkeypatch.setattr(steps_operations, "progress", lambda words: None)
    assert steps_operations.old_tasks_end(STATE, HOST, [replace(awaiting(ours=True), id=WEB.id)])
    assert manager.told == old_tasks.left_running([], [old_task()], {WEB.id: "web"})
    assert manager.parts == ["secrets"]
    assert 30 < passing[-1] - NOW < 33


def test_old_tasks_that_were_told_already_are_neither_awaited_nor_told_again(
    manager: Manager, monkeypatch: pytest.MonkeyPatch, passing: list[float]
) -> None:
    manager.sees = seen(V2, V3, WEB)
    late = replace(old_task(), id="late")
    looks = [[late, old_task()], [late]]
    said: list[str] = []
    monkeypatch.setattr(observing, "tasks_of", lambda host, ids: looks.pop(0))
    monkeypatch.setattr(steps_operations, "progress", said.append)
    what = ("old tasks of service web", "are still stopping")
    step = AwaitOldTasks(*what, id=WEB.id, service="web", not_awaited=("late",))
    assert steps_operations.old_tasks_end(STATE, HOST, [step])
    assert (looks, manager.told, len(passing)) == ([], [], 2)
    assert said == ["waiting for 1 old task of web to stop: until then the old value is in use"]


def test_old_tasks_of_a_node_that_is_down_are_told_when_the_others_have_ended(
    manager: Manager, monkeypatch: pytest.MonkeyPatch, passing: list[float]
) -> None:
    manager.sees = seen(V2, V3, WEB)
    away = replace(old_task(), node="down")
    looks = [[away, old_task()], [away]]
    monkeypatch.setattr(observing, "tasks_of", lambda host, ids: looks.pop(0))
    monkeypatch.setattr(steps_operations, "progress", lambda words: None)
    assert steps_operations.old_tasks_end(STATE, HOST, [OLD_FLIP], (), {"down"})
    assert manager.told == old_tasks.left_running([away], [], {WEB.id: "web"})
    assert (looks, len(passing)) == ([], 2)


def test_a_manager_that_does_not_tell_of_old_tasks_for_a_moment_is_listing_operations(
    manager: Manager, monkeypatch: pytest.MonkeyPatch, passing: list[float]
) -> None:
    """A service that has been removed meanwhile is answered so, too: it is looked for anew."""
    manager.sees = seen(V2, V3, WEB)
    answers = [[old_task()], None, None, []]

    def tasks_of(host: Any, ids: list[str]) -> list[Task]:
        found = answers.pop(0)
        if found is None:
            raise Unobserved("rk1 did not list the tasks: no leader")
        return found

    monkeypatch.setattr(observing, "tasks_of", tasks_of)
    monkeypatch.setattr(steps_operations, "progress", lambda words: None)
    assert steps_operations.old_tasks_end(STATE, HOST, [OLD_FLIP])
    assert (answers, manager.told) == ([], [])


def test_old_tasks_that_cannot_be_seen_are_told_and_fail_nothing(
    manager: Manager, monkeypatch: pytest.MonkeyPatch, passing: list[float]
) -> None:
    def tasks_of(host: Any, ids: list[str]) -> list[Task]:
        raise Unobserved("rk1 did not list the tasks: no leader")

    monkeypatch.setattr(observing, "tasks_of", tasks_of)
    assert steps_operations.old_tasks_end(STATE, HOST, [OLD_FLIP])
    assert manager.told == [old_tasks.unseen(["web"], "rk1 did not list the tasks: no leader")]
    assert services.SILENT < passing[-1] - NOW < services.SILENT + 3
