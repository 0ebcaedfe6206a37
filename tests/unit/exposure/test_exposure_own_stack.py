"""The project's own stack: what it is made of, and that the lint has nothing to say of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyinfra_swarm.exposure.own_files import read_own_stack
from pyinfra_swarm.exposure.own_stack import CONNECTOR, OwnStack, connectors, own_stack
from pyinfra_swarm.settings import Settings
from pyinfra_swarm.stacks.document import Node, Scalar, Table
from pyinfra_swarm.stacks.lint import declared, lint
from tests.builders import declared as cluster

SECRETS = [{"name": "tunnel_token", "env": "TUNNEL_TOKEN"}, {"name": "dns_token", "env": "DNS"}]
DNS = {"domains": ["home.example.org", "*.example.org"], "token": "dns_token"}


def settings(hosts: int = 4, exposure: Any = None, **more: Any) -> Settings:
    tunnel = {"token": "tunnel_token", **more.pop("tunnel", {})}
    wanted = {"mode": "tunnel", "tunnel": tunnel} if exposure is None else exposure
    managers = min(3, hosts)
    return cluster(managers, hosts - managers, secrets=SECRETS, exposure=wanted, **more)


def at(node: Node, *path: str) -> Any:
    for part in path:
        assert isinstance(node, Table)
        node = node.entries[part]
    return node.value if isinstance(node, Scalar) else node


def service(of: Settings) -> Table:
    one = read_own_stack(of)
    assert one is not None
    [made] = one.merged.section("services").entries.values()
    assert isinstance(made, Table)
    return made


EVERY = {
    "a tunnel": settings(),
    "a tunnel on one host": settings(1),
    "a tunnel on two": settings(2),
    "a tunnel everywhere": settings(4, tunnel={"replicas": 25}),
    "a tunnel in a network of one's own": settings(
        tunnel={"network": "front"}, networks={"overlays": [{"name": "front"}]}
    ),
    "dynamic DNS": settings(exposure={"dynamic_dns": DNS}),
    "dynamic DNS with IPv6": settings(exposure={"dynamic_dns": {**DNS, "ipv6": True}}),
}


@pytest.mark.parametrize("of", EVERY.values(), ids=EVERY.keys())
def test_the_lint_has_nothing_to_say_of_it(of: Settings) -> None:
    one = read_own_stack(of)
    assert one is not None
    assert one.inputs.stack == of.exposure.own_stack == "swarm-exposure"
    assert one.merged.problems == ()
    assert lint(one.merged, declared(of, one.inputs.stack)) == ()


def test_the_connector_is_called_as_docker_calls_it() -> None:
    assert CONNECTOR == "swarm-exposure_cloudflared"


def test_what_a_tunnel_is_made_of() -> None:
    tunnel = {"image": "cloudflared:1", "protocol": "http2", "network": "front", "replicas": 2}
    of = settings(tunnel=tunnel, networks={"overlays": [{"name": "front"}]})
    assert own_stack(of) == OwnStack(
        ("tunnel.yml",),
        {
            **{"IMAGE": "cloudflared:1", "PROTOCOL": "http2", "REPLICAS": "2"},
            **{"ORDER": "start-first", "NETWORK": "front", "TOKEN": "tunnel_token"},
        },
    )


@pytest.mark.parametrize(
    ("ipv6", "network", "provider"),
    [(False, "overlay", "none"), (True, "host", "cloudflare.trace")],
)
def test_what_dynamic_dns_is_made_of(ipv6: bool, network: str, provider: str) -> None:
    for proxied, said in ((False, "false"), (True, "true")):
        more = {"image": "ddns:1", "ipv6": ipv6, "proxied": proxied}
        assert own_stack(settings(exposure={"dynamic_dns": {**DNS, **more}})) == OwnStack(
            ("dynamic-dns.yml", f"dynamic-dns-{network}.yml"),
            {
                **{"IMAGE": "ddns:1", "DOMAINS": "home.example.org,*.example.org"},
                **{"PROXIED": said, "IP6_PROVIDER": provider, "TOKEN": "dns_token"},
            },
        )


def test_connectors_go_where_tasks_go_and_somewhere_in_any_case() -> None:
    def wanted(*availability: str) -> int:
        each = {f"rk{n}": {"availability": one} for n, one in enumerate(availability, start=1)}
        return connectors(settings(3, tunnel={"replicas": 25}, **each))

    assert wanted() == 3
    assert wanted("active", "drain", "pause") == 1
    assert wanted("drain", "drain", "drain") == 3


@pytest.mark.parametrize("mode", ["ports", "none"])
def test_there_is_none_where_none_is_declared(mode: str) -> None:
    assert read_own_stack(settings(exposure={"mode": mode})) is None


def test_no_port_is_published_and_the_token_is_a_file_for_the_program_alone() -> None:
    made = service(settings())
    assert "ports" not in made.entries
    environment = at(made, "environment")
    assert at(environment, "TUNNEL_TOKEN_FILE") == "/run/secrets/tunnel_token"
    assert at(environment, "TUNNEL_EDGE_IP_VERSION") == "4"
    [token] = at(made, "secrets").items
    assert {key: at(token, key) for key in ("target", "uid", "gid", "mode")} == {
        "target": "tunnel_token",
        "uid": "65532",
        "gid": "65532",
        "mode": 0o400,
    }
    one = read_own_stack(settings())
    assert one is not None
    assert at(one.merged.section("secrets"), "token", "name") == "tunnel_token"


@pytest.mark.parametrize(
    ("hosts", "replicas", "order"),
    [(4, 2, "start-first"), (3, 2, "stop-first"), (2, 2, "stop-first"), (3, 1, "start-first")],
)
def test_a_new_connector_starts_first_where_two_nodes_have_none(
    hosts: int, replicas: int, order: str
) -> None:
    deploy = at(service(settings(hosts, tunnel={"replicas": replicas})), "deploy")
    assert at(deploy, "update_config", "order") == order


@given(hosts=st.integers(1, 8), wanted=st.integers(1, 25), drained=st.integers(0, 8))
def test_connectors_are_on_nodes_of_their_own_and_an_update_finds_a_place(
    hosts: int, wanted: int, drained: int
) -> None:
    away = {f"rk{n}": {"availability": "drain"} for n in range(1, min(drained, hosts - 1) + 1)}
    made = service(settings(hosts, tunnel={"replicas": wanted}, **away))
    deploy = at(made, "deploy")
    replicas, nodes = int(at(deploy, "replicas")), hosts - len(away)
    assert at(deploy, "placement", "max_replicas_per_node") == 1
    assert replicas == min(wanted, nodes)
    for which in ("update_config", "rollback_config"):
        # A new connector beside the old ones takes one node more, a second new one two.
        order = at(deploy, which, "order")
        assert order == ("start-first" if replicas + 2 <= nodes else "stop-first")


def test_dynamic_dns_asks_from_the_host_s_network_only_for_ipv6() -> None:
    for ipv6 in (False, True):
        of = settings(exposure={"dynamic_dns": {**DNS, "ipv6": ipv6, "proxied": ipv6}})
        environment = at(service(of), "environment")
        assert at(environment, "DOMAINS") == "home.example.org,*.example.org"
        assert at(environment, "IP6_PROVIDER") == ("cloudflare.trace" if ipv6 else "none")
        assert str(at(environment, "PROXIED")).lower() == str(ipv6).lower()
        one = read_own_stack(of)
        assert one is not None
        out = at(one.merged.section("networks"), "out")
        if ipv6:
            assert at(out, "name") == "host"
        else:
            assert at(out, "driver_opts", "encrypted") == "true"


def test_what_it_is_rendered_from_changes_with_what_is_declared_and_with_nothing_else() -> None:
    digests = {name: one.inputs.digest for name, of in EVERY.items() if (one := read_own_stack(of))}
    assert digests["a tunnel"] != digests["a tunnel on two"]
    again = read_own_stack(settings())
    assert again is not None
    assert again.inputs.digest == digests["a tunnel"]
    assert "tunnel_token" in json.dumps(dict(again.inputs.variables))
