"""What a turn sends, in its order, and that a host has one turn in a run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pyinfra_swarm.nodes.membership import Node, Observed
from pyinfra_swarm.rolling import operations, reboot_operations
from pyinfra_swarm.rolling.jobs import Options, Roll, Running, reboot, restart
from pyinfra_swarm.rolling.operations import Job, Situation
from pyinfra_swarm.rolling.plan import RemoveLabel, RestoreNode, WorkOnNode
from pyinfra_swarm.rolling.services import Replicas
from pyinfra_swarm.run import reporting
from pyinfra_swarm.run.converge import Commands
from pyinfra_swarm.run.findings import Finding
from pyinfra_swarm.settings import Settings
from pyinfra_swarm.settings.labels import AVAILABILITY_BEFORE
from tests.builders import node
from tests.unit.rolling.rolling_examples import (
    ALL,
    MARK,
    NAMES,
    NOW,
    RESTART,
    SETTINGS,
    WHOLE,
    changed,
    found,
    runs,
    swarm,
)

BEGAN = str(int(NOW - 900))
LABELLED = node(1, labels={MARK: BEGAN})
LAST = node(4, "worker", availability="drain", labels={AVAILABILITY_BEFORE: "active"})
RESTARTED = dict.fromkeys(NAMES, runs(engine_started=NOW - 100))


def nothing(*of: object) -> Commands:
    yield from ()


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The steps of the last turn of a restart, each in a word or two, with its script."""
    steps: list[tuple[str, str]] = []

    def step(*step: str) -> str:
        steps.append((step[0], step[-1]))
        return step[0]

    def took_back(settings: Settings) -> Any:
        yield step("taken back", "")

    observed = swarm(*changed(LABELLED, LAST))
    roll = restart(SETTINGS, observed, RESTARTED, ALL, NOW)
    assert (roll.work, roll.continued) == ({}, True)
    now = Situation(SETTINGS.host("rk4"), observed, ALL, tuple(NAMES), roll, [])
    monkeypatch.setattr(operations, "this_run", lambda kind: operations._Progress())
    back = {True: "back, restored", False: "back"}
    here = operations
    monkeypatch.setattr(here, "look", lambda *of: now)
    monkeypatch.setattr(here, "progress", lambda words: None)
    monkeypatch.setattr(here, "observe_on", lambda *of: None)
    monkeypatch.setattr(here, "provable", lambda cluster: False)
    monkeypatch.setattr(here, "on", lambda acting, text, doing: step(doing, text))
    monkeypatch.setattr(here, "node_back", lambda of, restored: step(back[restored], ""))
    monkeypatch.setattr(here, "services_complete", lambda *of, **how: step("services", ""))
    monkeypatch.setattr(here, "taken_back", took_back)
    list(here._restore(SETTINGS, Job("restart", None, nothing), now, LAST, "rk1", ()))  # type: ignore[arg-type]
    return steps


def test_the_last_turn_takes_the_jobs_label_off_when_all_else_has_gone_well(
    sent: list[tuple[str, str]],
) -> None:
    """Where a service does not come back, the same command must not restart all engines again."""
    assert [what for what, _ in sent] == [
        "back",
        "restoring its availability",
        "back, restored",
        "services",
        "taken back",
        "finishing its turn",
        "removing the job's label",
    ]
    taken_off = [what for what, text in sent if f"--label-rm {MARK}" in text]
    assert taken_off == ["removing the job's label"]
    assert f"docker_node_update {LABELLED.id} --label-rm {MARK}\n" in sent[-1][1]


def test_a_node_is_unfinished_until_its_turn_has_ended(sent: list[tuple[str, str]]) -> None:
    """Else the next run would leave its services, and the address that it has given up."""
    label = f"--label-rm {AVAILABILITY_BEFORE}"
    assert [what for what, text in sent if label in text] == ["finishing its turn"]
    [restoring] = [text for what, text in sent if what == "restoring its availability"]
    assert f"docker_node_update {LAST.id} --availability active\n" in restoring


RESTORED = replace(LAST, availability="active")


def test_a_restored_node_whose_turn_has_not_ended_is_resumed() -> None:
    before = swarm(*changed(LABELLED, RESTORED))
    again = restart(SETTINGS, before, RESTARTED, ALL, NOW + 60)
    told = found(again, before, planning=False)
    assert [finding.sentence() for finding in told["rk4"]] == [
        "availability: was restored by a rolling job that has not finished, 1st of 2"
    ]


@pytest.mark.parametrize(
    ("left", "running", "told"),
    [(LAST, 1, False), (RESTORED, 3, True)],
    ids=["drained", "restored"],
)
def test_what_services_had_before_is_not_known_any_more_once_the_node_is_restored(
    left: Node, running: int, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So all that nodes may run is waited for, and the owner can say that it was not there."""
    seen: list[Any] = []

    def services_complete(acting: str, before: Any, wait: int, remedy: str, **how: bool) -> str:
        seen.append((*before, AVAILABILITY_BEFORE in remedy))
        return ""

    observed = swarm(*changed(left))
    roll = restart(SETTINGS, observed, RESTARTED, ALL, NOW)
    now = Situation(SETTINGS.host("rk4"), observed, ALL, tuple(NAMES), roll, [])
    here = operations
    monkeypatch.setattr(here, "this_run", lambda kind: operations._Progress())
    monkeypatch.setattr(here, "look", lambda *of: now)
    monkeypatch.setattr(here, "progress", lambda words: None)
    monkeypatch.setattr(here, "observe_on", lambda *of: (Replicas("web", 4, 1, 1),))
    monkeypatch.setattr(here, "provable", lambda cluster: False)
    monkeypatch.setattr(here, "on", lambda acting, text, doing: "")
    monkeypatch.setattr(here, "node_back", lambda of, restored: "")
    monkeypatch.setattr(here, "services_complete", services_complete)
    monkeypatch.setattr(here, "taken_back", nothing)
    job: Any = Job("restart", None, nothing)  # type: ignore[arg-type]
    list(here._carry_out(SETTINGS, job, now, left, RestoreNode("availability", "")))
    assert seen == [(Replicas("web", 4, running, 1), told)]


def test_a_run_that_ends_before_that_leaves_the_label_alone_to_be_taken_off() -> None:
    before = swarm(*changed(LABELLED))
    again = restart(SETTINGS, before, RESTARTED, ALL, NOW + 60)
    told = [finding for own in found(again, before).values() for finding in own]
    assert [type(finding) for finding in told] == [RemoveLabel]


# Reboots
# -------

WAITING = runs(kernels=("6.8.0-45-generic", "6.8.0-47-generic"))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> operations._Progress:
    """A run in the name of rk1, of hosts that all wait for a reboot."""
    kept = operations._Progress(since=NOW)
    monkeypatch.setattr(operations, "this_run", lambda kind: kept)
    monkeypatch.setattr(operations, "this_host", lambda settings: settings.host("rk1"))
    monkeypatch.setattr(operations, "memberships", lambda: WHOLE)
    monkeypatch.setattr(operations, "given", lambda key: None)
    monkeypatch.setattr(operations, "in_limit", lambda: set(NAMES))
    monkeypatch.setattr(operations, "is_executing", lambda: True)
    return kept


def _roll(settings: Settings, observed: Observed, given: Options, begun: float) -> Roll:
    return reboot(settings, observed, dict.fromkeys(NAMES, WAITING), given, begun)


REBOOT = Job("reboot", _roll, nothing)


def test_a_host_has_one_turn_in_a_run_though_the_old_kernel_runs_still(
    run: operations._Progress,
) -> None:
    assert [type(one) for one in operations.look(SETTINGS, REBOOT).findings] == [WorkOnNode]
    run.changed = {"restart": {"rk1"}}  # another job's turn is not this one's
    assert [type(one) for one in operations.look(SETTINGS, REBOOT).findings] == [WorkOnNode]
    run.changed = {"reboot": {"rk1"}}
    now = operations.look(SETTINGS, REBOOT)
    assert now.findings == []
    assert set(now.roll.work) == {"rk2", "rk3", "rk4"}


def test_a_host_that_is_changed_has_had_its_turn(
    run: operations._Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reported(part: str, findings: list[Finding]) -> bool:
        return bool(findings)

    drained = node(1, availability="drain", labels={AVAILABILITY_BEFORE: "active"})
    monkeypatch.setattr(operations, "memberships", lambda: swarm(*changed(drained)))
    monkeypatch.setattr(operations, "progress", lambda words: None)
    monkeypatch.setattr(operations, "report", reported)
    now = operations.look(SETTINGS, REBOOT)
    list(operations._work(SETTINGS, REBOOT, now, drained, "rk2", ()))
    assert run.changed == {"reboot": {"rk1"}}


@pytest.mark.parametrize(
    ("restored", "words"),
    [("", "This node stays drained"), ("rk1", "This node takes tasks again")],
)
def test_a_turn_that_a_command_has_ended_says_how_the_node_is_left(
    run: operations._Progress, restored: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    def fails(*of: object) -> Commands:
        run.restored = restored
        yield  # type: ignore[misc]

    monkeypatch.setattr(operations, "_carry_out", fails)
    monkeypatch.setattr(operations, "unlockable", lambda settings: None)
    monkeypatch.setattr(operations, "report", lambda part, findings: bool(findings))
    monkeypatch.setattr(operations, "current_host", lambda: None)
    monkeypatch.setattr(operations, "connection_broke", lambda host: False)
    monkeypatch.setattr(reporting, "failed", lambda host, text, logged: said.append(text))
    commands = operations.turn(SETTINGS, REBOOT, "leader")
    next(commands)
    commands.close()
    assert [words in one for one in said] == [True]
    assert run.stopped_at == "rk1"


def test_a_job_asks_for_its_outcome_when_the_node_is_restored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps: list[str] = []

    def step(what: str) -> Any:
        def does(*of: object) -> Commands:
            steps.append(what)
            yield from ()

        return does

    monkeypatch.setattr(operations, "observe_on", lambda *of: ())
    monkeypatch.setattr(operations, "_work", step("work"))
    monkeypatch.setattr(operations, "_restore", step("restore"))
    job = replace(REBOOT, outcome=step("outcome"))
    [change] = found(RESTART)["rk1"]
    assert isinstance(change, WorkOnNode)
    now = Situation(SETTINGS.host("rk1"), WHOLE, ALL, tuple(NAMES), RESTART, [change])
    list(operations._carry_out(SETTINGS, job, now, node(1), change))
    assert steps == ["work", "restore", "outcome"]


@pytest.mark.parametrize(
    ("seen", "given", "executing", "said"),
    [
        (WAITING, ALL, True, "kernel 6.8.0-47-generic is installed, 6.8.0-45-generic runs"),
        (runs(), ALL, True, ""),
        (WAITING, Options(everything=True), True, ""),
        (WAITING, ALL, False, ""),
    ],
    ids=["the old kernel runs still", "the new one runs", "all=yes", "only planned"],
)
def test_a_reboot_that_has_brought_nothing_ends_the_job(
    seen: Running, given: Options, executing: bool, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = reboot_operations
    monkeypatch.setattr(here, "is_executing", lambda: executing)
    monkeypatch.setattr(here, "forget_observations", lambda: None)
    monkeypatch.setattr(here, "observe", lambda fact: seen)
    monkeypatch.setattr(here, "fail", lambda words: words)
    failures: list[Any] = list(here.JOB.outcome(given))
    assert len(failures) == bool(said)
    assert all(
        f"was rebooted, is restored, and still waits for a reboot: {said}." in words
        for words in failures
    )


@pytest.mark.parametrize(("running", "is_changed"), [(RESTARTED, False), ({}, True)])
def test_a_node_that_was_changed_while_it_was_drained_is_not_changed_again(
    running: dict[str, Running], *, is_changed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command outlives the run that sent it: the next run may meet its end."""
    observed = swarm(*changed(LABELLED, LAST))
    old = {**dict.fromkeys(NAMES, runs(engine_started=NOW - 1000)), **running}
    before, after = (restart(SETTINGS, observed, of, ALL, NOW) for of in (RESTARTED, old))
    now = Situation(SETTINGS.host("rk4"), observed, ALL, tuple(NAMES), before, [])
    here = operations
    monkeypatch.setattr(here, "this_run", lambda kind: operations._Progress())
    monkeypatch.setattr(here, "look", lambda *of: replace(now, roll=after))
    monkeypatch.setattr(here, "report", lambda part, findings: None)
    monkeypatch.setattr(here, "progress", lambda words: None)
    monkeypatch.setattr(here, "given_up", nothing)
    monkeypatch.setattr(here, "on", lambda acting, text, doing: doing)
    monkeypatch.setattr(here, "script", lambda text, timeout: "waiting")
    monkeypatch.setattr(here, "services_complete", lambda *of, **how: "services")

    def change(*of: object) -> Commands:
        yield "changing it"  # type: ignore[misc]

    job = Job("restart", None, change)  # type: ignore[arg-type]
    steps = list(here._work(SETTINGS, job, now, LAST, "rk1", ()))
    assert steps == ["draining it", "waiting", "services", *["changing it"] * is_changed]
