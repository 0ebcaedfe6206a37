"""Services updated, awaited and put back, on a manager that only pretends."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from pyinfra_swarm.run import clock
from pyinfra_swarm.run.answer import Sections
from pyinfra_swarm.run.script import Outcome
from pyinfra_swarm.services import operations
from pyinfra_swarm.services.ended import NotBegun, Unseen
from pyinfra_swarm.services.operations import await_update, put_back, update
from pyinfra_swarm.services.service import Service, parse_service, with_references
from pyinfra_swarm.services.verdict import TO_RUN, Completed, Failed
from tests.unit.services import described
from tests.unit.services.described import NEW, OLD

USES_OLD = described.spec(secrets=[described.secret(OLD, "db_v1")])
USES_NEW = with_references(USES_OLD, "secret", {OLD: (NEW, "db_v2")})
HOST: Any = SimpleNamespace(name="rk1")


@dataclass
class Manager:
    """A manager with one service: what it is sent, and what it says.

    plays: what happens to the service after each look, given the number of the look since the last
    update. silent: how many answers are lost; refuses: its answer to an update.
    """

    plays: Callable[[Manager, int], None] = lambda manager, look: None
    service: dict[str, Any] = field(default_factory=lambda: described.service(20, USES_OLD))
    tasks: list[dict[str, Any]] = field(default_factory=list)
    clock: float = 0.0
    looks: int = 0
    silent: int = 0
    loses_the_answer: bool = False
    refuses: tuple[str, str] | None = None
    gone: bool = False
    sent: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def quietly(self, host: Any, text: str, *, stdin: str | None = None, timeout: int) -> Outcome:
        self.clock += 1
        variables = dict(line.split("=", 1) for line in text.split("\n") if "=" in line[:12])
        if "rollback" in variables:
            return self.updated(variables, json.loads(stdin or ""))
        if "task" in variables:
            self.asked.append(variables["task"])
            return self.says(node=["rk3"], log=["no password for db", "giving up"])
        if self.silent:
            self.silent -= 1
            return Outcome("no answer (timed out)", silent=True)
        if self.gone:
            return self.says(gone=[])
        self.looks += 1
        answer = copy.deepcopy((self.service, self.tasks))
        self.plays(self, self.looks)
        service, tasks = map(json.dumps, answer)
        return self.says(known=[str(self.looks)], service=[service], tasks=[tasks])

    def updated(self, variables: dict[str, str], spec: dict[str, Any]) -> Outcome:
        if self.refuses:
            return self.says(refused=list(self.refuses))
        assert int(variables["version"]) == self.service["Version"]["Index"]
        before, previous = self.service["Spec"], self.service.get("PreviousSpec")
        self.looks = 0
        if "previous" in variables["rollback"]:
            self.sent.append("roll back")
            status = {"State": "rollback_started", "Message": "manually requested rollback"}
            self.write(Spec=previous, PreviousSpec=before, UpdateStatus=status)
        else:
            self.sent.append(secret_of(spec))
            self.write(Spec=spec, PreviousSpec=before)
            self.service.pop("UpdateStatus", None)
        if self.loses_the_answer:
            return Outcome("no answer (timed out)", silent=True)
        return Outcome()

    def write(self, **more: Any) -> None:
        self.service |= {**more, "Version": {"Index": self.service["Version"]["Index"] + 1}}

    def status(self, state: str, message: str = "") -> None:
        self.write(UpdateStatus={"State": state, "Message": message})

    def runs(self) -> None:
        of = self.service["Spec"]
        self.tasks = [described.task(n, of, slot=n, version=90) for n in (1, 2)]

    def fails(self) -> None:
        of = self.service["Spec"]
        self.tasks = [
            described.task(
                1, of, state="failed", desired="shutdown", exit_code=3, version=90,
                error="task: non-zero exit (3)",
            )
        ]  # fmt: skip

    @staticmethod
    def says(**parts: list[str]) -> Outcome:
        said = Sections()
        said.update(parts)
        return Outcome(said=said)

    @property
    def as_read(self) -> Service:
        return parse_service(copy.deepcopy(self.service))


def secret_of(spec: Any) -> str:
    [one] = spec["TaskTemplate"]["ContainerSpec"]["Secrets"]
    return str(one["SecretName"])


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Manager:
    made = Manager()
    monkeypatch.setattr(operations, "quietly", made.quietly)
    monkeypatch.setattr(operations, "progress", made.said.append)
    monkeypatch.setattr(operations, "still_ours", lambda **_: None)
    monkeypatch.setattr(operations, "pause", lambda _: None)
    monkeypatch.setattr(operations, "log_in_again", lambda _: True)
    monkeypatch.setattr(clock, "now", lambda: made.clock)
    return made


def goes_well(manager: Manager, look: int) -> None:
    if look == 2:
        manager.runs()
        manager.status("updating")
    elif look == 3:
        state = "completed"
        if (manager.service.get("UpdateStatus") or {}).get("State", "").startswith("rollback"):
            state = "rollback_completed"
        manager.status(state)


def pauses(manager: Manager, look: int) -> None:
    if secret_of(manager.service["Spec"]) == "db_v1":
        rolls_back(manager, look)
    elif look == 2:
        manager.fails()
        manager.status("paused", f"failure or early termination of task task{1:021d}")


def rolls_back(manager: Manager, look: int) -> None:
    if look == 1:
        manager.runs()
    elif look == 2:
        manager.status("rollback_completed", "rollback completed")


def test_an_update_is_sent_and_awaited(manager: Manager) -> None:
    manager.plays = goes_well
    ended = update(HOST, manager.as_read, USES_NEW, doing="flipping it to db_v2")
    assert (ended.outcome, ended.back, ended.done) == (Completed(2), None, True)
    assert manager.sent == ["db_v2"]
    assert manager.said == [
        "service web: flipping it to db_v2",
        "service web: 0 of 2 new tasks run",
        "service web: 2 of 2 new tasks run",
    ]
    assert ended.seen is not None
    assert secret_of(ended.seen.spec) == "db_v2"


def test_a_task_that_fails_and_is_tried_again_is_told_once_while_it_is_waited_for(
    manager: Manager,
) -> None:
    def plays(manager: Manager, look: int) -> None:
        if look in (2, 4, 6):
            manager.fails()
        elif look in (3, 5):
            manager.tasks = [*manager.tasks, described.task(2, manager.service["Spec"], version=91)]
        elif look == 8:
            goes_well(manager, 2)
            goes_well(manager, 3)

    manager.plays = plays
    assert update(HOST, manager.as_read, USES_NEW, doing="flipping it to db_v2").done
    words = (
        "service web: a new task does not come up, and is tried again: "
        "its program ended with exit code 3"
    )
    assert manager.said[:3] == [*manager.said[:2], words]
    assert manager.said.count(words) == 1


def test_what_fails_is_explained_and_put_back_by_the_managers(manager: Manager) -> None:
    manager.plays = pauses
    ended = update(HOST, manager.as_read, USES_NEW, doing="flipping it to db_v2")
    assert isinstance(ended.outcome, Failed)
    assert (ended.outcome.by, ended.outcome.cause.kind) == ("paused", "crash")
    assert ended.outcome.cause.log == ("no password for db", "giving up")
    assert ended.outcome.cause.node == "rk3"
    assert manager.sent == ["db_v2", "roll back"]
    assert isinstance(ended.back, Completed)
    assert secret_of(manager.service["Spec"]) == "db_v1"
    assert manager.asked == [f"task{1:021d}"]
    assert ended.seen is not None
    assert secret_of(ended.seen.spec) == "db_v1"


def test_where_the_managers_know_no_previous_one_the_old_one_is_sent(manager: Manager) -> None:
    manager.service = described.service(20, USES_NEW, PreviousSpec=described.spec(image="app:0"))
    manager.plays = goes_well
    assert put_back(HOST, manager.as_read, USES_OLD).done
    assert manager.sent == ["db_v1"]


def test_what_is_back_already_is_only_awaited(manager: Manager) -> None:
    manager.runs()
    manager.status("rollback_completed")
    assert put_back(HOST, manager.as_read, USES_OLD).done
    assert manager.sent == []


def test_a_rollback_by_the_managers_is_not_done_twice(manager: Manager) -> None:
    manager.plays = rolled_back_by_themselves
    ended = update(HOST, manager.as_read, USES_NEW, doing="flipping it")
    assert isinstance(ended.outcome, Failed)
    assert (ended.outcome.by, ended.outcome.cause.kind) == ("rolled back", "crash")
    assert manager.sent == ["db_v2"]
    assert "service web: the managers are rolling it back" in manager.said


def rolled_back_by_themselves(manager: Manager, look: int) -> None:
    """They call it completed before what they have put back runs."""
    if look == 2:
        manager.fails()
        status = {"State": "rollback_started", "Message": "update rolled back"}
        manager.write(Spec=USES_OLD, PreviousSpec=None, UpdateStatus=status)
    elif look == 3:
        manager.status("rollback_completed")
    elif look == 6:
        manager.runs()


def test_a_rollback_by_the_managers_is_awaited_until_its_tasks_run(manager: Manager) -> None:
    manager.plays = rolled_back_by_themselves
    ended = update(HOST, manager.as_read, USES_NEW, doing="flipping it")
    assert ended.back == Completed(2)
    assert ended.sentence().endswith("It has what it had before")
    assert [line for line in manager.said if "What it had before is awaited" in line]


def test_a_rollback_that_fails_as_well_is_told_with_its_own_cause(manager: Manager) -> None:
    def plays(manager: Manager, look: int) -> None:
        if look == 2:
            manager.fails()
            status = {"State": "rollback_started", "Message": "update rolled back"}
            manager.write(Spec=USES_OLD, PreviousSpec=None, UpdateStatus=status)
        elif look == 4:
            manager.status("rollback_paused")

    manager.plays = plays
    ended = update(HOST, manager.as_read, USES_NEW, doing="flipping it")
    assert isinstance(ended.outcome, Failed)
    assert isinstance(ended.back, Failed)
    assert (ended.outcome.by, ended.back.by) == ("rolled back", "paused")
    assert "The managers' rollback has failed as well" in ended.sentence()


def test_a_rollback_that_goes_on_for_too_long_is_not_waited_for_twice(manager: Manager) -> None:
    def plays(manager: Manager, look: int) -> None:
        if look == 2:
            status = {"State": "rollback_started", "Message": "update rolled back"}
            manager.write(Spec=USES_OLD, PreviousSpec=None, UpdateStatus=status)

    manager.plays = plays
    ended = update(HOST, manager.as_read, USES_NEW, doing="flipping it")
    assert ended.back is None
    assert "The managers' rollback goes on" in ended.sentence()
    assert manager.clock < TO_RUN + 20


@pytest.mark.parametrize("state", ["rollback_started", "rollback_completed"])
def test_what_the_managers_have_rolled_back_before_anybody_looks_has_failed(
    manager: Manager, state: str
) -> None:
    """A stack's deploy updates one service after the other: the first may be back by its end."""
    manager.service["Spec"] = USES_NEW
    manager.fails()
    [failed] = manager.tasks
    manager.write(Spec=USES_OLD)
    manager.runs()
    manager.tasks.append(failed)
    manager.status(state)

    def completed(manager: Manager, look: int) -> None:
        if look == 2:
            manager.status("rollback_completed")

    manager.plays = completed
    ended = await_update(HOST, manager.as_read, 20)
    assert isinstance(ended.outcome, Failed)
    assert (ended.outcome.by, ended.outcome.cause.kind) == ("rolled back", "crash")
    assert ended.outcome.cause.log == ("no password for db", "giving up")
    assert ended.back == Completed(2)
    assert not ended.done


@pytest.mark.parametrize("since", [0, 22])
def test_a_rollback_from_before_an_update_is_none_of_its_failures(
    manager: Manager, since: int
) -> None:
    manager.runs()
    manager.write()
    manager.status("rollback_completed")
    assert manager.as_read.version == 22
    assert await_update(HOST, manager.as_read, since).done


def test_a_rollback_that_cannot_be_looked_at_is_not_taken_for_done(manager: Manager) -> None:
    manager.write()
    manager.status("rollback_started")
    manager.silent = 10_000
    ended = await_update(HOST, manager.as_read, 20)
    assert isinstance(ended.outcome, Unseen)


def test_who_is_too_late_changes_nothing(manager: Manager) -> None:
    read = manager.as_read
    manager.write(Spec=described.spec(image="other:1"))
    manager.refuses = (
        "500",
        '{"message":"rpc error: code = Unknown desc = update out of sequence"}',
    )
    ended = update(HOST, read, USES_NEW, doing="flipping it")
    assert isinstance(ended.outcome, NotBegun)
    assert ended.overtaken
    assert manager.sent == []


def test_a_refusal_is_told_in_the_engines_words(manager: Manager) -> None:
    manager.refuses = ("400", '{"message":"port 80 is already in use by service other"}')
    ended = update(HOST, manager.as_read, USES_NEW, doing="flipping it")
    assert ended.outcome == NotBegun("port 80 is already in use by service other")
    assert not ended.overtaken
    manager.refuses = ("502", "<html>\x1b[2J")
    ended = update(HOST, manager.as_read, USES_NEW, doing="flipping it")
    assert ended.outcome == NotBegun("the engine answered 502: <html>\\x1b[2J")


def test_a_lost_answer_is_looked_up(manager: Manager) -> None:
    manager.plays, manager.loses_the_answer = goes_well, True
    assert update(HOST, manager.as_read, USES_NEW, doing="flipping it").done


def test_a_request_that_never_arrived_is_told_as_such(
    manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = Outcome("no answer (timed out)", silent=True)
    monkeypatch.setattr(manager, "updated", lambda *_: lost)
    ended = update(HOST, manager.as_read, USES_NEW, doing="flipping it")
    assert ended.outcome == NotBegun("no answer (timed out)")


def test_a_manager_that_is_silent_for_a_while_is_waited_for(manager: Manager) -> None:
    manager.plays, manager.silent = goes_well, 5
    assert update(HOST, manager.as_read, USES_NEW, doing="flipping it").done


def test_a_manager_that_stays_silent_is_not_called_a_failure(manager: Manager) -> None:
    def plays(manager: Manager, look: int) -> None:
        if look == 2:
            manager.silent = 10_000

    manager.plays = plays
    ended = update(HOST, manager.as_read, USES_NEW, doing="flipping it")
    assert ended.outcome == Unseen("rk1: no answer (timed out)")
    assert manager.sent == ["db_v2"], "it may come to its end by itself: it is not put back"


def test_a_service_that_is_gone_is_not_put_back(manager: Manager) -> None:
    def plays(manager: Manager, look: int) -> None:
        manager.gone = look == 2

    manager.plays = plays
    ended = update(HOST, manager.as_read, USES_NEW, doing="flipping it")
    assert isinstance(ended.outcome, Failed)
    assert ended.outcome.by == "superseded"
    assert ended.overtaken
    assert manager.sent == ["db_v2"]


def test_somebody_elses_update_is_left_alone(manager: Manager) -> None:
    def plays(manager: Manager, look: int) -> None:
        if look == 2:
            manager.write(Spec=described.spec(image="other:1"), UpdateStatus=None)

    manager.plays = plays
    ended = update(HOST, manager.as_read, USES_NEW, doing="flipping it")
    assert ended.overtaken
    assert manager.sent == ["db_v2"]


def test_the_engines_form_of_what_was_sent_is_awaited(manager: Manager) -> None:
    """An engine leaves out what is empty, and may add what is implied."""
    sent = {**USES_NEW, "EndpointSpec": {}, "UpdateConfig": {"Parallelism": 1}}

    def plays(manager: Manager, look: int) -> None:
        if look == 1:
            return
        goes_well(manager, look)

    manager.plays = plays
    original = manager.updated

    def updated(variables: dict[str, str], spec: dict[str, Any]) -> Outcome:
        return original(
            variables, {**spec, "UpdateConfig": {"Parallelism": 1, "Order": "stop-first"}}
        )

    manager.updated = updated  # type: ignore[method-assign]
    assert update(HOST, manager.as_read, sent, doing="flipping it").done


def test_what_the_service_has_already_is_not_sent_again(manager: Manager) -> None:
    manager.runs()
    manager.status("completed")
    assert update(HOST, manager.as_read, USES_OLD, doing="flipping it").done
    assert manager.sent == []


def test_what_was_begun_by_others_is_awaited_and_not_put_back(manager: Manager) -> None:
    manager.service = described.service(21, USES_NEW, PreviousSpec=USES_OLD)
    manager.plays = pauses
    ended = await_update(HOST, manager.as_read, 20)
    assert isinstance(ended.outcome, Failed)
    assert (ended.outcome.by, ended.back) == ("paused", None)
    assert manager.sent == []
    assert "It was left as it is" in ended.sentence()


def test_an_answer_that_is_no_service_is_no_observation(manager: Manager) -> None:
    def plays(manager: Manager, look: int) -> None:
        if look == 2:
            manager.service["ID"] = "\x1b[2J"

    manager.plays = plays
    ended = update(HOST, manager.as_read, USES_NEW, doing="flipping it")
    assert isinstance(ended.outcome, Unseen)
    assert "rk1 gave an answer that is not understood" in ended.outcome.problem
    assert "\x1b" not in ended.outcome.problem
