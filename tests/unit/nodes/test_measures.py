"""What a report shows of the cluster besides its differences."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pyinfra_swarm.nodes.measures import exposure, managers, networks, nodes
from pyinfra_swarm.nodes.membership import Membership, Node, Overlay
from tests import builders
from tests.builders import declared


def node(number: int, **more: Any) -> Node:
    """The second one is the leader, the fourth a worker."""
    there = {"role": "worker" if number == 4 else "manager", "leader": number == 2}
    return builders.node(number, **{**there, **more})


LISTED = tuple(node(number) for number in (1, 2, 3, 4))
INGRESS = Overlay("n1", "ingress", ingress=True, encrypted=True, subnets=())
CLEAR = Overlay("n2", "old", ingress=False, encrypted=False, subnets=())


def swarm(
    listed: tuple[Node, ...] = LISTED, overlays: tuple[Overlay, ...] = (INGRESS,)
) -> dict[str, Membership | None]:
    manager = Membership("running", state="active", manager=True, nodes=listed, overlays=overlays)
    worker = Membership("running", state="active")
    return {
        **{f"rk{n}": replace(manager, node=f"node{n}") for n in (1, 2, 3)},
        "rk4": replace(worker, node="node4"),
    }


def test_each_node_is_told_under_the_name_of_its_host() -> None:
    told = nodes(declared(), swarm((*LISTED[:3], node(4, hostname="debian"))))
    assert list(told) == ["rk1", "rk2", "rk3", "rk4"]
    assert told["rk4"] == {
        "role": "worker",
        "leader": False,
        "state": "ready",
        "availability": "active",
        "reachability": "",
        "engine": "28.5.2",
        "declared": True,
    }
    assert [name for name, one in told.items() if one["leader"]] == ["rk2"]


def test_a_silent_host_is_known_by_its_address() -> None:
    observed = {**swarm((*LISTED[:3], node(4, hostname="x", state="down"))), "rk4": None}
    assert nodes(declared(), observed)["rk4"]["state"] == "down"
    assert nodes(declared(), observed)["rk4"]["declared"] is True


def test_a_node_of_no_declared_host_is_told_as_such() -> None:
    told = nodes(declared(), swarm((*LISTED, node(9, role="worker"))))
    assert told["rk9"]["declared"] is False


@pytest.mark.parametrize(
    ("unreachable", "margin"), [((), 1), ((1,), 0), ((1, 3), -1)], ids=["all", "two", "one"]
)
def test_the_margin_is_how_many_more_managers_may_fail(
    unreachable: tuple[int, ...], margin: int
) -> None:
    listed = tuple(
        node(n, reachability="unreachable") if n in unreachable else node(n) for n in (1, 2, 3, 4)
    )
    told = managers(declared(), swarm(listed))
    assert told == {
        "managers": 3,
        "reachable": 3 - len(unreachable),
        "needed": 2,
        "margin": margin,
    }


def test_networks_are_told_with_their_encryption() -> None:
    assert networks(declared(), swarm(overlays=(INGRESS, CLEAR))) == {
        "ingress": True,
        "old": False,
    }


def test_without_a_manager_that_answers_nothing_is_said() -> None:
    silent: dict[str, Membership | None] = dict.fromkeys(("rk1", "rk2", "rk3", "rk4"))
    assert nodes(declared(), silent) == {}
    assert managers(declared(), silent) == {}
    assert networks(declared(), silent) == {}


@pytest.mark.parametrize(
    ("firewall", "said"),
    [
        ({}, "80, 443 from Cloudflare only"),
        ({"web": "open", "web_ports": [443]}, "443 from anywhere"),
        ({"web": "closed"}, "no web ports"),
        ({"web": "listed", "web_sources": ["192.0.2.0/24"]}, "80, 443 from 1 network"),
        ({"enabled": False}, "whatever is published: no firewall"),
        ({"inbound": "accept"}, "80, 443 from Cloudflare only; the hosts' own ports open"),
    ],
)
def test_the_exposure_is_said_in_a_few_words(firewall: dict[str, Any], said: str) -> None:
    assert exposure(declared(firewall=firewall)) == said
