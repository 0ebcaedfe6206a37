"""Who is in the swarm is let in, declared or not: shut out, a manager would keep its vote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pyinfra_swarm.firewall.policy import Opening, Policy, policy, votes
from pyinfra_swarm.firewall.state import Host, Tables
from pyinfra_swarm.firewall.wanted import wanted_policy
from pyinfra_swarm.nodes.membership import Membership, Node, members
from tests.builders import declared, node, swarm

SETTINGS = declared(1, 0)
MANAGER = node(2)
WORKER = node(4, "worker")
GONE: dict[str, Any] = {"state": "down"}


def test_nodes_that_nobody_declares_any_more_are_let_in_until_they_have_been_removed() -> None:
    still = members([MANAGER, WORKER])
    made = policy(SETTINGS, "rk1", ssh_ports=(22,), drop_cleartext_vxlan=True, members=still)
    assert made.peers == (SETTINGS.hosts[0].address, MANAGER.address, WORKER.address)


def test_a_declared_host_is_let_in_once_also_at_the_address_that_the_swarm_still_has() -> None:
    own = replace(node(1), address="192.168.1.99")
    made = policy(
        SETTINGS, "rk1", ssh_ports=(22,), drop_cleartext_vxlan=True, members=members([own])
    )
    assert made.peers == (SETTINGS.hosts[0].address, "192.168.1.99")
    again = members([node(1)])
    made = policy(SETTINGS, "rk1", ssh_ports=(22,), drop_cleartext_vxlan=True, members=again)
    assert made.peers == (SETTINGS.hosts[0].address,)


def test_a_worker_that_is_down_is_not_waited_for_but_a_manager_has_its_vote() -> None:
    assert members([replace(WORKER, **GONE), replace(MANAGER, **GONE)]) == (MANAGER.address,)


def test_an_address_that_an_engine_does_not_know_opens_nothing() -> None:
    assert members([replace(WORKER, address=text) for text in ("", "0.0.0.0", "127.0.0.1")]) == ()


def test_addresses_are_in_one_order_whoever_lists_them() -> None:
    for nodes in ([WORKER, MANAGER], [MANAGER, WORKER]):
        assert members(nodes) == (MANAGER.address, WORKER.address)


def test_everything_that_is_declared_is_in_the_policy() -> None:
    settings = declared(
        2,
        1,
        swarm={"data_path_port": 4790},
        firewall={
            "ssh_sources": ["10.0.0.0/8"],
            "web": "listed",
            "web_sources": ["203.0.113.0/24"],
            "web_ports": [8443],
            "open": [{"port": "5432-5440", "protocol": "tcp", "sources": ["10.1.0.0/16"]}],
            "inbound": "accept",
        },
    )
    made = policy(
        settings,
        "rk3",
        ssh_ports=(2222, 22, 2222),
        drop_cleartext_vxlan=False,
        members=("192.168.1.99",),
    )
    assert made == Policy(
        peers=("192.168.1.11", "192.168.1.12", "192.168.1.13", "192.168.1.99"),
        manager=False,
        vxlan_port=4790,
        ssh_ports=(22, 2222),
        ssh_sources=("10.0.0.0/8",),
        web="listed",
        web_sources=("203.0.113.0/24",),
        web_ports=(8443,),
        openings=(Opening("5432-5440", "tcp", ("10.1.0.0/16",)),),
        inbound="accept",
        drop_cleartext_vxlan=False,
    )
    assert made.openings[0].ports == (5432, 5440)
    assert Opening("53", "udp").ports == (53, 53)


def test_what_is_not_said_of_a_policy_is_what_the_documentation_promises() -> None:
    bare = Policy((), manager=False)
    assert (bare.vxlan_port, bare.ssh_ports, bare.web_ports) == (4789, (22,), (80, 443))
    assert (bare.ssh_sources, bare.web, bare.inbound) == ((), "cloudflare", "deny")
    assert bare.drop_cleartext_vxlan
    made = policy(SETTINGS, "rk1", ssh_ports=(22,), drop_cleartext_vxlan=True)
    assert made.manager
    workers = declared(1, 1)
    assert not policy(workers, "rk2", ssh_ports=(), drop_cleartext_vxlan=True).manager
    assert policy(workers, "rk2", ssh_ports=(), drop_cleartext_vxlan=True, votes=True).manager


def test_a_host_votes_by_the_node_that_it_is_and_else_by_its_address() -> None:
    settings = declared(2, 1)
    nodes = [node(1), node(2), node(3, "worker")]
    said = swarm(nodes)
    seen = said["rk1"]
    assert seen is not None
    assert [votes(settings, said, seen, f"rk{n}") for n in (1, 2, 3)] == [True, True, False]
    # Its engine says that it is the entry that was promoted; a dead one at its address has no vote.
    twin = replace(seen, nodes=(*nodes[:2], node(3, "worker"), node(3, id="promoted")))
    own = said["rk3"]
    assert own is not None
    assert votes(settings, {**said, "rk3": replace(own, node="promoted")}, twin, "rk3")
    assert not votes(settings, {**said, "rk3": replace(own, node="node3")}, twin, "rk3")
    assert not votes(settings, said, replace(seen, nodes=tuple(nodes[:2])), "rk3")


RULES = (
    "-p tcp -m tcp --dport 2377 -g SWARM-PEERS",
    "-p tcp -m tcp --dport 2377 -j DROP",
)


class TestTheManagementPort:
    """Of rk2, which is declared a worker."""

    def is_open(self, observed: Mapping[str, Membership | None], rule: str = RULES[1]) -> bool:
        host = Host(tables={f: Tables(chains={"SWARM-INPUT": (rule,)}) for f in ("ipv4", "ipv6")})
        return wanted_policy(declared(1, 1), "rk2", host, observed, {}).manager

    def seen(self, own: Node) -> dict[str, Membership | None]:
        return swarm([node(1), own, node(3)])

    def test_is_open_until_it_has_been_demoted(self) -> None:
        asked = replace(MANAGER, role="worker")  # the raft group has not let it go yet
        for own in (MANAGER, asked):
            assert self.is_open(self.seen(own)), own
        assert not self.is_open(self.seen(node(2, "worker")))

    def test_is_open_to_one_whose_engine_is_stopped(self) -> None:
        observed = {**self.seen(MANAGER), "rk2": Membership("stopped")}
        assert self.is_open(observed)

    def test_does_not_open_for_one_that_somebody_promotes_by_hand(self) -> None:
        promoted = replace(MANAGER, reachability="")
        assert not self.is_open(self.seen(promoted))

    def test_stays_as_it_is_where_nobody_can_say(self) -> None:
        for rule, expected in zip(RULES, (True, False), strict=True):
            assert self.is_open({"rk1": None, "rk2": None}, rule) is expected

    def test_is_shut_where_there_is_no_swarm(self) -> None:
        absent = Membership("absent")
        assert not self.is_open({"rk1": absent, "rk2": absent}, RULES[0])
