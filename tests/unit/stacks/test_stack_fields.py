"""Two specifications of a service compared: what differs is told field by field, in plain words."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyinfra_swarm.stacks.fields import (
    Difference,
    compose_differences,
    differences,
    fields,
    worded,
)


def spec(**container: Any) -> dict[str, Any]:
    """A service as engine 28.5.2 gives it after ``docker stack deploy``."""
    return {
        "Name": "web_app",
        "Labels": {"com.docker.stack.image": "nginx:1.27", "com.docker.stack.namespace": "web"},
        "TaskTemplate": {
            "ContainerSpec": {
                "Image": "nginx:1.27@sha256:" + "a" * 64,
                "Labels": {"com.docker.stack.namespace": "web"},
                "Env": ["A=1", "DB_PASSWORD=hunter2"],
                "Privileges": {"CredentialSpec": None, "SELinuxContext": None},
                "Mounts": [{"Type": "volume", "Source": "web_data", "Target": "/data"}],
                "StopGracePeriod": 10000000000,
                "Secrets": [
                    {
                        "File": {"Name": "pw", "UID": "0", "GID": "0", "Mode": 292},
                        "SecretName": "db_password",
                    }
                ],
                "Isolation": "default",
                **container,
            },
            "Resources": {},
            "RestartPolicy": {"Condition": "any", "Delay": 5000000000, "MaxAttempts": 0},
            "Placement": {"Constraints": ["node.role == worker"]},
            "Networks": [{"Target": "n1", "Aliases": ["app"]}],
            "ForceUpdate": 0,
            "Runtime": "container",
        },
        "Mode": {"Replicated": {"Replicas": 2}},
        "UpdateConfig": {"Parallelism": 1, "Monitor": 5000000000, "FailureAction": "pause"},
        "EndpointSpec": {
            "Mode": "vip",
            "Ports": [
                {
                    "Protocol": "tcp",
                    "TargetPort": 80,
                    "PublishedPort": 8080,
                    "PublishMode": "ingress",
                }
            ],
        },
    }


def changed(path: str, value: Any) -> dict[str, Any]:
    made = copy.deepcopy(spec())
    *way, last = path.split(".")
    here: Any = made
    for key in way:
        here = here[key]
    here[last] = value
    return made


CONTAINER = "TaskTemplate.ContainerSpec"


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("Mode.Replicated.Replicas", 5, Difference("replicas", "2", "5")),
        ("Mode.Replicated.Replicas", 0, Difference("replicas", "2", "0")),
        (
            f"{CONTAINER}.Image",
            "nginx:1.28",
            Difference("image", "nginx:1.27@sha256:" + "a" * 12, "nginx:1.28"),
        ),
        (f"{CONTAINER}.Args", ["--debug"], Difference("command", "not set", "another value")),
        (f"{CONTAINER}.User", "1000", Difference("User", "none", "1000")),
        (f"{CONTAINER}.StopGracePeriod", 90 * 10**9, Difference("StopGracePeriod", "10s", "90s")),
        (
            "TaskTemplate.Placement.Constraints",
            [],
            Difference("Placement.Constraints", '["node.role == worker"]', "none"),
        ),
        (
            "TaskTemplate.Resources",
            {"Limits": {"MemoryBytes": 67108864, "NanoCPUs": 500000000}},
            Difference("Resources.Limits.MemoryBytes", "none", "64M"),
        ),
        (
            "UpdateConfig.FailureAction",
            "rollback",
            Difference("UpdateConfig.FailureAction", "pause", "rollback"),
        ),
    ],
)
def test_a_changed_field_is_told_as_a_person_writes_it(
    path: str, value: Any, expected: Difference
) -> None:
    assert expected in differences(spec(), changed(path, value))


def test_a_specification_is_told_in_words_field_by_field() -> None:
    made = spec(
        Env=["A=1", "B", "C="],
        Args=["run"],
        Command=["sh"],
        Configs=[
            {"ConfigName": "site"},
            {"ConfigName": "other", "File": {"Name": "/site"}},
            {"ConfigName": "third", "File": {"Name": "/site"}},
        ],
        Secrets=[{"SecretName": "pw"}],
    )
    made["EndpointSpec"]["Ports"].append({"TargetPort": 53})
    made["TaskTemplate"]["ContainerSpec"]["Mounts"].append({"Type": "tmpfs"})
    assert dict(fields(made)) == {
        "label com.docker.stack.namespace": "web",
        "container label com.docker.stack.namespace": "web",
        "environment A": "1",
        "environment B": "",
        "environment C": "",
        "image": "nginx:1.27@sha256:" + "a" * 64,
        "command": ["run"],
        "entrypoint": ["sh"],
        "mount /data.Type": "volume",
        "mount /data.Source": "web_data",
        "mount /data.Target": "/data",
        "mount .Type": "tmpfs",
        "StopGracePeriod": 10000000000,
        "secret pw.SecretName": "pw",
        "config site.ConfigName": "site",
        "config /site.ConfigName": "other",
        "config /site.File.Name": "/site",
        "config /site'.ConfigName": "third",
        "config /site'.File.Name": "/site",
        "Isolation": "default",
        "RestartPolicy.Condition": "any",
        "RestartPolicy.Delay": 5000000000,
        "RestartPolicy.MaxAttempts": 0,
        "Placement.Constraints": ["node.role == worker"],
        "network n1.Target": "n1",
        "network n1.Aliases": ["app"],
        "Runtime": "container",
        "replicas": 2,
        "UpdateConfig.Parallelism": 1,
        "UpdateConfig.Monitor": 5000000000,
        "UpdateConfig.FailureAction": "pause",
        "EndpointSpec.Mode": "vip",
        "port 8080:80/tcp.Protocol": "tcp",
        "port 8080:80/tcp.TargetPort": 80,
        "port 8080:80/tcp.PublishedPort": 8080,
        "port 8080:80/tcp.PublishMode": "ingress",
        "port any:53/tcp.TargetPort": 53,
    }


def test_a_specification_that_says_nothing_has_no_fields() -> None:
    nothing: dict[str, Any] = {"Labels": None, "TaskTemplate": None, "EndpointSpec": None}
    assert fields(nothing) == fields({}) == {}
    task = {"ContainerSpec": None, "Networks": None, "Resources": {"Limits": {}, "a": ""}}
    assert fields({"Name": "x", "TaskTemplate": task, "Endpoint": []}) == {}
    container = {"Labels": None, "Env": None, "Mounts": None, "Secrets": None, "Configs": None}
    assert fields({"TaskTemplate": {"ContainerSpec": container}}) == {}


DURATIONS = (
    *("Delay", "Monitor", "Interval", "Timeout", "StartPeriod", "StartInterval", "Window"),
    "StopGracePeriod",
)


@pytest.mark.parametrize("name", DURATIONS)
def test_lengths_of_time_are_told_as_a_compose_file_has_them(name: str) -> None:
    assert worded(f"Somewhere.{name}", 10 * 10**9) == worded(name, 10 * 10**9) == "10s"
    assert worded(f"{name}.Else", 10 * 10**9) == "10000000000"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        *(("Delay", 60 * 10**9, "60s"), ("Delay", 119 * 10**9, "119s")),
        *(
            ("Delay", 120 * 10**9, "2m"),
            ("Delay", 180 * 10**9, "3m"),
            ("Delay", 150 * 10**9, "150s"),
        ),
        *(("Delay", 10**8, "0.1s"), ("Delay", 0, "0s"), ("Delay", True, "true")),
        *(("Limits.NanoCPUs", 5 * 10**8, "0.5"), ("Limits.NanoCPUs", 2 * 10**9, "2")),
        *(("Limits.MemoryBytes", 1000, "1000"), ("Limits.MemoryBytes", 3 * 2**20, "3M")),
        *(("services.web.image", "a@sha256:" + "b" * 64, "a@sha256:" + "b" * 12),),
        *(("image", ["a"], '["a"]'), ("memory", 5, "5"), ("memory", "1.5G", "1.5G")),
        *(("Init", True, "true"), ("Init", None, "none"), ("Hostname", "web", "web")),
        *(("Pids", 7, "7"), ("Driver", {"Name": "x"}, '{"Name": "x"}')),
        *(("Delay", "10s", "10s"), ("Hostname", "67108864", "67108864")),
        *(
            ("command", "postgres://user:hunter2@db/x", "(not shown)"),
            ("x", "a" * 99, "a" * 69 + "…"),
        ),
    ],
)
def test_a_value_in_words(name: str, value: Any, words: str) -> None:
    assert worded(name, value) == words


def test_what_the_swarm_changes_itself_is_no_difference() -> None:
    live = changed("TaskTemplate.ForceUpdate", 3)
    live["Labels"]["com.docker.stack.image"] = "nginx:1.27@sha256:" + "a" * 64
    live["TaskTemplate"]["ContainerSpec"]["Privileges"] = None
    live["TaskTemplate"]["Resources"] = {"Limits": {}, "Reservations": None}
    assert differences(spec(), live) == []


def test_a_variable_is_told_by_its_name_and_never_by_its_value() -> None:
    live = spec(Env=["A=2", "NEW=hunter3"])
    told = differences(spec(), live)
    assert told == [
        Difference("environment A", "as declared", "another value"),
        Difference("environment DB_PASSWORD", "as declared", "not set"),
        Difference("environment NEW", "not set", "another value"),
    ]
    assert "hunter" not in repr(told)


def test_the_order_of_named_things_does_not_matter() -> None:
    live = spec(Env=["DB_PASSWORD=hunter2", "A=1"])
    assert differences(spec(), live) == []


def test_a_port_that_was_added_is_told_as_that_port() -> None:
    live = copy.deepcopy(spec())
    live["EndpointSpec"]["Ports"].append(
        {"Protocol": "udp", "TargetPort": 53, "PublishedPort": 53, "PublishMode": "host"}
    )
    names = {one.field for one in differences(spec(), live)}
    assert names == {
        f"port 53:53/udp.{name}"
        for name in ("Protocol", "TargetPort", "PublishedPort", "PublishMode")
    }


def test_a_secret_in_another_file_mode_and_a_command_with_a_password() -> None:
    live = spec(Args=["postgres://user:hunter2@db/x"])
    live["TaskTemplate"]["ContainerSpec"]["Secrets"][0]["File"]["Mode"] = 256
    told = differences(spec(), live)
    assert [one.field for one in told] == ["command", "secret pw.File.Mode"]
    assert "hunter2" not in repr(told)


def test_an_engine_of_another_version_may_leave_out_and_add_what_is_empty() -> None:
    newer = changed(f"{CONTAINER}.OomScoreAdj", 0)
    assert differences(spec(), newer, other_engine=True) == []
    assert differences(spec(), newer) != []
    by_hand = changed(f"{CONTAINER}.Hostname", "x")
    assert differences(spec(), by_hand, other_engine=True) != []
    assert differences(newer, spec(), other_engine=True) != []


def test_two_things_of_one_name_are_two() -> None:
    live = copy.deepcopy(spec())
    live["EndpointSpec"]["Ports"] *= 2
    assert differences(spec(), live) != []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(JSON, JSON)
def test_no_difference_from_itself_and_whatever_differs_is_told(one: Any, other: Any) -> None:
    """Also of what no engine gives: whatever it says, the comparison ends."""
    first, second = spec(Whatever=one), spec(Whatever=other)
    assert differences(first, copy.deepcopy(first)) == []
    if fields(first) != fields(second):
        assert differences(first, second)
        assert differences(second, first)


@given(st.lists(st.tuples(st.text("ABC", min_size=1), st.text()), max_size=4))
def test_no_value_of_a_variable_is_ever_told(variables: list[tuple[str, str]]) -> None:
    marked = [f"{name}=<{value}>" for name, value in variables]
    told = differences(spec(), spec(Env=marked)) + differences(spec(Env=marked), spec())
    assert not any("<" in one.expected + one.found for one in told)


CANARY = "hunter2-canary"

IN_A_SPEC: dict[str, Any] = {
    f"{CONTAINER}.Args": ["redis-server", "--requirepass", CANARY],
    f"{CONTAINER}.Command": ["sh", "-c", f"redis-server --requirepass {CANARY}"],
    f"{CONTAINER}.Env": ["A=1", f"OTHER={CANARY}"],
    f"{CONTAINER}.Healthcheck": {"Test": ["CMD-SHELL", f"redis-cli -a {CANARY} ping"]},
    f"{CONTAINER}.Labels": {"any": CANARY},
    f"{CONTAINER}.Mounts": [
        {
            "Type": "volume",
            "Target": "/data",
            "VolumeOptions": {
                "Labels": {"any": CANARY},
                "DriverConfig": {"Name": "local", "Options": {"o": f"username=u,pw={CANARY}"}},
            },
        }
    ],
    "Labels": {"proxy.users": f"me:{CANARY}"},
    "TaskTemplate.LogDriver": {"Name": "splunk", "Options": {"any": CANARY}},
    "TaskTemplate.Networks": [{"Target": "n1", "DriverOpts": {"any": CANARY}}],
    "TaskTemplate.PluginSpec": {"Name": "plugin", "Env": [f"ANY={CANARY}"]},
    "Whatever": [{"Options": {"o": CANARY}}],
}
"""Where a password can be in what the engine says of a service."""

IN_A_FILE: dict[str, Any] = {
    "services.app.command": ["redis-server", "--requirepass", CANARY],
    "services.app.entrypoint": ["redis-server", "--requirepass", CANARY],
    "services.app.environment": {"ANY": CANARY},
    "services.more.environment": [f"ANY={CANARY}"],
    "services.app.healthcheck": {"test": ["CMD-SHELL", f"redis-cli -a {CANARY} ping"]},
    "services.app.labels": {"proxy.users": f"me:{CANARY}"},
    "services.more.labels": [f"proxy.users=me:{CANARY}"],
    "services.app.deploy": {"labels": {"any": CANARY}},
    "services.app.build": {"args": {"ANY": CANARY}},
    "services.more.build": {"args": [f"ANY={CANARY}"], "labels": {"any": CANARY}},
    "services.app.logging": {"driver": "splunk", "options": {"any": CANARY}},
    "services.app.networks": {"inner": {"driver_opts": {"any": CANARY}}},
    "services.app.volumes": [{"target": "/data", "volume": {"labels": {"any": CANARY}}}],
    "services.app.x-more": CANARY,
    "networks.inner": {"driver_opts": {"any": CANARY}, "labels": {"any": CANARY}},
    "volumes.data": {"driver_opts": {"o": f"username=u,pw={CANARY}"}, "labels": {"any": CANARY}},
    "configs.site": {"content": CANARY, "labels": [CANARY]},
    "secrets.pw": {"content": CANARY, "x-any": {"deep": CANARY}},
    "x-more": {"any": [CANARY, {"any": CANARY}]},
}
"""The same in a rendered compose file."""


def with_places(made: dict[str, Any], places: dict[str, Any], value: Any = None) -> dict[str, Any]:
    """A copy in which the places have what is planted there. value: it takes the canary's place."""
    made = copy.deepcopy(made)
    for path, planted in places.items():
        *way, last = path.split(".")
        here = made
        for key in way:
            here = here.setdefault(key, {})
        here[last] = copy.deepcopy(planted) if value is None else replaced(planted, value)
    return made


def replaced(planted: Any, value: str) -> Any:
    if isinstance(planted, dict):
        return {key: replaced(inner, value) for key, inner in planted.items()}
    if isinstance(planted, list):
        return [replaced(inner, value) for inner in planted]
    return planted.replace(CANARY, value) if isinstance(planted, str) else planted


@given(st.sets(st.sampled_from(sorted(IN_A_SPEC)), min_size=1), st.sampled_from(["", "other"]))
def test_no_password_in_a_specification_is_ever_told(places: set[str], other: str) -> None:
    planted = {path: IN_A_SPEC[path] for path in places}
    with_it = with_places(spec(), planted)
    without = with_places(spec(), planted, other) if other else spec()
    for told in (differences(with_it, without), differences(without, with_it)):
        assert told
        assert CANARY not in repr(told)


@given(st.sets(st.sampled_from(sorted(IN_A_FILE)), min_size=1), st.sampled_from(["", "other"]))
def test_no_password_in_a_rendered_file_is_ever_told(places: set[str], other: str) -> None:
    planted = {path: IN_A_FILE[path] for path in places}
    with_it = with_places({}, planted)
    without = with_places({}, planted, other) if other else {}
    for told in (compose_differences(with_it, without), compose_differences(without, with_it)):
        assert told
        assert CANARY not in repr(told)


@pytest.mark.parametrize("path", sorted(IN_A_SPEC))
def test_that_there_is_another_value_is_told_of_every_place_in_a_specification(path: str) -> None:
    places = {path: IN_A_SPEC[path]}
    told = differences(with_places(spec(), places), with_places(spec(), places, "other"))
    assert {(one.expected, one.found) for one in told} == {("as declared", "another value")}


@pytest.mark.parametrize("path", sorted(IN_A_FILE))
def test_that_there_is_another_value_is_told_of_every_place_in_a_file(path: str) -> None:
    places = {path: IN_A_FILE[path]}
    told = compose_differences(with_places({}, places, "other"), with_places({}, places))
    assert {(one.expected, one.found) for one in told} == {("as declared", "another value")}


def test_what_stands_beside_a_password_and_can_be_none_is_told() -> None:
    def of_spec(interval: int, driver: str) -> dict[str, Any]:
        made = spec(Healthcheck={"Test": ["CMD", CANARY], "Interval": interval * 10**9})
        made["TaskTemplate"]["LogDriver"] = {"Name": driver, "Options": {"any": CANARY}}
        return made

    assert differences(of_spec(5, "local"), of_spec(9, "splunk")) == [
        Difference("Healthcheck.Interval", "5s", "9s"),
        Difference("LogDriver.Name", "local", "splunk"),
    ]

    def of_file(interval: str, driver: str) -> dict[str, Any]:
        return {
            "services": {
                "environment": {
                    "healthcheck": {"test": ["CMD", CANARY], "interval": interval},
                    "logging": {"driver": driver, "options": {"any": CANARY}},
                    "networks": {"test": {"aliases": [driver]}},
                }
            }
        }

    before = "services.environment"
    assert compose_differences(of_file("9s", "splunk"), of_file("5s", "local")) == [
        Difference(f"{before}.healthcheck.interval", "5s", "9s"),
        Difference(f"{before}.logging.driver", "local", "splunk"),
        Difference(f"{before}.networks.test.aliases", '["local"]', '["splunk"]'),
    ]


def test_rendered_files_are_compared_by_place() -> None:
    before = {
        "services": {
            "app": {
                "image": "nginx:1.27",
                "environment": {"A": "1", "B": "2"},
                "ports": [{"target": 80, "published": 8080}],
            }
        }
    }
    after = copy.deepcopy(before)
    app: Any = after["services"]["app"]
    app["image"], app["environment"] = "nginx:1.28", {"A": "2"}
    app["ports"].append({"target": 443, "published": 8443})
    after["services"]["new"] = {"image": "busybox"}
    assert [(one.field, one.found, one.expected) for one in compose_differences(before, after)] == [
        ("services.app.environment.A", "another value", "as declared"),
        ("services.app.environment.B", "another value", "not set"),
        ("services.app.image", "nginx:1.27", "nginx:1.28"),
        ("services.app.ports 443", "none", '{"published": 8443, "target": 443}'),
        ("services.new.image", "none", "busybox"),
    ]
    assert compose_differences(before, copy.deepcopy(before)) == []


def test_what_is_in_a_rendered_list_is_told_by_its_target_or_its_source() -> None:
    def told(service: dict[str, Any]) -> list[str]:
        before, after = ({"services": {"a": {"image": "x", **more}}} for more in ({}, service))
        return [one.field for one in compose_differences(before, after)]

    assert told({"secrets": [{"source": "pw"}, {"source": "x", "target": "y"}]}) == [
        "services.a.secrets pw",
        "services.a.secrets y",
    ]
    assert told({"preferences": [{"spread": "node.id"}]}) == ["services.a.preferences"]
    assert told({"ports": [{"target": 80}, "81"]}) == ["services.a.ports"]
    assert told({"cap_add": ["target"]}) == ["services.a.cap_add"]
    assert told({"command": ["a"], "x": [], "y": {}, "z": None, "m": [{}, "b"]}) == [
        *("services.a.command", "services.a.m", "services.a.x", "services.a.y")
    ]


def test_memory_is_told_as_a_compose_file_has_it() -> None:
    """The engine renders 64M as a number of bytes, in quotes."""
    place = "services.web.deploy.resources.limits.memory"
    assert worded(place, "67108864") == "64M"
    assert worded(place, "1000") == "1000"
    assert worded(place, "64M") == "64M"
