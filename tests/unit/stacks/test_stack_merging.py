"""Files are joined as docker joins them, with its surprises.

The same is held against ``docker stack config`` by ``tests/engines/test_engines_stack_files.py``.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from pyinfra_swarm.stacks.compose import Merged, at
from pyinfra_swarm.stacks.document import Items, Node, Scalar, Table
from tests.unit.stacks.stack_examples import stack


def plain(node: Node) -> Any:
    match node:
        case Table():
            return {key: plain(value) for key, value in node.entries.items()}
        case Items():
            return [plain(item) for item in node.items]
        case Scalar():
            return node.value


def merged(*files: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = plain(stacked(*files).root)
    return found


def stacked(*files: dict[str, Any]) -> Merged:
    return stack(*(json.dumps(file) for file in files))


def service(*parts: dict[str, Any]) -> dict[str, Any]:
    """The service that these parts become, one in each file."""
    found: dict[str, Any] = merged(*({"services": {"web": part}} for part in parts))["services"]
    part: dict[str, Any] = found["web"]
    return part


FILE: dict[str, Any] = {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}}


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ({}, FILE),
        (
            {"options": {"max-file": "5", "tag": "x"}},
            {"driver": "json-file", "options": {"max-size": "10m", "max-file": "5", "tag": "x"}},
        ),
        (
            {"driver": "json-file", "options": {"tag": "x"}},
            {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3", "tag": "x"}},
        ),
        ({"driver": "journald"}, {"driver": "journald"}),
        (
            {"driver": "journald", "options": {"tag": "x"}},
            {"driver": "journald", "options": {"tag": "x"}},
        ),
    ],
)
def test_logging_is_joined_unless_the_driver_is_another(override: Any, expected: Any) -> None:
    assert service({"logging": FILE}, {"logging": override})["logging"] == expected


def test_logging_without_a_driver_gets_one() -> None:
    options = {"options": {"tag": "x"}}
    assert service({"logging": options}, {"logging": FILE})["logging"] == {
        "driver": "json-file",
        "options": {"tag": "x", "max-size": "10m", "max-file": "3"},
    }
    assert service({"logging": options}, {"logging": {"options": {"tag": "y"}}})["logging"] == {
        "options": {"tag": "y"}
    }


def test_a_driver_that_is_nothing_is_none() -> None:
    options = {"options": {"tag": "x"}}
    for nothing in (None, ""):
        found = service({"logging": {"driver": nothing, **options}}, {"logging": FILE})["logging"]
        assert found == {"driver": "json-file", "options": {"tag": "x", **FILE["options"]}}


def test_logging_of_one_file_alone() -> None:
    assert service({}, {"logging": FILE})["logging"] == FILE
    assert service({"logging": FILE}, {})["logging"] == FILE


def ports(*parts: dict[str, Any]) -> list[tuple[int, int, str]]:
    return [(one["published"], one["target"], one["protocol"]) for one in service(*parts)["ports"]]


def test_ports_are_told_apart_by_what_is_published() -> None:
    first = {"ports": ["8080:80"]}
    assert ports(first, {}) == [(8080, 80, "tcp")]
    assert ports(first, {"ports": ["8081:80"]}) == [(8080, 80, "tcp"), (8081, 80, "tcp")]
    assert ports(first, {"ports": ["8080:81"]}) == [(8080, 81, "tcp")]
    assert ports({"ports": ["9000:1", "80:1"]}, {"ports": ["443:1"]}) == [
        (80, 1, "tcp"),
        (443, 1, "tcp"),
        (9000, 1, "tcp"),
    ]


def test_a_second_file_for_a_service_loses_one_of_two_protocols() -> None:
    both = {"ports": ["53:53", "53:53/udp"]}
    assert ports(both) == [(53, 53, "tcp"), (53, 53, "udp")]
    assert ports(both, {}) == [(53, 53, "udp")]
    assert ports({}, both) == [(53, 53, "tcp"), (53, 53, "udp")]


@pytest.mark.parametrize("kind", ["secrets", "configs"])
def test_secrets_and_configs_are_told_apart_by_their_source(kind: str) -> None:
    first = {kind: ["z", {"source": "a", "target": "one"}]}
    assert service(first, {})[kind] == [{"source": "a", "target": "one"}, {"source": "z"}]
    assert service({kind: ["z"]}, {kind: ["a"]})[kind] == [{"source": "a"}, {"source": "z"}]
    assert service(first, {kind: [{"source": "a", "target": "two"}, "m"]})[kind] == [
        {"source": "a", "target": "two"},
        {"source": "m"},
        {"source": "z"},
    ]


def test_volumes_are_told_apart_by_their_target() -> None:
    first = {"volumes": [{"type": "volume", "source": "one", "target": "/data"}]}
    second = {"volumes": [{"type": "bind", "source": "/srv", "target": "/data"}]}
    assert service(first, second)["volumes"] == second["volumes"]
    more = {"volumes": [{"type": "tmpfs", "target": "/a"}, {"type": "tmpfs"}]}
    assert service(first, more)["volumes"] == [*more["volumes"][::-1], *first["volumes"]]


def test_commands_are_replaced() -> None:
    assert service({"command": ["run", "-v"]}, {"command": ["run"]})["command"] == ["run"]
    assert service({"command": ["run"]}, {"command": []})["command"] == ["run"]
    assert service({"entrypoint": ["a"]}, {"entrypoint": ["b"]})["entrypoint"] == ["b"]


def test_limits_of_processes_are_replaced_one_by_one() -> None:
    assert service(
        {"ulimits": {"nproc": 100, "nofile": {"soft": 1, "hard": 2}, "core": 5}},
        {"ulimits": {"nproc": {"soft": 3, "hard": 4}, "nofile": 9}},
    )["ulimits"] == {"nproc": {"soft": 3, "hard": 4}, "nofile": 9, "core": 5}


def test_a_place_in_a_network_has_its_aliases_replaced() -> None:
    assert service(
        {"networks": {"a": {"aliases": ["1", "2"], "ipv4_address": "10.0.0.1"}, "b": None}},
        {"networks": {"a": {"aliases": ["3"]}, "c": {"aliases": ["4"]}}},
    )["networks"] == {
        "a": {"aliases": ["3"], "ipv4_address": "10.0.0.1"},
        "b": None,
        "c": {"aliases": ["4"]},
    }


def test_no_replicas_are_a_number_too() -> None:
    assert service({"deploy": {"replicas": 3}}, {"deploy": {"replicas": 0}})["deploy"] == {
        "replicas": 0
    }
    assert service({"deploy": {"replicas": 3}}, {"deploy": {}})["deploy"] == {"replicas": 3}


@pytest.mark.parametrize(
    ("key", "base", "nothing"),
    [
        *(("image", "a:1", ""), ("read_only", True, False), ("stop_grace_period", "10s", "0s")),
        *(("hostname", "a", ""), ("init", True, False), ("oom_score_adj", 5, 0)),
    ],
)
def test_nothing_does_not_override(key: str, base: object, nothing: object) -> None:
    assert service({key: base}, {key: nothing})[key] == base


@pytest.mark.parametrize(
    ("key", "base"),
    [("image", "a:1"), ("stop_grace_period", "10s"), ("hostname", "a"), ("read_only", True)],
)
def test_what_nobody_knows_here_may_be_something(key: str, base: object) -> None:
    assert service({key: base}, {key: "${V}"})[key] == "${V}"


def test_what_is_unknown_overrides_numbers_lengths_and_memory_too() -> None:
    def deploy(value: object, seconds: str, memory: str) -> dict[str, Any]:
        return {
            "deploy": {
                "replicas": value,
                "restart_policy": {"delay": seconds, "max_attempts": value, "condition": "any"},
                "resources": {"reservations": {"memory": memory}},
            }
        }

    unknown = deploy("${N}", "${S}", "${M}")
    assert service(deploy(3, "5s", "1G"), unknown) == unknown
    assert service(deploy(3, "5s", "1G"), deploy(0, "0s", "0M")) == deploy(0, "5s", "1G")
    assert service(deploy(3, "5s", "1G"), {"deploy": {"restart_policy": None}}) == deploy(
        3, "5s", "1G"
    )


def test_of_entries_that_nobody_can_tell_apart_each_stays() -> None:
    first, second = {"ports": ["${A}:80", "8080:80"]}, {"ports": ["${A}:81", "80:80"]}
    found = [one.get("published") for one in service(first, second)["ports"]]
    assert found[:2] == [80, 8080]
    assert len(found) == 4


def test_entries_whose_place_is_a_variable_are_not_the_same_one() -> None:
    first, second = ([{"target": n, "published": "${A}"}] for n in (80, 81))
    assert service({"ports": first}, {"ports": second})["ports"] == first + second


def test_a_port_that_names_none_to_publish_is_one_that_swarm_chooses() -> None:
    named = {"target": 1, "published": 1}
    assert service({"ports": [named, {"target": 80}]}, {"ports": ["81"]})["ports"] == [
        {"target": 81, "published": 0, "protocol": "tcp", "mode": "ingress"},
        named,
    ]


def test_ports_that_swarm_chooses_are_one() -> None:
    assert ports({"ports": ["80", "9000:1"]}, {"ports": ["81"]}) == [
        (0, 81, "tcp"),
        (9000, 1, "tcp"),
    ]


def test_another_driver_is_the_same_as_none_where_one_file_names_none() -> None:
    other = {"logging": {"driver": "journald"}}
    assert service({"logging": {"driver": ""}}, other)["logging"] == {"driver": "journald"}
    assert service(other, {"logging": {"driver": ""}})["logging"] == {"driver": "journald"}
    assert service(other, {"logging": {"options": {"tag": "x"}}})["logging"] == {
        "driver": "journald"
    }


def test_an_empty_place_in_a_network_leaves_what_was_there_and_takes_what_comes() -> None:
    full = {"aliases": ["a"], "ipv6_address": "fd00::1"}
    assert service({"networks": {"n": full}}, {"networks": {"n": None}})["networks"] == {"n": full}
    assert service({"networks": {"n": None}}, {"networks": {"n": full}})["networks"] == {"n": full}
    empty = {"aliases": [], "ipv6_address": ""}
    assert service({"networks": {"n": full}}, {"networks": {"n": empty}})["networks"] == {
        "n": {"ipv6_address": "fd00::1"}
    }
    more = {"driver_opts": {"a": "b"}}
    assert service({"networks": {"n": more}}, {"networks": {"n": full}})["networks"] == {
        "n": {**more, **full}
    }
    other = {"ipv4_address": "10.0.0.2"}
    first = {"ipv4_address": "10.0.0.1"}
    assert service({"networks": {"n": first}}, {"networks": {"n": other}})["networks"] == {
        "n": other
    }


def test_networks_of_a_service_that_one_file_leaves_open_are_the_other_s() -> None:
    named = {"networks": {"n": {"aliases": ["a"]}}}
    nothings: list[Any] = [None, {}, []]
    for nothing in nothings:
        assert service(named, {"networks": nothing}) == named
        assert service({"networks": nothing}, named) == named


def test_a_user_named_0_does_override() -> None:
    assert service({"user": "1000"}, {"user": "0"})["user"] == "0"


def test_lists_are_joined_a_health_check_too() -> None:
    assert service({"cap_add": ["A"]}, {"cap_add": ["B"]})["cap_add"] == ["A", "B"]
    assert service({"dns": "1.1.1.1"}, {"dns": ["8.8.8.8"]})["dns"] == ["1.1.1.1", "8.8.8.8"]
    test = service({"healthcheck": {"test": "one"}}, {"healthcheck": {"test": ["CMD", "two"]}})
    assert test["healthcheck"]["test"] == ["CMD-SHELL", "one", "CMD", "two"]


def test_labels_are_overridden_by_nothing_and_the_environment_is_not() -> None:
    assert service({"labels": {"a": "1", "b": "2"}}, {"labels": ["a="]})["labels"] == {
        "a": "",
        "b": "2",
    }
    assert service({"environment": {"A": "1", "B": "2"}}, {"environment": ["A=", "B=3", "C="]})[
        "environment"
    ] == {"A": "1", "B": "3", "C": ""}


def test_what_is_set_to_nothing_in_the_environment_gives_way_to_nothing_alone() -> None:
    def environment(before: object, after: object) -> object:
        parts = ({"environment": {"A": value}} for value in (before, after))
        return service(*parts)["environment"]["A"]

    assert environment("", None) is None
    assert environment(None, "") == ""
    assert environment("1", None) == "1"
    assert environment(None, "1") == "1"


def test_a_kernel_parameter_is_overridden_by_nothing_and_a_limit_of_processes_by_0() -> None:
    assert service({"sysctls": {"a": "1"}}, {"sysctls": {"a": ""}})["sysctls"] == {"a": ""}
    assert service({"ulimits": {"nproc": 5}}, {"ulimits": {"nproc": 0}})["ulimits"] == {"nproc": 0}


HEALTH = dict.fromkeys(("interval", "timeout", "start_period", "start_interval"), "10s")
POLICY = dict.fromkeys(("delay", "window"), "10s")
TURNS = dict.fromkeys(("delay", "monitor"), "10s")
LASTING = {
    "stop_grace_period": "10s",
    "healthcheck": {"retries": 3, **HEALTH},
    "deploy": {
        "replicas": 3,
        "labels": {"a": "b"},
        "update_config": {"parallelism": 3, **TURNS},
        "rollback_config": {"parallelism": 3, **TURNS},
        "restart_policy": {"max_attempts": 3, **POLICY},
        "resources": {"limits": {"memory": "1G"}, "reservations": {"memory": "1G"}},
    },
}


def replaced(value: Any, words: dict[object, object]) -> Any:
    if isinstance(value, dict):
        return {key: replaced(one, words) for key, one in value.items()}
    return words.get(value, value)


def test_numbers_are_overridden_by_0_and_lengths_of_time_and_of_memory_are_not() -> None:
    noughts = replaced(LASTING, {"10s": "0s", 3: 0, "1G": "0M", "b": ""})
    assert service(LASTING, noughts) == replaced(LASTING, {3: 0, "b": ""})


def test_nothing_overrides_no_number_no_length_of_time_and_no_memory() -> None:
    for nothing in (None, ""):
        said = replaced(LASTING, dict.fromkeys(("10s", "1G"), nothing) | {3: None, "b": "b"})
        assert service(LASTING, said) == LASTING


def test_a_part_that_one_file_leaves_empty_is_the_other_s() -> None:
    for key, part in LASTING.items():
        for nothing in (None, "") if isinstance(part, str) else (None, {}):
            assert service({key: part}, {key: nothing})[key] == part
            assert service({key: nothing}, {key: part})[key] == part


KINDS: tuple[Any, ...] = (None, "x", 5, [["x"], 5], {"x": "y"})
RULED = (
    *("command", "environment", "labels", "sysctls", "networks", "ulimits", "logging", "cap_add"),
    *("healthcheck", "stop_grace_period", "deploy", "ports", "secrets", "volumes", "image"),
    *("deploy.update_config", "deploy.restart_policy.delay", "deploy.resources.limits.memory"),
    *("deploy.replicas", "networks.n", "logging.options", "ports.published", "volumes.target"),
)


@pytest.mark.parametrize("way", RULED)
def test_whatever_stands_where_docker_wants_something_else_the_files_are_joined(way: str) -> None:
    """Docker refuses it, which is told; what else is wrong with the files is told as well."""

    def part(value: Any) -> Any:
        for key in reversed(way.split(".")):
            value = {key: value}
        first = next(iter(value))
        return {first: [value[first]]} if first in ("ports", "volumes") and "." in way else value

    for before in KINDS:
        for after in KINDS:
            assert service(part(before), part(after)) is not None
        assert service(part(before), {}).keys() == service(part(before)).keys()


@pytest.mark.parametrize("nothing", [None, "", [], {}])
def test_what_is_empty_overrides_nothing_whatever_it_is(nothing: Any) -> None:
    assert service({"hostname": "x"}, {"hostname": nothing})["hostname"] == "x"
    assert service({"hostname": nothing}, {"hostname": "x"})["hostname"] == "x"


def test_updates_are_joined_key_by_key() -> None:
    base = {"deploy": {"update_config": {"parallelism": 2, "monitor": "10s", "order": "a"}}}
    over = {"deploy": {"update_config": {"parallelism": 0, "monitor": "0s"}}}
    assert service(base, over)["deploy"]["update_config"] == {
        "parallelism": 0,
        "monitor": "10s",
        "order": "a",
    }


def test_limits_are_joined_key_by_key_and_no_bytes_override_nothing() -> None:
    base = {"deploy": {"resources": {"limits": {"memory": "1G", "cpus": "1"}}}}
    over = {"deploy": {"resources": {"limits": {"memory": "0", "cpus": "0"}}}}
    assert service(base, over)["deploy"]["resources"]["limits"] == {"memory": "1G", "cpus": "0"}


@pytest.mark.parametrize("section", ["networks", "volumes", "secrets", "configs"])
def test_what_a_later_file_only_mentions_has_lost_what_it_was(section: str) -> None:
    base = {section: {"one": {"name": "real", "labels": {"a": "b"}}}}
    found = stacked(base, {section: {"one": {"name": "other"}, "two": {}}})
    assert plain(found.section(section)) == {"one": {"name": "other"}, "two": {}}
    assert {key: place.file for key, place in found.replaced.items()} == {(section, "one"): "a.yml"}


def test_services_of_both_files_are_there_with_their_places() -> None:
    found = stack(
        "services:\n  a: {image: 'a:1'}\n", "services:\n  b: {image: 'b:1'}\n  a:\n    user: me\n"
    )
    services = found.section("services")
    assert {name: (place.file, place.line) for name, place in services.keys.items()} == {
        "a": ("a.yml", 2),
        "b": ("b.yml", 2),
    }
    first = services.entries["a"]
    assert isinstance(first, Table)
    assert (first.keys["image"].file, first.keys["user"].file) == ("a.yml", "b.yml")


def test_where_a_part_stands_is_where_its_last_word_was_said() -> None:
    found = stack(
        "services:\n  a:\n    image: 'a:1'\n    hostname: h\n    labels: {x: '1'}\n",
        "services:\n  a:\n    image: 'a:2'\n    hostname: ''\n    labels: {y: '2'}\n"
        "networks:\n  n: {}\n",
    )
    assert (found.root.place.file, found.section("networks").place.file) == ("a.yml", "b.yml")
    assert found.section("services").place.file == "a.yml"
    service = found.section("services").entries["a"]
    assert isinstance(service, Table)
    assert service.place.file == "a.yml"
    assert {key: place.file for key, place in service.keys.items()} == {
        **{"image": "b.yml", "hostname": "a.yml", "labels": "a.yml"}
    }
    labels = service.entries["labels"]
    assert isinstance(labels, Table)
    assert {key: place.file for key, place in labels.keys.items()} == {"x": "a.yml", "y": "b.yml"}


def test_keys_of_networks_and_of_logging_stand_where_their_last_word_was_said() -> None:
    found = stack(
        "services:\n  a:\n    networks: {n: {aliases: [x], ipv4_address: 10.0.0.1}}\n"
        "    logging: {driver: x, options: {a: '1'}}\n",
        "services:\n  a:\n    networks: {n: {aliases: [y], ipv6_address: 'fd00::1'}}\n"
        "    logging: {driver: x}\n",
    )

    def files(*way: str) -> dict[str, str]:
        node = at(found.root, "services", "a", *way)
        assert isinstance(node, Table)
        return {key: place.file for key, place in node.keys.items()}

    assert files("networks", "n") == {
        **{"aliases": "b.yml", "ipv4_address": "a.yml", "ipv6_address": "b.yml"}
    }
    assert files("logging") == {"driver": "b.yml", "options": "a.yml"}


def test_versions_must_be_the_same() -> None:
    found = stacked({"version": "3.1", "services": {}}, {"version": "3.4", "services": {}})
    assert [(one.path, one.place.file) for one in found.problems] == [("version", "b.yml")]
    assert not stacked({"version": "3", "services": {}}, {"version": "3.13"}).problems
    assert not stacked({"version": "3", "services": {}}, {"services": {}}).problems
