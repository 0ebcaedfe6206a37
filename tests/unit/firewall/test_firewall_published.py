"""Ports that are published: who reaches them, and on which nodes Docker has forgotten them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pyinfra_swarm.firewall.facts import parse_state
from pyinfra_swarm.firewall.published import (
    Published,
    in_the_mesh,
    meant_closed,
    of_containers,
    plan_published,
    reach,
    shown,
)
from pyinfra_swarm.firewall.state import Host
from pyinfra_swarm.nodes.membership import Membership, Service
from pyinfra_swarm.settings import Settings
from pyinfra_swarm.settings.model import Access, Firewall, Opening
from tests.builders import SETTINGS
from tests.tools.answers import sections
from tests.unit.firewall.test_firewall_plan import CONVERGED
from tests.unit.firewall.test_firewall_state import said

NODES = ("node1", "node2", "node3", "node4")
BLOG = (8080, "tcp")
IN_IT = Membership(engine="running", state="active", in_ingress=True)
OBSERVED = dict.fromkeys(NODES, IN_IT)
SERVICES = (Service("blog", networks=(), mesh_ports=(8080,), protocols=("tcp",)),)


def hosts(*without: str) -> dict[str, Host | None]:
    """Four hosts with Docker's rule for 8080, but for those that are named."""
    has = replace(CONVERGED, mesh_ports=frozenset({BLOG}))
    return {name: CONVERGED if name in without else has for name in NODES}


def sentences(firewall: Firewall, *published: Published) -> list[str]:
    return [finding.sentence() for finding in plan_published(declared(firewall), published)]


def declared(firewall: Firewall, **access: Any) -> Settings:
    return SETTINGS.model_copy(update={"firewall": firewall, "access": Access(**access)})


BLOGS = Published(8080, "tcp", "blog", NODES)


class TestTheMesh:
    def test_a_port_that_every_node_has_a_rule_for(self) -> None:
        assert in_the_mesh(hosts(), OBSERVED, SERVICES) == [BLOGS]

    def test_nodes_without_a_rule_are_named(self) -> None:
        [one] = in_the_mesh(hosts("node1", "node3", "node4"), OBSERVED, SERVICES)
        assert (one.hosts, one.lacking) == (("node2",), ("node1", "node3", "node4"))

    @pytest.mark.parametrize(("docker_for", "lacks"), [(None, True), (119.9, False), (120, True)])
    def test_a_node_whose_engine_has_just_started_may_lack_a_rule_for_a_while(
        self, docker_for: float | None, lacks: bool
    ) -> None:
        said = {**hosts(), "node1": replace(CONVERGED, docker_for=docker_for)}
        [one] = in_the_mesh(said, OBSERVED, SERVICES)
        assert one.lacking == (("node1",) if lacks else ())

    @pytest.mark.parametrize(
        "node",
        [
            None,
            replace(IN_IT, in_ingress=False),
            replace(IN_IT, in_ingress=None),
            replace(IN_IT, state="inactive"),
        ],
    )
    def test_a_node_that_is_not_in_the_mesh_is_not_missing_a_rule(
        self, node: Membership | None
    ) -> None:
        [one] = in_the_mesh(hosts("node1"), {**OBSERVED, "node1": node}, SERVICES)
        assert one.lacking == ()

    def test_a_silent_host_lacks_nothing_that_is_known(self) -> None:
        [one] = in_the_mesh({**hosts(), "node1": None}, OBSERVED, SERVICES)
        assert (one.hosts, one.lacking) == (NODES[1:], ())

    def test_without_a_manager_that_lists_services_the_port_is_told_all_the_same(self) -> None:
        [one] = in_the_mesh(hosts(), OBSERVED, None)
        assert one.service == ""

    def test_two_services_may_publish_one_number_by_two_protocols(self) -> None:
        both = replace(CONVERGED, mesh_ports=frozenset({(53, "tcp"), (53, "udp"), (443, "udp")}))
        services = (
            Service("names", networks=(), mesh_ports=(53, 443), protocols=("udp", "tcp")),
            Service("transfers", networks=(), mesh_ports=(53,), protocols=("tcp",)),
        )
        found = in_the_mesh(dict.fromkeys(NODES, both), OBSERVED, services)
        assert [(str(one), one.service) for one in found] == [
            *(("53/tcp", "transfers"), ("53/udp", "names"), ("443/udp", "")),
        ]
        assert in_the_mesh(dict.fromkeys(NODES, both), OBSERVED, services[::-1]) == found

    def test_what_nobody_publishes_is_no_port(self) -> None:
        assert in_the_mesh(hosts(*NODES), OBSERVED, SERVICES) == []


class TestWhoReachesIt:
    @pytest.mark.parametrize(
        ("firewall", "port", "anybody", "who"),
        [
            (Firewall(), BLOG, False, "nobody outside"),
            (Firewall(), (443, "tcp"), True, "Cloudflare"),
            (Firewall(), (443, "udp"), False, "nobody outside"),
            (Firewall(web="open"), (80, "tcp"), True, "everybody"),
            (Firewall(web="closed"), (80, "tcp"), False, "nobody outside"),
            (
                Firewall(web="listed", web_sources=("10.0.0.0/8",)),
                (80, "tcp"),
                True,
                "10.0.0.0/8",
            ),
            (Firewall(open=(Opening(port="8080"),)), BLOG, True, "everybody"),
            (Firewall(open=(Opening(port="8000-9000"),)), BLOG, True, "everybody"),
            (Firewall(open=(Opening(port="8081-9000"),)), BLOG, False, "nobody outside"),
            (Firewall(open=(Opening(port="8080", protocol="udp"),)), BLOG, False, "nobody outside"),
            (
                Firewall(open=(Opening(port="8080", sources=("cluster",)),)),
                BLOG,
                True,
                "the hosts",
            ),
            (
                Firewall(open=(Opening(port="8080", sources=("cluster", "10.0.0.0/8")),)),
                BLOG,
                True,
                "the hosts and 10.0.0.0/8",
            ),
            (Firewall(enabled=False), BLOG, True, "everybody (firewall.enabled = false)"),
        ],
    )
    def test_as_the_settings_say(
        self, firewall: Firewall, port: tuple[int, str], anybody: bool, who: str
    ) -> None:
        found = reach(declared(firewall), *port)
        assert (found.anybody, found.who) == (anybody, who)

    def test_whoever_comes_through_a_vpn_that_reaches_everything(self) -> None:
        everything = declared(Firewall(), vpn="tailscale", vpn_reaches="everything")
        assert reach(everything, *BLOG).anybody
        assert plan_published(everything, [BLOGS]) == []
        assert not reach(declared(Firewall(), vpn="tailscale"), *BLOG).anybody
        named = Firewall(open=(Opening(port="8080", sources=("vpn",)),))
        assert reach(declared(named, vpn="tailscale"), *BLOG).who == "the VPN"

    def test_what_is_meant_to_be_closed(self) -> None:
        assert meant_closed(Firewall(closed=("8080",)), 8080, "tcp")
        assert meant_closed(Firewall(closed=("8000-9000",)), 8080, "udp")
        assert not meant_closed(Firewall(closed=("8081",)), 8080, "tcp")
        assert meant_closed(Firewall(web="closed"), 443, "tcp")
        assert not meant_closed(Firewall(), 8080, "tcp")


class TestFindings:
    def test_a_port_that_nobody_reaches_is_told_with_the_settings_that_open_and_silence_it(
        self,
    ) -> None:
        assert sentences(Firewall(), BLOGS) == [
            "service blog: publishes 8080/tcp, and the firewall lets nobody outside of the cluster "
            "reach it. To open it, add { port = 8080 } to firewall.open, with sources if not for "
            "anybody. To keep it closed: firewall.closed = [8080]"
        ]

    def test_a_service_with_several_ports_is_told_once(self) -> None:
        more = Published(53, "udp", "blog", NODES)
        [text] = sentences(Firewall(), BLOGS, more)
        assert "publishes 8080/tcp and 53/udp, and the firewall" in text
        assert 'add { port = 8080 }, { port = 53, protocol = "udp" } to firewall.open' in text
        assert "firewall.closed = [8080, 53]" in text

    @pytest.mark.parametrize(
        "firewall",
        [
            Firewall(open=(Opening(port="8080"),)),
            Firewall(closed=("8080",)),
            Firewall(enabled=False),
        ],
    )
    def test_what_is_open_or_meant_to_be_closed_is_not_told(self, firewall: Firewall) -> None:
        assert sentences(firewall, BLOGS) == []

    def test_a_port_that_some_nodes_have_no_rule_for_is_told_also_where_it_is_open(self) -> None:
        lacking = replace(BLOGS, hosts=("node2",), lacking=("node1", "node3", "node4"))
        [text] = sentences(Firewall(open=(Opening(port="8080"),)), lacking)
        assert text == (
            "service blog, port 8080/tcp: is published, and Docker has no rule for it on node1, "
            "node3 and node4: it does not answer there, whoever asks (→ a rule in DOCKER-INGRESS "
            "on every node). Restart Docker on node1, node3 and node4, one node at a time "
            "(`pyinfra inventory.py deploys/restart.py`)"
        )

    def test_containers_of_no_service_are_told_the_same_way_on_every_host(self) -> None:
        host = replace(CONVERGED, container_ports=frozenset({(9000, "tcp")}))
        texts = [sentences(Firewall(), *of_containers(name, host)) for name in NODES]
        assert texts[0] == texts[3]
        assert texts[0][0].startswith("a container: publishes 9000/tcp, and the firewall")

    def test_the_list_for_reports(self) -> None:
        assert shown(declared(Firewall()), [BLOGS]) == [
            {
                "port": 8080,
                "protocol": "tcp",
                "service": "blog",
                "mesh": True,
                "who": "nobody outside",
                "hosts": list(NODES),
                "lacking": [],
            }
        ]


NAT = """\
*nat
:PREROUTING ACCEPT [0:0]
:DOCKER - [0:0]
:DOCKER-INGRESS - [0:0]
-A DOCKER -i docker0 -j RETURN
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 9000 -j DNAT --to-destination 172.17.0.2:80
-A DOCKER ! -i docker0 -p udp -m udp --dport 5353 -j DNAT --to-destination 172.17.0.2:53
-A DOCKER -d 127.0.0.1/32 ! -i docker0 -p tcp -m tcp --dport 9001 -j DNAT --to-destination 172.17.0.3:80
-A DOCKER-INGRESS -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.18.0.2:8080
-A DOCKER-INGRESS -j RETURN
COMMIT
*filter
:INPUT ACCEPT [0:0]
:DOCKER - [0:0]
-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
COMMIT"""  # noqa: E501


class TestWhatAHostSays:
    def test_the_rules_of_docker_say_what_is_published(self) -> None:
        host = said(**{"ipv4-nft": NAT})
        assert host.mesh_ports == {(8080, "tcp")}
        assert host.container_ports == {(9000, "tcp"), (5353, "udp")}
        assert host.to_json()["published by containers"] == ["5353/udp", "9000/tcp"]

    def test_a_host_of_the_lab_with_a_service(self) -> None:
        text = (Path(__file__).parents[1] / "fixtures/facts/facts.firewall.State.txt").read_text()
        host = parse_state(sections(text))
        assert host.mesh_ports == {(80, "tcp")}
        assert host.container_ports == frozenset()

    def test_a_host_without_docker_publishes_nothing(self) -> None:
        host = said()
        assert host.mesh_ports == host.container_ports == frozenset()
