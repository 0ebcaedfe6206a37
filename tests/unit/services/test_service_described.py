"""Services as the engine describes them, and their references replaced."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyinfra_swarm.services.service import (
    Kind,
    Reference,
    UpdateStatus,
    parse_services,
    parse_tasks,
    references,
    with_references,
)
from tests.unit.services import described
from tests.unit.services.described import FILE, NEW, OLD, SERVICE

NAMES = st.from_regex(r"[a-z]{1,3}_v[0-9]{1,2}", fullmatch=True)
NUMBERS = st.integers(0, 8).map(lambda number: f"id{number:023d}")


def parsed(**more: Any) -> Any:
    [found] = parse_services(json.dumps([described.service(**more)]))
    return found


def test_what_a_service_uses_is_read_with_its_files() -> None:
    of = described.spec(secrets=[described.secret()], configs=[described.config(NEW, "app_v2")])
    found = parsed(of=of)
    secret = Reference("secret", OLD, "db_v1", FILE)
    assert found.references == (secret, Reference("config", NEW, "app_v2", FILE))
    assert references(of, "secret") == (secret,)
    assert (found.id, found.name, found.version, found.stack) == (SERVICE, "web", 20, "")


@pytest.mark.parametrize(
    ("mode", "name", "replicas", "job"),
    [
        ({"Replicated": {"Replicas": 3}}, "replicated", 3, False),
        ({"Replicated": {"Replicas": 0}}, "replicated", 0, False),
        ({}, "replicated", 1, False),
        ({"Global": {}}, "global", None, False),
        ({"ReplicatedJob": {"MaxConcurrent": 1, "TotalCompletions": 4}}, "replicated-job", 4, True),
        ({"GlobalJob": {}}, "global-job", None, True),
    ],
)
def test_its_mode(mode: dict[str, Any], name: str, replicas: int | None, job: bool) -> None:
    of = {**described.spec(), "Mode": mode}
    found = parsed(of=of)
    assert (found.mode, found.replicas, found.is_job) == (name, replicas, job)


def test_its_stack_its_update_and_what_was_before() -> None:
    of = described.spec(Labels={"com.docker.stack.namespace": "shop"})
    status = {"State": "paused", "Message": "update paused due to failure"}
    found = parsed(of=of, PreviousSpec=described.spec(image="app:0"), UpdateStatus=status)
    assert found.stack == "shop"
    assert found.update == UpdateStatus("paused", "update paused due to failure")
    assert found.previous["TaskTemplate"]["ContainerSpec"]["Image"] == "app:0"
    assert parsed().update is None
    assert parsed(UpdateStatus={"State": ""}).update is None


def test_a_job_says_how_often_it_was_updated() -> None:
    assert parsed().iteration is None
    assert parsed(JobStatus={"JobIteration": {"Index": 3}}).iteration == 3
    assert parsed(JobStatus={"JobIteration": {}}).iteration == 0


def test_neither_its_repr_nor_its_json_shows_its_environment() -> None:
    found = parsed(PreviousSpec=described.spec(), of=described.spec(secrets=[described.secret()]))
    [task] = parse_tasks(json.dumps([described.task(1)]))
    shown = [repr(found), json.dumps(found.to_json()), repr(task), json.dumps(task.to_json())]
    assert not [text for text in shown if "hunter2" in text]
    assert found.to_json()["secrets"] == ["db_v1"]
    assert task.to_json()["state"] == "running"


def test_what_can_be_shown_of_a_service_is_this() -> None:
    of = described.spec(
        secrets=[described.secret()],
        configs=[described.config()],
        Labels={"com.docker.stack.namespace": "shop"},
    )
    assert parsed(of=of, UpdateStatus={"State": "paused"}).to_json() == {
        "id": SERVICE,
        "name": "web",
        "version": 20,
        "mode": "replicated",
        "replicas": 2,
        "stack": "shop",
        "update": "paused",
        "secrets": ["db_v1"],
        "configs": ["app_v1"],
    }
    assert parsed().to_json()["update"] == ""


def test_what_an_engine_leaves_out_is_empty() -> None:
    bare = {"Name": "web", "TaskTemplate": {}, "Mode": {"ReplicatedJob": {}}}
    found = parsed(of=bare, UpdateStatus={"State": "paused"})
    assert (found.stack, found.references, found.replicas) == ("", (), 1)
    assert found.update == UpdateStatus("paused", "") == UpdateStatus("paused")
    assert parsed(of={"Name": "web", "Labels": None}).stack == ""
    assert parsed(of={"Name": "web", "Mode": {"Global": None, "Replicated": {}}}).replicas == 1
    assert parsed(of={"Name": "web", "Mode": {"ReplicatedJob": None}}).mode == "replicated"
    assert parsed(JobStatus={}).iteration == 0
    status = {"State": "new"}
    entry = {"ID": SERVICE, "Version": {"Index": 1}, "Spec": {}, "DesiredState": "running"}
    [task] = parse_tasks(json.dumps([{**entry, "Status": status, "JobIteration": {}}]))
    assert (task.service, task.slot, task.node, task.error, task.message) == ("", 0, "", "", "")
    assert (task.iteration, task.exit_code) == (0, None)
    status |= {"Err": "no", "Message": "started"}
    [task] = parse_tasks(json.dumps([{**entry, "Status": status, "ServiceID": SERVICE}]))
    assert (task.service, task.error, task.message, task.iteration) == (
        SERVICE,
        "no",
        "started",
        None,
    )


def test_all_else_in_the_template_stays() -> None:
    of = described.spec(secrets=[described.secret()], template={"LogDriver": {"Name": "local"}})
    changed = with_references(of, "secret", {OLD: (NEW, "db_v2")})
    assert changed["TaskTemplate"]["LogDriver"] == {"Name": "local"}
    assert changed["TaskTemplate"]["ContainerSpec"]["Env"] == ["PASSWORD=hunter2"]


def test_a_jobs_task_is_wanted_until_it_is_complete() -> None:
    [job] = parse_tasks(json.dumps([described.task(1, state="starting", desired="complete")]))
    assert (job.wanted, job.ended, job.failed) == (True, False, False)
    for desired in ("shutdown", "remove", "failed", "rejected", "orphaned"):
        [one] = parse_tasks(json.dumps([described.task(1, desired=desired)]))
        assert not one.wanted
    [one] = parse_tasks(json.dumps([described.task(1, state="rejected")]))
    assert one.failed


def test_a_task_says_what_it_is_and_how_it_ended() -> None:
    entry = described.task(
        7, slot=2, state="failed", desired="shutdown", error="task: non-zero exit (3)", exit_code=3
    )
    [task] = parse_tasks(json.dumps([entry]))
    assert (task.slot, task.state, task.desired, task.exit_code) == (2, "failed", "shutdown", 3)
    assert (task.failed, task.ended, task.wanted) == (True, True, False)
    assert task.updated is None
    told = {**entry, "UpdatedAt": "2026-11-27T18:00:00.123456789Z"}
    [task] = parse_tasks(json.dumps([told]))
    assert task.updated == datetime(2026, 11, 27, 18, tzinfo=UTC).timestamp()
    [waits] = parse_tasks(json.dumps([described.task(8, state="pending", desired="ready")]))
    assert (waits.failed, waits.ended, waits.wanted) == (False, False, True)
    assert waits.exit_code is None


@pytest.mark.parametrize("parse", [parse_services, parse_tasks])
@pytest.mark.parametrize(
    "text",
    [
        '{"message":"This node is not a swarm manager."}',
        "",
        "null",
        '[{"ID":"../../etc"}]',
        json.dumps([{**described.service(), "ID": "$(reboot)"}]),
        json.dumps([described.service(UpdateStatus={"State": "\x1b[2J"})]),
        json.dumps([described.service(of=described.spec(secrets=[described.secret("$(id)")]))]),
        json.dumps([described.service(of={**described.spec(), "Mode": {"Replicated": 7}})]),
        json.dumps([{**described.task(1), "DesiredState": "asleep"}]),
    ],
)
def test_what_no_engine_says_is_not_taken(parse: Any, text: str) -> None:
    with pytest.raises((ValueError, KeyError, TypeError, AttributeError)):
        parse(text)


def test_the_engines_words_are_told_where_it_gives_no_list() -> None:
    with pytest.raises(ValueError, match="This node is not a swarm manager"):
        parse_services('{"message":"This node is not a swarm manager."}')


# References replaced
# -------------------


@pytest.mark.parametrize("kind", ["secret", "config"])
def test_a_reference_is_replaced_and_its_file_kept(kind: Kind) -> None:
    of = described.spec(
        secrets=[described.secret(name="db_v1")], configs=[described.config(name="db_v1")]
    )
    before = copy.deepcopy(of)
    changed = with_references(of, kind, {OLD: (NEW, "db_v2")})
    assert references(changed, kind) == (Reference(kind, NEW, "db_v2", FILE),)
    other: Kind = "config" if kind == "secret" else "secret"
    assert references(changed, other) == references(of, other)
    assert of == before, "the specification that was given is not changed"
    assert {**changed, "TaskTemplate": 0} == {**of, "TaskTemplate": 0}


def test_a_config_that_is_no_file_stays_none() -> None:
    runtime = {"Runtime": {}, "ConfigID": OLD, "ConfigName": "app_v1"}
    of = described.spec(configs=[runtime])
    [entry] = with_references(of, "config", {OLD: (NEW, "app_v2")})["TaskTemplate"][
        "ContainerSpec"
    ]["Configs"]
    assert entry == {"Runtime": {}, "ConfigID": NEW, "ConfigName": "app_v2"}


def test_the_order_is_that_of_dockers_command_line() -> None:
    entries = [described.secret(OLD, "app_v9"), described.secret("x" * 25, "app_vault")]
    changed = with_references(described.spec(secrets=entries), "secret", {OLD: (NEW, "zoo_v1")})
    assert [one.name for one in references(changed)] == ["app_vault", "zoo_v1"]


def test_where_nothing_is_replaced_nothing_changes() -> None:
    entries = [described.secret(OLD, "z"), described.secret("x" * 25, "a")]
    of = described.spec(secrets=entries)
    assert with_references(of, "secret", {NEW: (OLD, "b")}) == of
    assert with_references(of, "config", {OLD: (NEW, "b")}) == of
    plugin = {"Name": "p", "TaskTemplate": {"PluginSpec": {}}, "Mode": {"Global": {}}}
    assert with_references(plugin, "secret", {OLD: (NEW, "b")}) == plugin


@given(
    st.lists(st.tuples(NUMBERS, NAMES), max_size=6),
    st.dictionaries(NUMBERS, st.tuples(NUMBERS, NAMES), max_size=4),
)
def test_each_file_has_the_object_that_is_asked_for(
    entries: list[tuple[str, str]], replaced: dict[str, tuple[str, str]]
) -> None:
    secrets = [
        described.secret(number, name, Name=f"file{place}")
        for place, (number, name) in enumerate(entries)
    ]
    changed = with_references(described.spec(secrets=secrets), "secret", replaced)
    found = {one.file["Name"]: (one.id, one.name) for one in references(changed) if one.file}
    assert found == {
        f"file{place}": replaced.get(number, (number, name))
        for place, (number, name) in enumerate(entries)
    }
    if any(number in replaced for number, _ in entries):
        names = [one.name for one in references(changed)]
        assert names == sorted(names)
    assert with_references(changed, "secret", {}) == changed
