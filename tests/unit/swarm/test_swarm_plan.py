"""The swarm's plan as a whole: what it takes, and that it never fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given

from pyinfra_swarm.nodes.membership import (
    Membership,
    Observed,
    Overlay,
)
from pyinfra_swarm.nodes.quorum import may_restart
from tests.builders import (
    ABSENT,
    INGRESS,
    SETTINGS,
    declared,
    nodes_of,
    swarm,
)
from tests.unit.swarm.whole_plan import OBSERVED, everything

RK1, RK2, RK3, RK4 = SETTINGS.hosts


@pytest.mark.parametrize("managers", range(1, 10))
@pytest.mark.parametrize("hosts", [0, 1, 11])
def test_a_converged_cluster_needs_nothing(managers: int, hosts: int) -> None:
    settings = declared(managers, hosts)
    assert everything(settings, swarm(nodes_of(settings))) == []


def test_a_cluster_with_all_that_can_be_declared_needs_nothing_once_it_is_there() -> None:
    settings = declared(
        rk4={"labels": {"disk": "nvme"}, "availability": "drain"},
        networks={"overlays": [{"name": "web"}]},
    )
    nodes = nodes_of(settings)
    nodes[3] = replace(nodes[3], labels={"disk": "nvme"}, availability="drain")
    overlays = (INGRESS, Overlay("net-web", "web", False, True, ()))
    assert everything(settings, swarm(nodes, overlays)) == []


def test_a_fresh_cluster_is_planned_whole() -> None:
    fresh: Observed = {host.name: ABSENT for host in SETTINGS.hosts}
    found = [finding.sentence() for finding in everything(SETTINGS, fresh)]
    assert found == [
        "the swarm: no declared manager is in one, so the first one initialises it "
        "(→ advertised at 192.168.1.11)",
        "ingress: is not encrypted (clear text → encrypted (replaced))",
        *["the swarm: this host is not in it yet (→ joined as a worker)"] * 3,
        *["role: is declared a manager (worker → manager)"] * 2,
    ]


@given(OBSERVED)
def test_no_plan_fails_on_any_observation(observed: Mapping[str, Membership | None]) -> None:
    settings = declared(3, 2, rk5={"labels": {"disk": "nvme"}})
    for finding in everything(settings, observed):
        assert finding.sentence()
    for host in settings.hosts:
        may_restart(settings, observed, host.name)
