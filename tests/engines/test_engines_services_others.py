"""Services of real engines that somebody else updates, too, or has begun to update.

Each test runs with all engine versions that there are. What came of it is looked up at the engines.
"""

from __future__ import annotations

import threading

import pytest

from pyinfra_swarm.services import verdict
from pyinfra_swarm.services.ended import NotBegun
from pyinfra_swarm.services.operations import await_update, put_back, update
from pyinfra_swarm.services.verdict import Completed
from tests.engines.hosts import Hosts
from tests.engines.updates import (
    CRASHES,
    SECOND,
    cause,
    changed,
    create,
    manager,
    read,
    spec,
    until,
)


@pytest.fixture
def hosts(pair: Hosts) -> Hosts:
    return pair


def test_who_has_an_old_version_changes_nothing(hosts: Hosts) -> None:
    service = create(hosts, spec())
    hosts.docker("rk1", "service", "update", "--detach", "--label-add", "a=b", "web")
    until(lambda: read(hosts, service.id).version > service.version, "the other's update")
    good = changed(service, lambda one: one.update(Env=["A=b"]))
    ended = update(manager(hosts), service, good, doing="changing it")
    assert isinstance(ended.outcome, NotBegun)
    assert ended.overtaken
    assert read(hosts, service.id).spec["Labels"] == {"a": "b"}


def test_somebody_elses_update_in_the_middle_is_left_alone(hosts: Hosts, told: list[str]) -> None:
    service = create(hosts, spec())
    slow = changed(service, lambda one: one.update(Env=["A=b"]))
    slow["UpdateConfig"] |= {"Delay": 10 * SECOND}
    told.clear()

    def other() -> None:
        until(lambda: any("new task" in line for line in told), "the update to begin")
        hosts.docker(
            *("rk1", "service", "update", "--detach", "--no-resolve-image"),
            *("--env-add", "A=theirs", "web"),
        )

    meanwhile = threading.Thread(target=other)
    meanwhile.start()
    ended = update(manager(hosts), service, slow, doing="changing it")
    meanwhile.join()
    assert cause(ended)[0] == "superseded"
    assert ended.overtaken
    assert "A=theirs" in read(hosts, service.id).spec["TaskTemplate"]["ContainerSpec"]["Env"]


def test_a_rollback_by_hand_is_no_success(hosts: Hosts, told: list[str]) -> None:
    service = create(hosts, spec())
    slow = changed(service, lambda one: one.update(Env=["A=b"]))
    slow["UpdateConfig"] |= {"Delay": 10 * SECOND}
    told.clear()

    def other() -> None:
        until(lambda: any("new task" in line for line in told), "the update to begin")
        hosts.docker("rk1", "service", "rollback", "--detach", "web")

    meanwhile = threading.Thread(target=other)
    meanwhile.start()
    ended = update(manager(hosts), service, slow, doing="changing it")
    meanwhile.join()
    assert cause(ended)[0] == "rolled back"
    assert verdict.same_spec(read(hosts, service.id).spec, service.spec)


def test_what_an_ended_run_has_begun_is_awaited(hosts: Hosts) -> None:
    service = create(hosts, spec())
    good = changed(service, lambda one: one.update(Env=["A=b"]))
    hosts.api("rk1", f"/services/{service.id}/update?version={service.version}", good)
    ended = await_update(manager(hosts), read(hosts, service.id), service.version)
    assert ended.outcome == Completed(2)
    service = read(hosts, service.id)
    bad = changed(service, lambda one: one.update(Command=CRASHES))
    hosts.api("rk1", f"/services/{service.id}/update?version={service.version}", bad)
    ended = await_update(manager(hosts), read(hosts, service.id), service.version)
    assert cause(ended)[:2] == ("paused", "crash")
    assert ended.seen is not None
    assert ended.seen.previous is not None
    back = put_back(manager(hosts), ended.seen, ended.seen.previous)
    assert back.outcome == Completed(2)
    assert verdict.same_spec(read(hosts, service.id).spec, service.spec)


def test_a_new_service_that_does_not_come_up_is_told_with_its_cause(hosts: Hosts) -> None:
    number = hosts.api("rk1", "/services/create", spec("echo no database; exit 6"))["ID"]
    ended = await_update(manager(hosts), read(hosts, number), 0)
    by, kind, words = cause(ended)
    assert (by, kind) == ("timeout", "crash")
    assert "“no database”" in words


def test_a_service_that_is_removed_meanwhile(hosts: Hosts, told: list[str]) -> None:
    service = create(hosts, spec())
    slow = changed(service, lambda one: one.update(Env=["A=b"]))
    slow["UpdateConfig"] |= {"Delay": 10 * SECOND}
    told.clear()

    def other() -> None:
        until(lambda: any("new task" in line for line in told), "the update to begin")
        hosts.docker("rk1", "service", "rm", "web")

    meanwhile = threading.Thread(target=other)
    meanwhile.start()
    ended = update(manager(hosts), service, slow, doing="changing it")
    meanwhile.join()
    assert cause(ended)[0] == "superseded"
