"""The root CA: when it is replaced, and what keeps that from ending."""

from __future__ import annotations

from typing import Any

import pytest

from pyinfra_swarm.keys.root_ca import plan_ca_rotation
from pyinfra_swarm.run.findings import Change, Refusal
from tests.builders import FRESH, the
from tests.unit.keys.clusters import (
    CONVERGED,
    DOWN,
    GONE,
    RK1,
    RK2,
    RK4,
    ROTATING,
    SETTINGS,
    cluster_of,
    of,
)


def test_the_root_is_replaced_in_the_acting_managers_name() -> None:
    sentence = the(Change, plan_ca_rotation(SETTINGS, CONVERGED, RK1))
    assert "both join tokens change" in sentence
    assert plan_ca_rotation(SETTINGS, CONVERGED, RK4) == []


@pytest.mark.parametrize(
    ("differing", "words"),
    [
        ({"rk4": DOWN}, "is not replaced while rk4 is down"),
        ({"rk3": GONE, "rk4": DOWN}, "is not replaced while rk3 and rk4 are down"),
        ({"rk2": {"reachability": "unreachable"}}, "is not replaced while rk2 is down"),
    ],
)
def test_the_root_is_not_replaced_while_a_node_is_down(
    differing: dict[str, Any], words: str
) -> None:
    observed = cluster_of(SETTINGS, **differing)
    for host in SETTINGS.hosts:
        sentence = the(Refusal, plan_ca_rotation(SETTINGS, observed, host))
        assert words in sentence
        assert "a node that was taken out has to join again" in sentence


def test_a_rotation_under_way_is_awaited_and_not_begun_again() -> None:
    observed = cluster_of(SETTINGS, ROTATING, old=("rk3", "rk4"))
    sentence = the(Change, plan_ca_rotation(SETTINGS, observed, RK1, awaited=True))
    assert "is being replaced already; the end is awaited" in sentence
    assert "2 of 4 nodes have a new certificate" in sentence
    assert plan_ca_rotation(SETTINGS, observed, RK2, awaited=True) == []


def test_a_rotation_that_ends_while_it_is_awaited_leaves_nothing_to_do() -> None:
    assert plan_ca_rotation(SETTINGS, CONVERGED, RK1, awaited=True) == []


def test_a_rotation_that_cannot_end_is_said_at_once() -> None:
    observed = cluster_of(SETTINGS, ROTATING, old=("rk4",), rk4=DOWN)
    sentence = the(Refusal, plan_ca_rotation(SETTINGS, observed, RK1))
    assert "cannot end before rk4 has a certificate of the new one, and it is down" in sentence


def test_a_node_that_went_down_with_its_new_certificate_holds_up_nothing() -> None:
    observed = cluster_of(SETTINGS, ROTATING, old=("rk3",), rk4=DOWN)
    assert "is awaited" in the(Change, plan_ca_rotation(SETTINGS, observed, RK1))


def test_two_nodes_that_hold_it_up_are_named() -> None:
    observed = cluster_of(SETTINGS, ROTATING, old=("rk3", "rk4"), rk3=GONE, rk4=DOWN)
    sentence = the(Refusal, plan_ca_rotation(SETTINGS, observed, RK1))
    assert "before rk3 and rk4 have a certificate of the new one, and they are down" in sentence
    untold = of(CONVERGED, "rk1", spec=None)
    assert "no declared manager" in the(Refusal, plan_ca_rotation(SETTINGS, untold, RK1))


def test_without_a_swarm_nothing_is_replaced() -> None:
    fresh = dict.fromkeys(CONVERGED, FRESH)
    assert "no declared manager" in the(Refusal, plan_ca_rotation(SETTINGS, fresh, RK1))
