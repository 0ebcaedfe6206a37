"""Who is in the swarm is let in, declared or not: shut out, a manager would keep its vote."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cluster.firewall.policy import members, policy
from tests.unit.test_swarm_plan import declared, node

SETTINGS = declared(1, 0)
MANAGER = node(2)
WORKER = node(4, "worker")
GONE: dict[str, Any] = {"state": "down"}


def test_nodes_that_nobody_declares_any_more_are_let_in_until_they_have_been_removed() -> None:
    still = members([MANAGER, WORKER])
    made = policy(SETTINGS, "rk1", ssh_ports=(22,), bridges=(), cut_clear_vxlan=True, members=still)
    assert made.peers == (SETTINGS.hosts[0].address, MANAGER.address, WORKER.address)


def test_a_declared_host_is_let_in_once_also_at_the_address_that_the_swarm_still_has() -> None:
    own = replace(node(1), address="192.168.1.99")
    made = policy(
        SETTINGS, "rk1", ssh_ports=(22,), bridges=(), cut_clear_vxlan=True, members=members([own])
    )
    assert made.peers == (SETTINGS.hosts[0].address, "192.168.1.99")
    again = members([node(1)])
    made = policy(SETTINGS, "rk1", ssh_ports=(22,), bridges=(), cut_clear_vxlan=True, members=again)
    assert made.peers == (SETTINGS.hosts[0].address,)


def test_a_worker_that_is_down_is_not_waited_for_but_a_manager_has_its_vote() -> None:
    assert members([replace(WORKER, **GONE), replace(MANAGER, **GONE)]) == (MANAGER.address,)


def test_an_address_that_an_engine_does_not_know_opens_nothing() -> None:
    assert members([replace(WORKER, address=text) for text in ("", "0.0.0.0", "127.0.0.1")]) == ()
