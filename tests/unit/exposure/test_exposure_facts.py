"""What a manager says of ways in, and a host of its way out, read."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pyinfra_swarm.exposure.facts import Uplink, parse_doors, parse_uplink
from pyinfra_swarm.exposure.own_stack import CONNECTOR
from pyinfra_swarm.exposure.seen import Doors, NodeKind, Published
from pyinfra_swarm.exposure.seen import Uplink as SeenUplink
from pyinfra_swarm.run.answer import Sections
from tests.tools.answers import sections


def number(letter: str) -> str:
    return letter * 25


def service(name: str, ports: Any = (), platforms: Any = None, **more: Any) -> dict[str, Any]:
    placement = {"Placement": {"Platforms": platforms}} if platforms is not None else {}
    return {
        "ID": number(name[0]),
        "Version": {"Index": 7},
        "Spec": {
            "Name": name,
            "Labels": {},
            "TaskTemplate": {"ContainerSpec": {"Image": "x", "Env": ["A=hunter2"]}, **placement},
            "Mode": {"Replicated": {"Replicas": 2}},
            **({"EndpointSpec": {"Ports": list(ports)}} if ports else {}),
        },
        **more,
    }


def task(node: str, state: str = "running", desired: str = "running", of: str = CONNECTOR) -> Any:
    return {
        "ID": number("t"),
        "ServiceID": number(of[0]),
        "NodeID": number(node),
        "Version": {"Index": 9},
        "Slot": 1,
        "DesiredState": desired,
        "Status": {"State": state},
        "Spec": {},
    }


def node(letter: str, name: str, arch: str = "aarch64", **differing: str) -> Any:
    return {
        "ID": number(letter),
        "Spec": {"Availability": differing.get("availability", "active"), "Role": "manager"},
        "Description": {"Hostname": name, "Platform": {"Architecture": arch, "OS": "linux"}},
        "Status": {"State": differing.get("state", "ready")},
    }


def said(services: Any, tasks: Any = (), nodes: Any = (), state: str = "running") -> Sections:
    found = Sections()
    found["state"] = [state]
    for name, value in (("services", services), ("tasks", tasks), ("nodes", nodes)):
        found[name] = [json.dumps(value)]
    return found


PORTS = [
    {"PublishedPort": 443, "TargetPort": 443, "Protocol": "tcp", "PublishMode": "ingress"},
    {"PublishedPort": 443, "TargetPort": 443, "Protocol": "udp", "PublishMode": "host"},
    {"TargetPort": 9000, "Protocol": "tcp"},
]
BOTH = [
    {"Architecture": "amd64", "OS": "linux"},
    {"Architecture": "arm64", "OS": "linux"},
    {"OS": "linux"},
    {"Architecture": "unknown", "OS": "unknown"},
]


def test_ports_connectors_and_nodes_are_read_and_nothing_else_is_kept() -> None:
    found = parse_doors(
        said(
            [service("web", PORTS), service(CONNECTOR, platforms=BOTH)],
            [
                task("a"),
                task("b", "starting"),
                task("b", "running", "shutdown"),
                task("c", "failed"),
                task("a", of="web"),
            ],
            [node("a", "rk1"), node("b", "rk2", "x86_64"), node("c", "rk3", state="down")],
        )
    )
    assert found == Doors(
        published=(Published("web", 443, "tcp", "ingress"), Published("web", 443, "udp", "host")),
        connectors=("rk1",),
        platforms=("amd64", "arm64"),
        nodes=(NodeKind("rk1", "arm64"), NodeKind("rk2", "amd64")),
    )
    assert "hunter2" not in json.dumps(found.to_json()) + repr(found)


def test_a_node_that_takes_no_tasks_runs_no_image_wrongly() -> None:
    drained = [node("a", "rk1"), node("b", "rk2", availability="drain")]
    assert [one.hostname for one in parse_doors(said([], [], drained)).nodes] == ["rk1"]


def test_without_a_tunnel_it_has_no_connectors_rather_than_none_up() -> None:
    assert parse_doors(said([service("web")])).connectors is None
    assert parse_doors(said([service(CONNECTOR)])).connectors == ()


@pytest.mark.parametrize(
    ("state", "words"), [("absent", "no Docker here"), ("stopped", "the engine is stopped")]
)
def test_a_host_without_an_engine_says_so(state: str, words: str) -> None:
    assert parse_doors(said([], state=state)).problem == words


def test_a_worker_says_that_it_is_none_to_ask() -> None:
    words = {"message": "This node is not a swarm manager. Use docker swarm init"}
    assert parse_doors(said(words, words, words)).problem == "this host is no manager"


LEADERLESS = {"message": "rpc error: code = Unknown desc = The swarm does not have a leader."}


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_manager_without_a_leader_says_so_in_its_own_words(at: int) -> None:
    answers: list[Any] = [[], [], []]
    answers[at] = LEADERLESS
    assert parse_doors(said(*answers)) == Doors(problem="The swarm does not have a leader.")


@pytest.mark.parametrize("words", [{}, "x", None])
def test_a_manager_that_lists_nothing_is_not_understood(words: Any) -> None:
    with pytest.raises(ValueError, match="no list"):
        parse_doors(said(words))
    with pytest.raises(ValueError, match="no list"):
        parse_doors(said([], [], words))


TRACE = "fl=29f1\nh=www.cloudflare.com\nip={}\nts=1764283112.1\nvisit_scheme=https\ncolo=FRA"
PING = """\
PING 1.1.1.1 (1.1.1.1) 56(84) bytes of data.
From {} icmp_seq=1 Time to live exceeded

--- 1.1.1.1 ping statistics ---
1 packets transmitted, 0 received, +1 errors, 100% packet loss, time 0ms
"""


@pytest.mark.parametrize(
    ("trace", "ping", "found"),
    [
        (TRACE.format("203.0.113.7"), PING.format("100.72.0.1"), ("203.0.113.7", "100.72.0.1")),
        ("curl: (28) Connection timed out", "", ("", "")),
        (TRACE.format("2001:db8::7"), "ping: connect: Network is unreachable", ("", "")),
        ("", PING.replace("Time to live exceeded", "Destination Host Unreachable"), ("", "")),
        ("ip=evil", PING.format("999.1.1.1"), ("", "")),
        ("<html>ip=1.2.3.4", "64 bytes from 1.1.1.1: icmp_seq=1 ttl=57", ("", "")),
    ],
)
def test_the_way_out_is_read_or_it_is_not_known(
    trace: str, ping: str, found: tuple[str, str]
) -> None:
    assert parse_uplink(sections(f"#> seen\n{trace}\n#> hop\n{ping}")) == SeenUplink(*found)


CURL = '#!/bin/sh\necho "$*" >> "$HERE/asked"\nprintf "ip=203.0.113.7\\n"\n'
STUB = (
    '#!/bin/sh\necho "$*" >> "$HERE/asked"\n'
    'printf "From 100.64.0.1 icmp_seq=1 Time to live exceeded\\n"\n'
)


@pytest.mark.parametrize("with_ping", [True, False])
def test_a_host_asks_one_page_and_sends_one_packet(tmp_path: Path, with_ping: bool) -> None:
    for name, text in {"curl": CURL, **({"ping": STUB} if with_ping else {})}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    script = "section() { printf '\\n#> %s\\n' \"$1\"; }\nset -eu\n" + Uplink().script()
    done = subprocess.run(
        ["/bin/sh", "-c", script],
        env={"PATH": str(tmp_path), "HERE": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    hop = "100.64.0.1" if with_ping else ""
    assert parse_uplink(sections(done.stdout)) == SeenUplink("203.0.113.7", hop)
    asked = (tmp_path / "asked").read_text().splitlines()
    assert len(asked) == 1 + with_ping
    assert asked[0].endswith("https://www.cloudflare.com/cdn-cgi/trace")
    assert "-4" in asked[0]
    if with_ping:
        assert "-c 1" in asked[1]
        assert "-t 2 1.1.1.1" in asked[1]
