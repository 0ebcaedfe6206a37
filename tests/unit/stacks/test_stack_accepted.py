"""S0: what docker's own schema takes in a stack file, and what it does not, key by key.

``schema/config_schema_v3.13.json`` is docker/cli's, of v29.7.2 (``cli/compose/schema/data``, under
the Apache License 2.0). Where docker departs from it, engines have shown it
(``tests/engines/test_engines_stack_files.py``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pyinfra_swarm.stacks.accepted import refused
from pyinfra_swarm.stacks.document import parse
from pyinfra_swarm.stacks.variables import Variables, put_in

SCHEMA: dict[str, Any] = json.loads(
    (Path(__file__).parent / "schema/config_schema_v3.13.json").read_text()
)
KINDS = {
    **{"object": "mapping", "array": "list", "string": "text", "number": "number"},
    **{"integer": "whole", "boolean": "truth", "null": "nothing"},
}
NAME = "^[a-zA-Z0-9._-]+$"

Way = tuple[str, ...]
"""The way to a part of a file. A name, or any other word, is ``a``; an entry of a list ``[]``."""


@dataclass
class Part:
    """What the schema says of a part."""

    kinds: set[str] = field(default_factory=set)
    unique: bool = False
    closed: bool = False
    extensions: bool = False
    required: tuple[str, ...] = ()
    form: str = ""


def parts(schema: Mapping[str, Any], way: Way = ()) -> Iterator[tuple[Way, Part]]:
    """All parts that the schema has words for."""
    part, inner = Part(), []
    for one in map(_meant, _meant(schema).get("oneOf", (schema,))):
        said = one["type"]
        kinds = {KINDS[each] for each in ([said] if isinstance(said, str) else said)}
        part.kinds |= kinds | ({"whole"} if "number" in kinds else set())
        part.unique |= one.get("uniqueItems", False)
        part.form = part.form or str(one.get("format") or one.get("enum") or one.get("minimum", ""))
        if "mapping" in kinds:
            patterns = one.get("patternProperties", {})
            others = [value for pattern, value in patterns.items() if pattern != "^x-"]
            part.closed = one.get("additionalProperties") is False and not others
            part.extensions = "^x-" in patterns
            part.required = tuple(one.get("required", ()))
            known = one.get("properties", {}).items()
            inner += [(key, value) for key, value in known if not key.startswith("x-")]
            inner += [("a", value) for value in others]
        if "list" in kinds:
            inner.append(("[]", one["items"]))
    yield way, part
    for key, value in inner:
        yield from parts(value, (*way, key))


def _meant(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in schema:
        way = schema["$ref"].removeprefix("#/").split("/")
        schema = SCHEMA
        for key in way:
            schema = schema[key]
    return schema


PARTS = dict(parts(SCHEMA))

SAMPLES: dict[str, Any] = {
    **{"text": "a", "whole": 1, "number": 1.5, "truth": True, "nothing": None},
    **{"list": [], "mapping": {}},
}


def said(way: Way, value: Any) -> list[tuple[str, str]]:
    """What is refused, by place and reason, where a file holds nothing but this part."""
    for key in reversed(way):
        value = [value] if key == "[]" else {key: value}
    root = parse("a.yml", json.dumps(value).encode()).root
    return [
        (".".join("[]" if isinstance(key, int) else key for key in one.path), one.reason)
        for one in refused(root)
    ]


def told(way: Way, value: Any, words: str) -> bool:
    return any(place == ".".join(way) and words in reason for place, reason in said(way, value))


def accepted(words: str, samples: Iterable[tuple[str, Any]]) -> dict[Way, set[str]]:
    """For each part, the samples of which these words are not said."""
    given = [*samples]
    return {
        way: {name for name, sample in given if not told(way, sample, words)}
        for way in PARTS
        if way
    }


def test_the_schema_is_read_whole() -> None:
    assert len(PARTS) > 200
    assert PARTS["services", "a", "ports", "[]", "target"].kinds == {"whole"}


def test_each_part_is_of_a_kind_that_docker_takes() -> None:
    found = accepted("where docker stack wants", SAMPLES.items())
    wanted = {way: part.kinds for way, part in PARTS.items() if way}
    # Its schema says so, and what reads it after that takes no number.
    wanted["services", "a", "shm_size"] = {"text"}
    assert found == wanted


def test_a_key_is_known_where_docker_knows_it() -> None:
    maps = {way: part for way, part in PARTS.items() if "mapping" in part.kinds}
    for way, part in maps.items():
        other, extension = ((*way, key) for key in ("zzzzzz", "x-zzzzzz"))
        assert told(other, "a", "knows no such key") is part.closed, way
        unknown = part.closed and not part.extensions
        assert told(extension, {"b": [1]}, "knows no such key") is unknown, way
    for way in PARTS:
        assert not way or not told(way, None, "knows no such key"), way


def test_what_must_be_there_is_missed_where_docker_misses_it() -> None:
    for way, part in PARTS.items():
        if "mapping" in part.kinds:
            missed = {reason for place, reason in said(way, {}) if place == ".".join(way)}
            assert missed == {f"has no {key}" for key in part.required}, way


def test_two_equal_entries_are_one_too_many_where_docker_says_so() -> None:
    for way, part in PARTS.items():
        if "list" in part.kinds:
            found = {reason for _, reason in said(way, ["80", "80"])}
            assert ("is there twice" in found) is part.unique, way
            assert "is there twice" not in {reason for _, reason in said(way, ["80", "81"])}, way


@pytest.mark.parametrize(
    ("form", "value", "words"),
    [
        ("duration", "ten", "is no length of time"),
        ("ports", "http", "is no port"),
        ("['start-first', 'stop-first']", "fast", "is no order that docker knows"),
        ("0", -1, "is less than 0"),
    ],
)
def test_what_a_text_or_a_number_says_is_asked_where_docker_asks(
    form: str, value: object, words: str
) -> None:
    asked = {way for way, part in PARTS.items() if part.form == form}
    assert asked
    assert {way for way in PARTS if way and told(way, value, words)} == asked


@pytest.mark.parametrize("text", ["start-first", "stop-first"])
def test_both_orders_are_taken(text: str) -> None:
    assert said(("services", "a", "deploy", "update_config", "order"), text) == []


@pytest.mark.parametrize("text", ["30s", "1m30s", "0"])
def test_lengths_of_time_are_taken(text: str) -> None:
    assert said(("services", "a", "stop_grace_period"), text) == []


def test_no_bytes_at_all_are_a_size() -> None:
    size = ("services", "a", "volumes", "[]", "tmpfs", "size")
    assert not told(size, 0, "is less")


@pytest.mark.parametrize("section", ["services", "networks", "volumes", "secrets", "configs"])
def test_a_name_is_made_of_what_docker_allows(section: str) -> None:
    words = "docker allows letters, digits, dots, dashes and underscores"
    assert told((section, "a b"), {}, words)
    assert not told((section, "A-b_c.9"), {}, words)
    assert told(("services", "a", "networks", "a b"), {}, words)


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ("name: web", "docker stack deploy -c FILE NAME"),
        ("include: [a.yml]", "give both files"),
        ("services: { web: { profiles: [a] } }", "a stack of its own"),
        ("services: { web: { pull_policy: always } }", "asks the registry each time"),
        ("services: { web: { platform: linux/arm64 } }", "node.platform.arch"),
        ("services: { web: { scale: 2 } }", "deploy.replicas"),
        ("services: { web: { runtime: runc } }", "daemon.json"),
        ("services: { web: { mem_reservation: 1M } }", "deploy.resources.reservations.memory"),
        ("services: { web: { cpus: 1 } }", "deploy.resources.limits.cpus"),
        ("services: { web: { pids_limit: 1 } }", "deploy.resources.limits.pids"),
        ("networks: { a: { enable_ipv6: true } }", "create such a network by hand"),
        ("secrets: { a: { environment: A } }", "[[secrets]] of cluster.toml"),
        ("configs: { a: { content: x } }", "[[configs]] of cluster.toml"),
        ("services: { web: { extends: a } }", "give both files"),
        ("services: { web: { volume_driver: a } }", "with its driver"),
        ("services: { web: { volumes_from: [a] } }", "mount it in both services"),
        ("services: { web: { cpu_quota: 1 } }", "deploy.resources.limits.cpus"),
        ("services: { web: { cpu_shares: 1 } }", "deploy.resources.limits.cpus"),
        ("services: { web: { cpuset: 1 } }", "deploy.resources.limits.cpus"),
        ("services: { web: { mem_limit: 1M } }", "deploy.resources.limits.memory"),
        ("services: { web: { memswap_limit: 1M } }", "deploy.resources.limits.memory"),
    ],
)
def test_what_to_write_instead_of_a_key_of_docker_composes(line: str, remedy: str) -> None:
    [one] = refused(parse("a.yml", line.encode()).root)
    assert remedy in one.remedy


def test_a_key_that_docker_refuses_by_name_is_refused_in_a_service_only() -> None:
    [one] = refused(parse("a.yml", b"services: {}\nmem_limit: 1M\n").root)
    assert "knows no such key" in one.reason
    assert said(("services", "a", "labels", "extends"), "x") == []
    [(place, reason)] = said(("networks", "a", "extends"), "x")
    assert place == "networks.a.extends"
    assert "knows no such key" in reason


def test_a_service_that_is_none_hides_no_other_s_refused_key() -> None:
    root = parse("a.yml", b"services: {a: x, b: {extends: c}}\n").root
    assert next(one.path for one in refused(root)) == ("services", "b", "extends")


def test_names_with_conditions_are_told_what_swarm_does_instead() -> None:
    text = b"services: {a: {depends_on: {db: {condition: service_healthy}}}}\n"
    [one] = refused(parse("a.yml", text).root)
    assert "Swarm starts all services at once" in one.remedy


def test_a_refused_key_stands_where_it_is_written() -> None:
    [one] = refused(parse("a.yml", b"services:\n  web:\n    image: a:1\n    cpuset: '0'\n").root)
    assert (one.place.line, one.path) == (4, ("services", "web", "cpuset"))


@pytest.mark.parametrize("version", ["3", "3.0", "3.9", "3.10", "3.13"])
def test_versions_that_docker_stack_takes(version: str) -> None:
    assert said(("version",), version) == []


def test_a_version_that_is_empty_or_unknown_is_none() -> None:
    assert said(("version",), "") == []
    root, _ = put_in(parse("a.yml", b"version: '${V}'\n").root, Variables())
    assert [*refused(root)] == []


def test_a_version_is_told_where_it_stands() -> None:
    [one] = refused(parse("a.yml", b"services: {}\nversion: '2.4'\n").root)
    assert (one.place.line, one.place.column) == (2, 1)


@pytest.mark.parametrize("version", ["2", "3.14", "3.20", "3.", "33", "3,1", "3.1.1", "4", "x3"])
def test_versions_that_docker_stack_does_not_take(version: str) -> None:
    [(place, reason)] = said(("version",), version)
    assert place == "version"
    assert f"the version “{version}” is none" in reason
