"""Services of real engines whose update fails: each failure with its cause, and put back.

Each test runs with all engine versions that there are. What came of it is looked up at the engines.
"""

from __future__ import annotations

import copy
import json
from typing import Any
from urllib.parse import quote

import pytest

from pyinfra_swarm.services import verdict
from pyinfra_swarm.services.ended import NotBegun
from pyinfra_swarm.services.operations import update
from pyinfra_swarm.services.service import with_references
from tests.engines.hosts import Hosts
from tests.engines.updates import (
    CRASHES,
    GOES_ON,
    HOST_NAMES,
    IN_BACKGROUND,
    SECOND,
    cause,
    changed,
    create,
    fails,
    manager,
    read,
    running,
    spec,
    used,
)


@pytest.fixture
def hosts(pair: Hosts) -> Hosts:
    return pair


@pytest.fixture
def patient(told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What is put back waits a minute for the end of a task that no node has taken (swarmkit
    ``manager/orchestrator/restart/restart.go``)."""
    monkeypatch.setattr(verdict, "TO_RUN", 90.0)


# It fails
# --------


def test_an_image_that_is_not_there(hosts: Hosts) -> None:
    service = create(hosts, spec())
    ended = fails(hosts, service, changed(service, lambda one: one.update(Image="nowhere:1")))
    by, kind, words = cause(ended)
    assert (by, kind) == ("paused", "image")
    assert "its image cannot be had: “" in words
    assert "(node rk" in words
    assert ended.sentence().endswith("It was put back to what it was before")


def test_a_program_that_exits_with_its_last_lines(hosts: Hosts) -> None:
    service = create(hosts, spec())
    program = (
        "for n in 1 2 3 4 5 6; do echo line $n; done; printf '\\033[2Jdb: wrong password\\n'; "
        "printf '%01000d\\n' 7; sleep 0.3; exit 3"
    )
    bad = changed(service, lambda one: one.update(Command=["sh", "-c", program]))
    ended = fails(hosts, service, bad)
    by, kind, words = cause(ended)
    assert (by, kind) == ("paused", "crash")
    assert "its program ended with exit code 3 (node rk" in words
    assert "“\\x1b[2Jdb: wrong password”" in words
    assert "“line 6”" in words
    assert "“line 3”" not in words
    assert "… (shortened)" in words
    assert "\x1b" not in words
    assert len(words) < 1000
    assert "hunter2" not in ended.sentence()


def test_a_program_that_ends_well_is_a_failure_too(hosts: Hosts) -> None:
    service = create(hosts, spec())
    bad = changed(service, lambda one: one.update(Command=["sh", "-c", "echo done"]))
    by, kind, words = cause(fails(hosts, service, bad))
    assert (by, kind) == ("paused", "crash")
    assert "exit code 0 (a service's program has to go on; where a health check" in words
    assert "“done”" in words


def test_a_program_that_is_not_in_the_image(hosts: Hosts) -> None:
    service = create(hosts, spec())
    bad = changed(service, lambda one: one.update(Command=["no-such-program"]))
    by, kind, words = cause(fails(hosts, service, bad))
    assert (by, kind) == ("paused", "start")
    assert "its program cannot be begun" in words
    assert "no-such-program" in words


CHECK = {"Test": ["CMD", "false"], "Interval": SECOND // 5, "Retries": 2}


def test_a_health_check_that_fails(hosts: Hosts) -> None:
    service = create(hosts, spec())
    talks = f"echo listening on 127.0.0.1; {GOES_ON.replace('exit 0', 'exit 9')}"
    bad = changed(service, lambda one: one.update(Healthcheck=CHECK, Command=["sh", "-c", talks]))
    by, kind, words = cause(fails(hosts, service, bad))
    assert (by, kind) == ("paused", "health")
    assert "its health check failed, so the engine stopped it" in words
    assert "“listening on 127.0.0.1”" in words


def test_a_health_check_that_fails_where_the_program_ends_well(hosts: Hosts) -> None:
    """The engine leaves no trace of the check then: what the tasks say is asserted as well."""
    service = create(hosts, spec())
    bad = changed(service, lambda one: one.update(Healthcheck=CHECK, Command=["sh", "-c", GOES_ON]))
    by, kind, words = cause(fails(hosts, service, bad))
    assert (by, kind) == ("paused", "crash")
    assert "exit code 0 (a service's program has to go on; where its health check fails" in words
    filters = quote(json.dumps({"service": [service.id]}))
    ended = [
        one["Status"]
        for one in hosts.api("rk1", f"/tasks?filters={filters}")
        if one["Spec"]["ContainerSpec"].get("Healthcheck") and "Err" in one["Status"]
    ]
    assert not [one for one in ended if "health" in one["Err"]]


def test_no_node_that_fits(hosts: Hosts, patient: None) -> None:
    service = create(hosts, spec())
    of = copy.deepcopy(dict(service.spec))
    of["TaskTemplate"]["Placement"] = {"Constraints": ["node.labels.kind==nowhere"]}
    by, kind, words = cause(fails(hosts, service, of))
    assert (by, kind) == ("timeout", "placement")
    assert "no node may run it: “no suitable node (scheduling constraints not satisfied" in words


def test_a_path_to_mount_that_is_missing(hosts: Hosts) -> None:
    service = create(hosts, spec())
    mounts = [{"Type": "bind", "Source": "/srv/not there", "Target": "/data"}]
    bad = changed(service, lambda one: one.update(Mounts=mounts))
    by, kind, words = cause(fails(hosts, service, bad))
    assert (by, kind) == ("paused", "mount")
    assert "the path /srv/not there that it mounts does not exist on the node" in words


def test_a_port_of_the_node_that_another_service_has(hosts: Hosts, patient: None) -> None:
    other = spec()
    other |= {"Name": "other", "EndpointSpec": {"Ports": [host_port(8080)]}}
    create(hosts, other)
    service = create(hosts, spec())
    of = {**service.spec, "EndpointSpec": {"Ports": [host_port(8080)]}}
    by, kind, words = cause(fails(hosts, service, of))
    assert (by, kind) == ("timeout", "port")
    assert "host-mode port already in use" in words


def test_a_port_of_the_node_that_another_program_has(hosts: Hosts) -> None:
    serve = "import os, http.server as h\nif os.fork(): os._exit(0)\n"
    serve += "h.HTTPServer(('', 8081), h.SimpleHTTPRequestHandler).serve_forever()"
    for name in HOST_NAMES:
        hosts.run(name, f'{IN_BACKGROUND} -c "{serve}"')
    service = create(hosts, spec())
    of = {**service.spec, "EndpointSpec": {"Ports": [host_port(8081)]}}
    by, kind, words = cause(fails(hosts, service, of))
    assert (by, kind) == ("paused", "port")
    assert "a port that it publishes on the node is in use there" in words


def host_port(number: int) -> dict[str, Any]:
    return {"Protocol": "tcp", "TargetPort": 80, "PublishedPort": number, "PublishMode": "host"}


def test_what_the_engine_refuses_changes_nothing(hosts: Hosts) -> None:
    service = create(hosts, spec())
    of = with_references(
        changed(service, lambda one: one.update(Secrets=[used("x" * 25, "gone_v1")])), "secret", {}
    )
    ended = update(manager(hosts), service, of, doing="changing it")
    assert isinstance(ended.outcome, NotBegun)
    assert not ended.overtaken
    assert "gone_v1" in ended.outcome.problem
    assert read(hosts, service.id).version == service.version


# What the service asks for where an update fails
# -----------------------------------------------


def with_action(action: str, **more: Any) -> dict[str, Any]:
    how = {"Parallelism": 1, "Monitor": SECOND, "FailureAction": action, **more}
    return spec(UpdateConfig=how)


def test_rolled_back_by_the_managers_is_no_success(hosts: Hosts, told: list[str]) -> None:
    service = create(hosts, with_action("rollback"))
    bad = changed(service, lambda one: one.update(Command=CRASHES))
    ended = fails(hosts, service, bad)
    by, kind, words = cause(ended)
    assert (by, kind) == ("rolled back", "crash")
    assert "exit code 5" in words
    assert "“giving up”" in words
    assert ended.seen is not None
    assert ended.seen.update is not None
    assert ended.seen.update.state == "rollback_completed"
    assert ended.sentence().endswith("It has what it had before")


def test_an_update_that_goes_on_over_failing_tasks_is_no_success(hosts: Hosts) -> None:
    """The managers call it completed; the tasks fail over and over."""
    service = create(hosts, with_action("continue"))
    bad = changed(service, lambda one: one.update(Command=CRASHES))
    ended = fails(hosts, service, bad)
    by, kind, _ = cause(ended)
    assert (by, kind) == ("timeout", "crash")


def test_start_first_never_stops_what_runs_for_what_does_not(hosts: Hosts) -> None:
    service = create(hosts, with_action("pause", Order="start-first"))
    before = {task["ID"] for task in running(hosts, service.id)}
    bad = changed(service, lambda one: one.update(Image="nowhere:1"))
    assert cause(fails(hosts, service, bad))[:2] == ("paused", "image")
    assert {task["ID"] for task in running(hosts, service.id)} == before
