"""The record of a deploy: packed, unpacked, and never believed where it is none."""

from __future__ import annotations

import gzip
import json
import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyinfra_swarm.services.service import Service
from pyinfra_swarm.settings.labels import STACK
from pyinfra_swarm.stacks.record import (
    INPUTS,
    LARGEST,
    Record,
    named,
    newest,
    pack,
    stack_and_version,
    unpack,
    with_declared_names,
)

RECORD = Record("web", "abc", "28.5.2", {"services": {"app": {}}}, {"web_app": {"Name": "web_app"}})


def test_what_is_packed_is_unpacked_and_small() -> None:
    many = Record("web", "abc", "28", {}, {f"web_{n}": {"Name": "x" * 500} for n in range(50)})
    assert unpack(pack(many))["services"] == many.services
    assert len(pack(many)) < 2000
    assert pack(RECORD) == pack(RECORD)


def test_what_a_record_is_called_and_holds_is_a_promise() -> None:
    """It outlives this version of the program: the next one reads it."""
    assert (STACK, INPUTS) == ("pyinfra-swarm.stack", "pyinfra-swarm.inputs")
    assert LARGEST == 8 * 1024 * 1024
    assert named("web", 3) == "pyinfra-swarm.stack_web_v3"
    assert unpack(pack(RECORD)) == {
        "format": 1,
        "stack": "web",
        "inputs": "abc",
        "engine": "28.5.2",
        "compose": {"services": {"app": {}}},
        "services": {"web_app": {"Name": "web_app"}},
    }


def test_the_order_of_what_was_read_and_the_time_make_no_difference() -> None:
    services = {"a": {"x": 1, "y": "ä"}, "b": {}}
    turned = {"b": {}, "a": {"y": "ä", "x": 1}}
    one, other = (Record("web", "abc", "28", {}, each) for each in (services, turned))
    assert pack(one) == pack(other)
    assert pack(one)[4:8] == bytes(4), "gzip's time"
    assert "ä".encode() in gzip.decompress(pack(one))
    assert b", " not in gzip.decompress(pack(one))


def test_what_everybody_may_see_of_a_record() -> None:
    kept = replace(RECORD, version=4, problem="it is no table")
    assert kept.to_json() == {
        "stack": "web",
        "version": 4,
        "inputs": "abc",
        "engine": "28.5.2",
        "services": ["web_app"],
        "problem": "it is no table",
    }
    assert (RECORD.id, RECORD.version, RECORD.problem) == ("", 0, "")
    two = replace(RECORD, services={"web_b": {}, "web_a": {}})
    assert two.to_json()["services"] == ["web_a", "web_b"]


def test_a_record_shows_nothing_of_what_services_hold() -> None:
    secret = Record("web", "abc", "28", {"x": "hunter2"}, {"web_app": {"Env": ["A=hunter2"]}})
    assert "hunter2" not in repr(secret)
    assert "hunter2" not in json.dumps(secret.to_json())


def packed(content: object) -> bytes:
    return gzip.compress(json.dumps(content).encode(), mtime=0)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not packed",
        pack(RECORD)[:-9],
        packed([]),
        packed({"format": 2, "compose": {}, "services": {}}),
        packed({"format": 1, "compose": {}, "services": []}),
        packed({"format": 1, "compose": [], "services": {}}),
        packed({"compose": {}, "services": {}}),
        pack(RECORD)[:-1],
        zlib.compress(gzip.decompress(pack(RECORD))),
        gzip.compress(b"\xff\xfe", mtime=0),
        gzip.compress(b"[" * 100_000, mtime=0),
        gzip.compress(b" " * (LARGEST + 1), mtime=0),
    ],
)
def test_whatever_else_stands_there_is_no_record(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        unpack(data)


def test_a_record_may_be_as_large_as_it_can_be() -> None:
    text = json.dumps({"format": 1, "compose": {}, "services": {}})
    whole = text + " " * (LARGEST - len(text))
    assert unpack(gzip.compress(whole.encode(), 1, mtime=0))["format"] == 1
    with pytest.raises(ValueError, match="larger than a record"):
        unpack(gzip.compress(f"{whole} ".encode(), 1, mtime=0))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_record_or_none(data: bytes) -> None:
    for one in (data, gzip.compress(data), zlib.compress(data)):
        with pytest.raises(ValueError, match=r"."):
            unpack(one)


def test_the_last_record_of_a_stack_counts() -> None:
    kept = [Record("web", str(n), "28", version=n) for n in (3, 11, 2)] + [Record("db", "x", "28")]
    found = newest(kept)
    assert (found["web"].version, found["db"].inputs) == (11, "x")
    one, other = (Record("web", text, "28", version=3) for text in ("first", "second"))
    assert newest([one, other])["web"] == one


@pytest.mark.parametrize(("stack", "version"), [("web", 1), ("a_v2", 10), ("x" * 36, 999_999)])
def test_a_name_says_stack_and_version(stack: str, version: int) -> None:
    assert stack_and_version(named(stack, version)) == (stack, version)
    assert len(named(stack, version)) <= 64
    assert stack_and_version(stack) is None


def service(id: str, name: str) -> Service:
    file = {"Name": "pw", "UID": "7", "GID": "7", "Mode": 256}
    container = {"Secrets": [{"SecretID": id, "SecretName": name, "File": file}], "Image": "x"}
    spec = {"Name": "web_app", "TaskTemplate": {"ContainerSpec": container}}
    return Service("s" * 25, "web_app", 1, spec)


def test_our_objects_have_the_declared_name_in_every_version() -> None:
    ours = {"1" * 25: "db_password", "2" * 25: "db_password"}
    first = with_declared_names(service("1" * 25, "db_password_v1"), ours)
    second = with_declared_names(service("2" * 25, "db_password_v2"), ours)
    assert first == second
    foreign = with_declared_names(service("3" * 25, "db_password_v1"), ours)
    assert foreign != first
    file = {"Name": "pw", "UID": "7", "GID": "7", "Mode": 256}
    for named_so, of in (("db_password", first), ("db_password_v1", foreign)):
        assert of == {
            "Name": "web_app",
            "TaskTemplate": {
                "ContainerSpec": {"Image": "x", "Secrets": [{"SecretName": named_so, "File": file}]}
            },
        }


def test_configs_get_theirs_too_and_a_bare_service_has_none() -> None:
    entry = {"ConfigID": "1" * 25, "ConfigName": "site_v2", "File": {"Name": "site"}}
    container = {"Configs": [entry], "Secrets": []}
    made = Service("s" * 25, "web_app", 1, {"TaskTemplate": {"ContainerSpec": container}})
    assert with_declared_names(made, {"1" * 25: "site"})["TaskTemplate"]["ContainerSpec"] == {
        "Configs": [{"ConfigName": "site", "File": {"Name": "site"}}],
        "Secrets": [],
    }
    bare = Service("s" * 25, "web_app", 1, {"Name": "web_app"})
    assert with_declared_names(bare, {}) == {
        "Name": "web_app",
        "TaskTemplate": {"ContainerSpec": {}},
    }
