"""What a manager says of stacks, read; and nothing that could be a password shown."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from pyinfra_swarm.run.answer import Sections
from pyinfra_swarm.stacks.facts import parse_stacks
from pyinfra_swarm.stacks.record import Record, named, pack
from pyinfra_swarm.stacks.seen import Stacks

ID = "bey1ilmbmtg66b2rgw8u0ywsb"


def said(records: object, services: object, state: str = "running") -> Sections:
    found = Sections()
    found["state"] = [state]
    found["records"] = [json.dumps(records)]
    found["services"] = [json.dumps(services)]
    return found


def config(name: str, stack: str, data: bytes, id: str = ID) -> dict[str, Any]:
    return {
        "ID": id,
        "Spec": {
            "Name": name,
            "Labels": {"pyinfra-swarm.stack": stack, "pyinfra-swarm.inputs": "abc"},
            "Data": base64.b64encode(data).decode(),
        },
    }


RECORD = Record("web", "abc", "28.5.2", {"services": {}}, {"web_app": {"Env": ["A=hunter2"]}})
SERVICE = {
    "ID": ID,
    "Version": {"Index": 7},
    "Spec": {
        "Name": "web_app",
        "Labels": {"com.docker.stack.namespace": "web"},
        "TaskTemplate": {"ContainerSpec": {"Image": "x", "Env": ["A=hunter2"]}},
        "Mode": {"Replicated": {"Replicas": 2}},
    },
}


def test_records_and_services_are_read() -> None:
    found = parse_stacks(said([config(named("web", 3), "web", pack(RECORD))], [SERVICE]))
    [record], [service] = found.records, found.services
    assert (record.stack, record.version, record.inputs, record.engine) == (
        "web",
        3,
        "abc",
        "28.5.2",
    )
    assert record.services == RECORD.services
    assert (service.name, service.stack) == ("web_app", "web")
    assert "hunter2" not in json.dumps(found.to_json()) + repr(found)


@pytest.mark.parametrize(
    "entry",
    [
        config(named("web", 3), "web", b"something else"),
        config(named("other", 3), "web", pack(RECORD)),
        config("by_hand", "web", pack(RECORD)),
    ],
)
def test_what_is_no_record_has_a_problem_and_the_others_are_read(entry: dict[str, Any]) -> None:
    good = config(named("db", 1), "db", pack(Record("db", "x", "28")), id="c" * 25)
    broken, whole = parse_stacks(said([entry, good], [])).records
    assert broken.problem
    assert broken.services == {}
    assert not whole.problem


def test_other_hosts_say_why_they_cannot_say() -> None:
    no = {"message": "This node is not a swarm manager. Worker nodes can't be used to view …"}
    assert "no manager" in parse_stacks(said(no, no)).problem
    assert parse_stacks(said([], [], "absent")).problem


LEADERLESS = {"message": "rpc error: code = Unknown desc = The swarm does not have a leader."}


@pytest.mark.parametrize("answers", [(LEADERLESS, LEADERLESS), ([], LEADERLESS), (LEADERLESS, [])])
def test_a_manager_without_a_leader_says_so_in_its_own_words(answers: tuple[Any, Any]) -> None:
    assert parse_stacks(said(*answers)) == Stacks(problem="The swarm does not have a leader.")
