"""The plan above the question: each thing once, what it interrupts, and who is left out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pyinfra_swarm.docker.daemon import RestartDaemon, WriteConfiguration
from pyinfra_swarm.rolling.plan import WorkOnNode
from pyinfra_swarm.run.findings import Change, Finding, Notice, Refusal, Remark
from pyinfra_swarm.run.plan_shown import Plan, question, shown
from pyinfra_swarm.run.telling import Told

HOSTS = [f"node{number}" for number in range(1, 5)]


def told(finding: Finding, *hosts: str, part: str = "docker") -> list[Told]:
    return [Told(host, part, finding) for host in hosts or HOSTS]


def plan(*told: list[Told], **fields: object) -> Plan:
    made = Plan(HOSTS, [one for some in told for one in some], seconds=38)
    return replace(made, **fields)  # type: ignore[arg-type]


def test_a_cluster_as_declared_is_one_line() -> None:
    assert shown(plan()) == ["The plan, after 0:38: nothing differs"]
    assert not plan().anything


def test_each_thing_is_told_once_with_its_hosts_and_counted_so() -> None:
    assert shown(
        plan(
            told(Refusal("sshd", "another setting wins"), "node2", part="ssh"),
            told(Change("Docker", "is not installed")),
            told(Notice("node rk9", "is not declared"), "node1", part="swarm"),
        )
    ) == [
        "The plan, after 0:38: 1 to change, 1 for you, 1 refused",
        "~ docker    node1–node4: Docker: is not installed",
        "! swarm     node1: node rk9: is not declared",
        "✗ ssh       node2: sshd: another setting wins",
    ]


def test_what_is_only_worth_knowing_is_told_last_and_nothing_is_asked_for_it() -> None:
    remarks = told(Remark("Docker Engine", "has a bug"), part="preflight")
    known = plan(remarks)
    assert shown(known) == [
        "The plan, after 0:38: nothing differs",
        "· preflight node1–node4: Docker Engine: has a bug",
    ]
    assert not known.anything
    whole = plan(remarks, told(Refusal("sshd", "another setting wins"), part="ssh"))
    assert [line[0] for line in shown(whole)[1:]] == ["✗", "·"]


RESTART = RestartDaemon("the running Docker daemon", "works with another configuration")


@pytest.mark.parametrize(
    ("times", "words"),
    [
        ({}, "for how long shows when it has happened once"),
        ({"Docker": 21.4}, "21 seconds the last time"),
    ],
)
def test_a_restart_of_the_engine_says_what_stops_and_for_how_long(
    times: dict[str, float], words: str
) -> None:
    [*_, last] = shown(plan(told(RESTART), last_times=times))
    assert last == (
        "Docker restarts on node1–node4, one after the other: the containers there stop, and the "
        f"ports they publish do not answer meanwhile ({words})"
    )


def test_what_restarts_nothing_interrupts_nothing() -> None:
    change = WriteConfiguration("daemon.json", "differs", content="{}")
    assert not any("restarts" in line for line in shown(plan(told(change))))


def test_a_rolling_job_says_that_tasks_move_before() -> None:
    work = WorkOnNode("the Docker daemon", "is restarted")
    [*_, last] = shown(plan(told(work, "node1", "node2")))
    assert last == (
        "Docker restarts on node1, node2, one after the other: services' tasks move to other nodes "
        "before; other containers there stop, and no port answers at that node meanwhile (for "
        "how long shows when it has happened once)"
    )


def test_one_host_restarts_after_no_other() -> None:
    [*_, last] = shown(plan(told(RESTART, "node3")))
    assert last.startswith("Docker restarts on node3: the containers there stop")


def test_who_is_left_out_is_named_with_the_reason_once() -> None:
    left_out = {"node2": "sshd: another setting wins", "node3": "no answer", "node4": "no answer"}
    refused = told(Refusal("sshd", "another setting wins"), "node2", part="ssh")
    made = plan(refused, told(RESTART, "node1"), left_out=left_out)
    assert shown(made)[-2:] == [
        "node2 is refused, and left out",
        "node3, node4 are left out: no answer",
    ]
    assert question(made).startswith("Do it on node1? Enter or y: yes.")


def test_the_question_says_what_enter_does_and_how_to_say_no() -> None:
    assert question(plan(told(RESTART))) == (
        "Do it? Enter or y: yes. Anything else, or Ctrl-C: no, and nothing is changed."
    )


def test_there_is_nothing_to_ask_about_hosts_that_are_left_out() -> None:
    assert plan(told(RESTART)).anything
    assert plan(other=[("Install vim", ["node1"])]).anything
    assert plan(asked_for=[("Proof", ["node1"])]).anything
    assert not plan(told(RESTART, "node2"), left_out={"node2": "refused"}).anything


def test_operations_of_others_are_told_by_their_names() -> None:
    made = plan(other=[("Install vim", HOSTS)], asked_for=[("Proof | every pair", HOSTS)])
    assert shown(made) == [
        "The plan, after 0:38: 1 to change",
        "~ other     node1–node4: Install vim: would do something",
        "node1–node4: Proof | every pair",
    ]
    assert shown(plan(asked_for=[("Proof", HOSTS)]))[0].endswith(": what was asked for")
