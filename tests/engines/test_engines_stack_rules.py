"""What the lint says of stacks is true of real engines: each claim is deployed and looked at."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from pyinfra_swarm.stacks.compose import Source, read
from pyinfra_swarm.stacks.lint import Context, lint
from pyinfra_swarm.stacks.lint.ignored import KEYS
from tests.engines.hosts import HostError, Hosts
from tests.scenarios.conftest import wait_for
from tests.unit.stacks.test_stack_ignored import VALUES

SLEEPS = "image: busybox\ncommand: [sleep, '9999']\nstop_grace_period: 0s"


@pytest.fixture(scope="module")
def engine(each_version: str) -> Iterator[Hosts]:
    with Hosts(1, version=each_version) as made:
        made.init("rk1")
        made.import_image()
        yield made


def service(*lines: str) -> str:
    """A file with one service that sleeps, and more lines for it."""
    body = textwrap.indent("\n".join((SLEEPS, *lines)), "    ")
    return f"services:\n  web:\n{body}\n"


def deploy(engine: Hosts, stack: str, text: str, *more: str) -> str:
    """What ``docker stack deploy`` says; ``HostError`` where it refuses."""
    words = ["stack", "deploy", "--detach=true", "--resolve-image", "never", "-c", "-", stack]
    return engine.docker("rk1", *words, *more, text=text)


def refused(engine: Hosts, stack: str, text: str) -> str:
    with pytest.raises(HostError) as error:
        deploy(engine, stack, text)
    return str(error.value)


def rules(text: str, **context: Any) -> set[tuple[str, str]]:
    """What the lint says of a file."""
    found = lint(read([Source("a.yml", text.encode())]), Context(**context))
    return {(issue.rule, issue.severity) for issue in found}


def spec(engine: Hosts, name: str) -> dict[str, Any]:
    found: dict[str, Any] = engine.api("rk1", f"/services/{name}")["Spec"]
    return found


def options(engine: Hosts, name: str) -> dict[str, str]:
    found: dict[str, str] = engine.api("rk1", f"/networks/{name}")["Options"] or {}
    return found


def tasks(engine: Hosts, name: str) -> list[dict[str, Any]]:
    asked = quote(json.dumps({"service": [name]}))
    found: list[dict[str, Any]] = engine.api("rk1", f"/tasks?filters={asked}")
    return found


def running(engine: Hosts, name: str) -> bool:
    return any(task["Status"]["State"] == "running" for task in tasks(engine, name))


def said(engine: Hosts, name: str) -> str:
    return " ".join(
        f"{task['Status'].get('Message', '')} {task['Status'].get('Err', '')}"
        for task in tasks(engine, name)
    )


# S1 and S13
# ----------


def marks(engine: Hosts) -> str:
    """The rules by which the engine has packets encrypted."""
    return engine.run("rk1", "iptables -t mangle -S OUTPUT; iptables -S").stdout


def test_the_default_network_is_an_overlay_without_encryption(engine: Hosts) -> None:
    deploy(engine, "implied", service())
    assert ("S13", "refusal") in rules(service())
    network = engine.api("rk1", "/networks/implied_default")
    assert network["Driver"] == "overlay"
    assert "encrypted" not in options(engine, "implied_default")
    engine.docker("rk1", "stack", "rm", "implied")


def test_network_mode_does_not_keep_a_service_out_of_it(engine: Hosts) -> None:
    deploy(engine, "hosted", service("network_mode: host"))
    (attached,) = spec(engine, "hosted_web")["TaskTemplate"]["Networks"]
    assert attached["Target"] == engine.api("rk1", "/networks/hosted_default")["Id"]
    engine.docker("rk1", "stack", "rm", "hosted")


NETWORK = "networks:\n  own:\n    driver_opts: { encrypted: %s }\n"


@pytest.mark.parametrize("value", ['"true"', '"false"', '""'])
def test_the_option_encrypts_whatever_it_says(engine: Hosts, value: str) -> None:
    name = {'"true"': "yes", '"false"': "no", '""': "empty"}[value]
    before = marks(engine)
    deploy(engine, name, service("networks: [own]") + NETWORK % value)
    wait_for(lambda: running(engine, f"{name}_web"), "the task to run", 60)
    assert marks(engine) != before  # the rules that mark this network's packets for ESP
    assert (("S1", "refusal") in rules(service("networks: [own]") + NETWORK % value)) is (
        value == '"false"'
    )
    engine.docker("rk1", "stack", "rm", name)
    wait_for(lambda: marks(engine) == before, "the rules to go", 60)


def test_without_the_option_nothing_is_encrypted(engine: Hosts) -> None:
    before = marks(engine)
    deploy(engine, "clear", service("networks: [own]") + "networks: { own: {}, unused: {} }\n")
    wait_for(lambda: running(engine, "clear_web"), "the task to run", 60)
    assert marks(engine) == before
    names = {one["Name"] for one in engine.api("rk1", "/networks")}
    assert "clear_own" in names
    assert "clear_unused" not in names  # a network that nobody is in is not made
    # What is there stays as it is.
    text = service("networks: [own]") + NETWORK % '"true"'
    deploy(engine, "clear", text)
    assert "encrypted" not in options(engine, "clear_own")
    engine.docker("rk1", "stack", "rm", "clear")


# S2
# --


def test_an_address_of_a_port_is_ignored(engine: Hosts) -> None:
    text = service("ports: ['127.0.0.1:8081:80']")
    deploy(engine, "bound", text)
    assert ("S2", "refusal") in rules(text)
    (port,) = spec(engine, "bound_web")["EndpointSpec"]["Ports"]
    assert {**port} == {
        "Protocol": "tcp",
        "TargetPort": 80,
        "PublishedPort": 8081,
        "PublishMode": "ingress",
    }
    engine.docker("rk1", "stack", "rm", "bound")


@pytest.mark.parametrize(
    "lines",
    [
        "ports: ['8082:80', { target: 81, published: 8082 }]",
        "ports: ['8082:80']\ndeploy: { endpoint_mode: dnsrr }",
    ],
)
def test_ports_that_the_engine_refuses(engine: Hosts, lines: str) -> None:
    assert ("S2", "refusal") in rules(service(*lines.split("\n")))
    assert refused(engine, "ports", service(*lines.split("\n")))
    engine.docker("rk1", "stack", "rm", "ports")


def test_a_port_that_another_service_has_is_refused(engine: Hosts) -> None:
    deploy(engine, "first", service("ports: ['8083:80']"))
    assert "already in use by service 'first_web'" in refused(
        engine, "second", service("ports: ['8083:80']")
    )
    for name in ("first", "second"):
        engine.docker("rk1", "stack", "rm", name)


# S3 to S8
# --------


def test_an_update_that_fails_pauses(engine: Hosts) -> None:
    deploy(engine, "paused", service())
    wait_for(lambda: running(engine, "paused_web"), "the task to run", 60)
    deploy(engine, "paused", service().replace("[sleep, '9999']", "['false']"))

    def state() -> str:
        found = engine.api("rk1", "/services/paused_web").get("UpdateStatus") or {}
        return str(found.get("State"))

    wait_for(lambda: state() == "paused", "the update to pause", 60)
    assert ("S4", "notice") in rules(service())
    engine.docker("rk1", "stack", "rm", "paused")


def test_a_read_only_socket_takes_orders(engine: Hosts) -> None:
    made = engine.run(
        "rk1",
        "touch /tmp/sock && mount --bind /run/docker.sock /tmp/sock && "
        "mount -o remount,ro,bind /tmp/sock && curl -sS --unix-socket /tmp/sock "
        "-H 'Content-Type: application/json' -d '{\"Name\":\"made-through-it\"}' "
        "http://docker/volumes/create; umount /tmp/sock",
    ).stdout
    assert json.loads(made)["Name"] == "made-through-it"


# S9, S11, S12
# ------------


def test_a_path_that_is_not_there_has_the_task_rejected(engine: Hosts) -> None:
    deploy(engine, "path", service("volumes: ['/srv/none:/x']"))
    wait_for(
        lambda: "bind source path does not exist" in said(engine, "path_web"), "a rejection", 60
    )
    engine.docker("rk1", "stack", "rm", "path")


def placed(placement: str) -> str:
    return service(f"deploy: {{ placement: {placement} }}")


@pytest.mark.parametrize(
    "constraint", ["node.role = manager", "node.role", "a b == c", "node.role == a,b"]
)
def test_what_is_no_constraint_is_refused(engine: Hosts, constraint: str) -> None:
    text = placed(f"{{ constraints: ['{constraint}'] }}")
    assert ("S12", "refusal") in rules(text)
    assert refused(engine, "broken", text)
    engine.docker("rk1", "stack", "rm", "broken")


@pytest.mark.parametrize("constraint", ["node.rule == manager", "node.label.a == b"])
def test_a_constraint_on_what_no_node_has_is_taken_and_never_fits(
    engine: Hosts, constraint: str
) -> None:
    text = placed(f"{{ constraints: ['{constraint}'] }}")
    assert ("S12", "refusal") in rules(text)
    deploy(engine, "unfit", text)
    wait_for(lambda: "no suitable node" in said(engine, "unfit_web"), "no node to fit", 60)
    engine.docker("rk1", "stack", "rm", "unfit")


def test_more_replicas_than_there_is_room_for_never_get_a_place(engine: Hosts) -> None:
    text = service("deploy: { replicas: 2, placement: { max_replicas_per_node: 1 } }")
    deploy(engine, "many", text)
    wait_for(
        lambda: running(engine, "many_web") and "max replicas per node" in said(engine, "many_web"),
        "one of two to run",
        60,
    )
    engine.docker("rk1", "stack", "rm", "many")


def test_an_image_for_other_platforms_gets_no_node(engine: Hosts) -> None:
    """As the CLI asks for it once a registry has said what an image is made for."""
    platforms = [{"OS": "linux", "Architecture": "s390x"}]
    body = {
        "Name": "foreign",
        "TaskTemplate": {
            "ContainerSpec": {"Image": "busybox"},
            "Placement": {"Platforms": platforms},
        },
    }
    engine.api("rk1", "/services/create", body)
    wait_for(lambda: "unsupported platform" in said(engine, "foreign"), "no node to fit", 60)
    engine.docker("rk1", "service", "rm", "foreign")


# S10
# ---


def without_names(found: dict[str, Any]) -> dict[str, Any]:
    text = json.dumps(found)
    for name in ("odd", "plain"):
        text = text.replace(f"{name}_", "STACK_").replace(f'"{name}"', '"STACK"')
    made: dict[str, Any] = json.loads(text)
    for network in made["TaskTemplate"]["Networks"]:
        network.pop("Target")
    return made


def test_ignored_keys_leave_a_service_as_it_is(engine: Hosts) -> None:
    lines = [f"{key}: {VALUES.get(key, 'x')}" for key in KEYS]
    deploy(engine, "plain", service())
    deploy(engine, "odd", service(*lines))
    assert without_names(spec(engine, "odd_web")) == without_names(spec(engine, "plain_web"))
    for name in ("odd", "plain"):
        engine.docker("rk1", "stack", "rm", name)


def test_an_address_for_a_task_is_ignored(engine: Hosts) -> None:
    text = service("networks: { own: { ipv4_address: 10.0.9.9 } }") + NETWORK % '"true"'
    deploy(engine, "fixed", text)
    (attached,) = spec(engine, "fixed_web")["TaskTemplate"]["Networks"]
    assert "10.0.9.9" not in json.dumps(attached)
    assert ("S10", "notice") in rules(text)
    engine.docker("rk1", "stack", "rm", "fixed")


@pytest.mark.parametrize(
    ("restart", "condition"),
    [
        *(("always", "any"), ("unless-stopped", "any"), ("on-failure", "on-failure")),
        ("'no'", "any"),  # the engine's own
    ],
)
def test_the_old_restart_policy_is_said_to_be_ignored_and_is_not(
    engine: Hosts, restart: str, condition: str
) -> None:
    deploy(engine, "again", service(f"restart: {restart}"))
    policy = spec(engine, "again_web")["TaskTemplate"].get("RestartPolicy") or {}
    assert policy.get("Condition", "any") == condition
    engine.docker("rk1", "stack", "rm", "again")


def test_deploys_policy_holds_over_the_old_one(engine: Hosts) -> None:
    policy = "deploy: { restart_policy: { condition: none } }"
    deploy(engine, "holds", service("restart: always", policy))
    assert spec(engine, "holds_web")["TaskTemplate"]["RestartPolicy"]["Condition"] == "none"
    engine.docker("rk1", "stack", "rm", "holds")


# S14
# ---


def test_an_external_secret_that_is_not_there_is_refused(engine: Hosts) -> None:
    text = service("secrets: [none]") + "secrets: { none: { external: true } }\n"
    assert "none" in refused(engine, "lacking", text)
    known: frozenset[str] = frozenset()
    assert ("S14", "refusal") in rules(text, secrets=known, existing_secrets=known)
    engine.docker("rk1", "stack", "rm", "lacking")


def test_a_secret_of_a_file_that_changes_is_refused(engine: Hosts) -> None:
    text = service("secrets: [one]") + "secrets: { one: { file: /tmp/one } }\n"
    engine.run("rk1", "echo first > /tmp/one")
    deploy(engine, "filed", text)
    engine.run("rk1", "echo second > /tmp/one")
    assert "only updates to Labels are allowed" in refused(engine, "filed", text)
    assert ("S14", "notice") in rules(text)
    engine.docker("rk1", "stack", "rm", "filed")
