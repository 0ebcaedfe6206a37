"""Who meets whom in a proof, who takes no part, and what stands against it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pyinfra_swarm.networks.attachments import Attachment
from pyinfra_swarm.nodes.membership import Membership, Node, Overlay
from pyinfra_swarm.proof.crossings import (
    NO_INGRESS,
    crossings,
    has_ingress,
    plan_proof,
    unproven,
)
from pyinfra_swarm.run.findings import Notice, Refusal, refusals
from pyinfra_swarm.settings import Settings
from tests import builders
from tests.builders import INGRESS

APP = Overlay("net-app", "app", False, True, ("10.200.1.0/24",))
NAMES = ("rk1", "rk2", "rk3", "rk4")


def declared(count: int = 4) -> Settings:
    return builders.declared(1, count - 1)


def node(number: int, **differing: Any) -> Node:
    return builders.node(number, "manager" if number == 1 else "worker", **differing)


def swarm(
    *nodes: Node, overlays: tuple[Overlay, ...] = (INGRESS, APP)
) -> dict[str, Membership | None]:
    members = {
        entry.hostname: Membership(
            "running",
            hostname=entry.hostname,
            state="active",
            node=entry.id,
            address=entry.address,
        )
        for entry in nodes
    }
    manager = replace(
        members["rk1"], manager=True, cluster="c", nodes=nodes, overlays=overlays, in_ingress=True
    )
    return {**members, "rk1": manager}


def end(number: int, network: str = "ingress", **differing: Any) -> Attachment:
    ingress = network == "ingress"
    third = 0 if ingress else 1
    entry = Attachment(
        network=network,
        ingress=ingress,
        encrypted=True,
        vni=4096 + third,
        sandbox="ingress_sbox" if ingress else f"lb_{network}",
        address=f"10.20{third}.0.{number}",
        mac=f"02:42:0a:00:0{third}:0{number}",
        mtu=1424,
    )
    return replace(entry, **differing)


def everywhere(count: int = 4) -> dict[str, tuple[Attachment, ...] | None]:
    return {f"rk{number}": (end(number),) for number in range(1, count + 1)}


FOUR = swarm(*map(node, range(1, 5)))


def pairs(found: Any) -> set[tuple[str, str, str]]:
    return {(crossing.network, crossing.sender, crossing.receiver) for crossing in found}


def test_every_ordered_pair_meets_in_every_network_that_both_are_in() -> None:
    ends = everywhere()
    ends["rk2"] = (end(2), end(2, "app"))
    ends["rk4"] = (end(4), end(4, "app"))
    found = crossings(declared(), FOUR, ends)
    assert pairs(found) == {("ingress", a, b) for a in NAMES for b in NAMES if a != b} | {
        ("app", "rk2", "rk4"),
        ("app", "rk4", "rk2"),
    }
    assert [crossing.network for crossing in found] == ["ingress"] * 12 + ["app"] * 2
    last = found[-1]
    assert (last.source, last.target) == (end(4, "app"), end(2, "app"))
    assert last.underlay == ("192.168.1.14", "192.168.1.12")


def test_of_a_network_in_clear_text_nothing_is_proven_and_it_is_named_once() -> None:
    clear = replace(APP, encrypted=False)
    observed = swarm(*map(node, range(1, 5)), overlays=(INGRESS, clear))
    ends = {name: (end(n), end(n, "app", encrypted=False)) for n, name in enumerate(NAMES, 1)}
    assert {crossing.network for crossing in crossings(declared(), observed, ends)} == {"ingress"}
    [notice] = plan_proof(declared(), observed, ends, "rk1")
    assert notice.sentence() == (
        "overlay app: is not encrypted, so there is nothing to prove of it (clear text → encrypted)"
    )
    assert plan_proof(declared(), observed, ends, "rk2") == []


@pytest.mark.parametrize("clear", ["rk2", "rk3"])
def test_a_network_that_one_of_two_ends_says_is_in_clear_text_is_not_crossed(clear: str) -> None:
    ends = everywhere()
    for name in ("rk2", "rk3"):
        number = int(name[-1])
        ends[name] = (end(number), end(number, "app", encrypted=name != clear))
    assert {network for network, *_ in pairs(crossings(declared(), FOUR, ends))} == {"ingress"}


def test_with_a_focus_only_pairs_with_that_host_meet() -> None:
    found = crossings(declared(), FOUR, everywhere(), ["rk3"])
    assert pairs(found) == {("ingress", a, "rk3") for a in NAMES if a != "rk3"} | {
        ("ingress", "rk3", b) for b in NAMES if b != "rk3"
    }


def test_drained_and_paused_nodes_take_part() -> None:
    observed = swarm(node(1), node(2, availability="drain"), node(3, availability="pause"), node(4))
    assert unproven(declared(), observed, everywhere()) == {}
    assert len(crossings(declared(), observed, everywhere())) == 12


def test_a_single_node_meets_nobody() -> None:
    assert crossings(declared(1), swarm(node(1)), everywhere(1)) == ()
    assert plan_proof(declared(1), swarm(node(1)), everywhere(1), "rk1") == []


def test_who_takes_no_part_is_named_with_the_reason() -> None:
    observed = swarm(node(1), node(2, state="down"), node(3), node(4))
    observed["rk3"] = None
    ends = {**everywhere(), "rk3": None, "rk4": ()}
    assert unproven(declared(), observed, ends) == {
        "rk2": "is down",
        "rk3": "does not answer",
        "rk4": NO_INGRESS,
    }
    assert crossings(declared(), observed, ends) == ()


@pytest.mark.parametrize(
    ("differing", "reason"),
    [
        (Membership("stopped"), "its Docker is stopped"),
        (Membership("absent"), "its Docker is absent"),
        (Membership("running", hostname="rk2"), "is not in the swarm"),
    ],
)
def test_a_host_that_is_not_a_running_node_takes_no_part(
    differing: Membership, reason: str
) -> None:
    observed = {**FOUR, "rk2": differing}
    assert unproven(declared(), observed, everywhere())["rk2"] == reason
    [notice] = plan_proof(declared(), observed, everywhere(), "rk2")
    assert isinstance(notice, Notice)
    assert notice.sentence() == f"node rk2: takes no part in the proof: {reason}"


NOT_DECLARED = "is in the swarm, but not declared, so it could not be asked"


@pytest.mark.parametrize("own", [None, Membership("stopped"), Membership("absent")])
def test_a_node_whose_own_host_is_silent_is_no_stranger(own: Membership | None) -> None:
    assert [*unproven(declared(), {**FOUR, "rk2": own}, everywhere())] == ["rk2"]


def test_an_entry_of_a_host_s_earlier_life_is_told_by_its_id() -> None:
    """The host answers, and says that it is another node, or none: its name would say too much."""
    observed = {**FOUR, "rk2": Membership("running", hostname="rk2")}
    assert unproven(declared(), observed, everywhere()) == {
        "rk2": "is not in the swarm",
        "node2": NOT_DECLARED,
    }


def test_each_is_told_once_by_itself_or_by_the_manager_that_speaks_for_it() -> None:
    observed = {**swarm(*map(node, range(1, 6))), "rk2": Membership("stopped"), "rk3": None}
    del observed["rk5"]
    told = {
        name: [finding.what for finding in plan_proof(declared(), observed, everywhere(), name)]
        for name in NAMES
    }
    assert told == {
        "rk1": ["node rk3", "node rk5"],
        "rk2": ["node rk2"],
        "rk3": ["node rk3"],
        "rk4": [],
    }


def test_a_host_that_gave_no_answer_has_no_end_of_the_ingress() -> None:
    ends = {"rk1": None, "rk2": (end(2, "app"),), "rk3": (end(3, "app"), end(3))}
    assert [has_ingress(ends, name) for name in NAMES] == [False, False, True, False]


def test_a_node_that_is_not_declared_is_named_by_the_manager_that_knows_it() -> None:
    observed = swarm(*map(node, range(1, 6)))
    del observed["rk5"]
    assert unproven(declared(), observed, everywhere()) == {"rk5": NOT_DECLARED}
    [notice] = plan_proof(declared(), observed, everywhere(), "rk1")
    assert "is in the swarm, but not declared" in notice.reason
    assert plan_proof(declared(), observed, everywhere(), "rk2") == []


def test_a_ready_node_outside_of_the_ingress_is_told_what_mends_it() -> None:
    [notice] = plan_proof(declared(), FOUR, {**everywhere(), "rk2": ()}, "rk2")
    assert "deploys/swarm.py" in notice.remedy


def test_without_a_manager_that_answers_every_host_refuses() -> None:
    observed = {**FOUR, "rk1": None}
    for name in NAMES:
        [refusal] = plan_proof(declared(), observed, everywhere(), name)
        assert isinstance(refusal, Refusal)
        assert "no manager of a swarm answers" in refusal.reason
        assert "deploys/swarm.py" in refusal.remedy
    assert crossings(declared(), observed, everywhere()) == ()


@pytest.mark.parametrize(
    ("overlays", "reason"),
    [
        ((), "is not encrypted: the ingress network is missing"),
        ((replace(INGRESS, encrypted=False),), "is not encrypted: the ingress network is not"),
    ],
)
def test_an_ingress_in_clear_text_needs_no_packets_to_be_refused(
    overlays: tuple[Overlay, ...], reason: str
) -> None:
    observed = swarm(*map(node, range(1, 5)), overlays=overlays)
    for name in NAMES:
        [refusal] = refusals(plan_proof(declared(), observed, everywhere(), name))
        assert refusal.reason == reason
