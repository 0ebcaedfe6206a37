"""What is told of ways in: connectors, published web ports, a stack left behind, CGNAT."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyinfra_swarm.exposure.own_stack import CONNECTOR
from pyinfra_swarm.exposure.plan import asked_hosts, left_behind, plan_doors, plan_uplinks
from pyinfra_swarm.exposure.seen import Doors, NodeKind, Published, Uplink
from pyinfra_swarm.run.findings import Notice
from pyinfra_swarm.settings import Settings
from tests.unit.exposure.test_exposure_own_stack import settings

NODES = tuple(NodeKind(f"rk{number}", "arm64") for number in (1, 2, 3, 4))
UP = Doors(connectors=("rk1", "rk3"), platforms=("amd64", "arm64"), nodes=NODES)
NONE = settings(exposure={"mode": "none"})
PORTS = settings(exposure={"mode": "ports"})


def told(of: Settings, doors: Doors) -> list[str]:
    found = plan_doors(of, doors)
    assert all(isinstance(one, Notice) for one in found)
    return [one.sentence() for one in found]


def test_two_connectors_on_two_nodes_are_nothing_to_tell() -> None:
    assert told(settings(), UP) == []


@pytest.mark.parametrize("up", [("rk2",), ("rk2", "rk2")])
def test_connectors_on_one_node_are_told_with_what_that_costs(up: tuple[str, ...]) -> None:
    [one] = told(settings(), replace(UP, connectors=up))
    assert "up on rk2 only: while that node restarts, nobody gets in" in one
    assert f"docker service ps --no-trunc {CONNECTOR}" in one


def test_no_connector_is_told_as_nobody_getting_in() -> None:
    [one] = told(settings(), replace(UP, connectors=()))
    assert "no connector is up: nobody gets in (none → 2 of them)" in one


def test_a_cluster_of_one_node_is_not_told_what_it_cannot_have() -> None:
    assert told(settings(1), replace(UP, connectors=("rk1",))) == []
    assert told(settings(tunnel={"replicas": 1}), replace(UP, connectors=("rk1",))) == []
    assert "nobody gets in" in told(settings(1), replace(UP, connectors=()))[0]


def test_two_nodes_are_enough_for_however_many_connectors() -> None:
    assert told(settings(tunnel={"replicas": 3}), UP) == []


@pytest.mark.parametrize("of", [NONE, PORTS])
def test_without_a_tunnel_nobody_misses_its_connectors(of: Settings) -> None:
    assert told(of, replace(UP, connectors=(), platforms=("s390x",))) == []


def test_a_tunnel_that_is_not_deployed_yet_is_another_s_to_tell() -> None:
    assert told(settings(), replace(UP, connectors=None, platforms=("amd64",))) == []


def test_an_image_that_is_not_made_for_a_node_is_told() -> None:
    [one] = told(settings(), replace(UP, platforms=("amd64",)))
    assert "is not made for rk1, rk2, rk3 and rk4, which never run a connector" in one
    mixed = (NodeKind("rk1", "amd64"), NodeKind("rk2", "arm64"), NodeKind("rk3", ""))
    [one] = told(settings(), replace(UP, platforms=("amd64",), nodes=mixed))
    assert "is not made for rk2, which never runs a connector" in one
    assert told(settings(), replace(UP, platforms=())) == []
    [one] = told(settings(), replace(UP, platforms=("amd64",), nodes=NODES[::-1]))
    assert "is not made for rk1, rk2, rk3 and rk4" in one


def published(*ports: Any) -> Doors:
    return replace(UP, published=tuple(Published(*port) for port in ports))


WEB = ("web_traefik", 443, "tcp", "ingress"), ("web_traefik", 80, "tcp", "host")


@pytest.mark.parametrize("of", [settings(), NONE])
def test_a_web_port_that_is_published_still_is_told_once_for_each_service(of: Settings) -> None:
    [one] = told(of, published(*WEB, ("a_b", 8080, "tcp", "ingress"), ("q", 443, "udp", "ingress")))
    assert one.startswith("service web_traefik: publishes 80/tcp and 443/tcp, and with exposure")
    assert "the firewall keeps it shut" in one
    assert "`docker service update --publish-rm 80 --publish-rm 443 web_traefik`" in one


def test_without_our_firewall_it_is_told_as_a_way_past_the_tunnel() -> None:
    [one] = told(settings(firewall={"enabled": False}), published(*WEB))
    assert "whoever reaches a node reaches it, past the tunnel" in one


def test_what_is_opened_for_one_s_own_network_is_meant() -> None:
    own = {"open": [{"port": "80-443", "sources": ["192.168.1.0/24"]}]}
    assert told(settings(firewall=own), published(*WEB)) == []
    [one] = told(settings(firewall={"open": [{**own["open"][0], "port": "443"}]}), published(*WEB))
    assert "publishes 80/tcp, and" in one


def test_what_is_opened_beside_the_web_ports_is_another_matter() -> None:
    for port, protocol in (("442", "tcp"), ("444-450", "tcp"), ("443", "udp")):
        own = {"open": [{"port": port, "protocol": protocol, "sources": ["192.168.1.0/24"]}]}
        [one] = told(settings(firewall=own), published(*WEB))
        assert "publishes 80/tcp and 443/tcp, and" in one


def test_services_are_told_in_order() -> None:
    names = [f"service{number}" for number in range(20)]
    found = told(settings(), published(*((name, 443, "tcp", "ingress") for name in names[::-1])))
    assert [one.split()[1].rstrip(":") for one in found] == sorted(names)


def test_with_ports_published_ports_are_the_point() -> None:
    assert told(PORTS, published(*WEB)) == []


def test_a_stack_of_ours_that_nobody_declares_is_told_with_its_removal() -> None:
    assert left_behind([]) == []
    [tunnel] = left_behind([CONNECTOR])
    assert "the tunnel is open" in tunnel.reason
    assert "deploys/stacks.py --data remove=swarm-exposure" in tunnel.remedy
    [dns] = left_behind(["swarm-exposure_cloudflare-ddns"])
    assert "swarm-exposure_cloudflare-ddns" in dns.reason


# CGNAT
# -----


def test_two_hosts_are_asked() -> None:
    assert asked_hosts(settings()) == ("rk1", "rk2")
    assert asked_hosts(settings(1)) == ("rk1",)


def test_an_address_of_a_provider_s_inside_behind_the_router_is_a_hint() -> None:
    [one] = plan_uplinks(
        {"rk2": Uplink("203.0.113.7", "100.72.0.1"), "rk1": Uplink("203.0.113.7", "100.72.0.1")}
    )
    assert isinstance(one, Notice)
    assert "behind the router of rk1 and rk2 answers an address of 100.64.0.0/10" in one.reason
    assert "It is a hint, no proof" in one.reason
    assert one.found == "100.72.0.1"
    assert "from outside" in one.remedy


@pytest.mark.parametrize("hop", ["", "203.0.113.1", "10.0.0.1", "100.63.255.255", "100.128.0.0"])
def test_any_other_is_none(hop: str) -> None:
    assert plan_uplinks({"rk1": Uplink("203.0.113.7", hop), "rk2": None}) == []


@pytest.mark.parametrize("hop", ["100.64.0.0", "100.127.255.255"])
def test_the_hint_reaches_to_the_ends_of_the_range(hop: str) -> None:
    assert len(plan_uplinks({"rk1": Uplink("", hop), "rk2": None})) == 1


def test_hosts_that_leave_by_different_addresses_are_told() -> None:
    [one] = plan_uplinks({"rk1": Uplink("203.0.113.7"), "rk2": Uplink("198.51.100.2")})
    assert "different addresses" in one.reason
    assert one.found == "203.0.113.7 (rk1) and 198.51.100.2 (rk2)"
    assert plan_uplinks({"rk1": Uplink("203.0.113.7"), "rk2": Uplink("")}) == []


IPV4 = st.ip_addresses(v=4).map(str)


@given(st.dictionaries(st.sampled_from(["rk1", "rk2"]), st.none() | st.builds(Uplink, IPV4, IPV4)))
def test_whatever_is_seen_only_notices_come_of_it(uplinks: Any) -> None:
    assert all(isinstance(one, Notice) for one in plan_uplinks(uplinks))
