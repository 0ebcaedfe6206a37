"""The ingress network and overlays: what is changed, what is reported, what is refused and why."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pyinfra_swarm.networks.plan import (
    CreateOverlay,
    plan_ingress,
    plan_overlays,
    services_matter,
    unknown_names,
)
from pyinfra_swarm.nodes.membership import (
    Observed,
    Overlay,
    Service,
    SwarmSpec,
)
from pyinfra_swarm.run.findings import Change, Notice, Refusal
from pyinfra_swarm.settings import Host
from pyinfra_swarm.swarm.forecast import foresee
from pyinfra_swarm.swarm.plan import plan
from pyinfra_swarm.swarm.stages import OVERLAYS, Seen
from tests.builders import (
    ABSENT,
    CLEAR_INGRESS,
    CONVERGED,
    FRESH,
    INGRESS,
    SETTINGS,
    declared,
    nodes_of,
    swarm,
    the,
)
from tests.unit.swarm.whole_plan import everything

RK1, RK2, RK3, RK4 = SETTINGS.hosts


def test_only_the_acting_manager_replaces_the_ingress_network() -> None:
    observed = swarm(nodes_of(SETTINGS), (CLEAR_INGRESS,))
    assert "clear text → encrypted (replaced)" in the(
        Change, plan_ingress(SETTINGS, observed, RK1, ())
    )
    assert services_matter(SETTINGS, observed)
    assert not services_matter(SETTINGS, CONVERGED)
    for host in (RK2, RK3, RK4):
        assert plan_ingress(SETTINGS, observed, host, ()) == []


@pytest.mark.parametrize("host", [RK1, RK2, RK4])
def test_a_node_without_an_end_of_the_ingress_network_gets_one(host: Host) -> None:
    own = CONVERGED[host.name]
    assert own is not None
    observed = {**CONVERGED, host.name: replace(own, in_ingress=False)}
    sentence = the(Change, everything(SETTINGS, observed))
    assert "this node is not attached to it, so published ports do not answer here" in sentence
    for end in (True, None):
        assert not everything(SETTINGS, {**CONVERGED, host.name: replace(own, in_ingress=end)})


def test_a_node_has_no_end_of_a_network_that_is_to_be_replaced() -> None:
    said = swarm(nodes_of(SETTINGS), overlays=(CLEAR_INGRESS,))
    observed = {name: replace(m, in_ingress=False) for name, m in said.items() if m}
    findings = [f for host in SETTINGS.hosts for f in plan_ingress(SETTINGS, observed, host, ())]
    assert "clear text → encrypted (replaced)" in the(Change, findings)


def test_the_ingress_network_stays_while_an_unlocked_manager_is_in_no_network() -> None:
    """It could be removed there, and no other made."""
    said = swarm(nodes_of(SETTINGS), overlays=(CLEAR_INGRESS,))
    spec = SwarmSpec(certificate_expiry=7776000, autolock=True)
    observed = {
        name: replace(m, in_ingress=name != "rk1", spec=spec) for name, m in said.items() if m
    }
    sentence = the(Refusal, plan_ingress(SETTINGS, observed, RK1, ()))
    assert "cannot be replaced while this manager is in no overlay network" in sentence
    assert "`pyinfra inventory.py deploys/unlock.py` fixes that" in sentence


def test_an_interrupted_replacement_is_finished() -> None:
    observed = swarm(nodes_of(SETTINGS), ())
    assert "the swarm has none" in the(Change, plan_ingress(SETTINGS, observed, RK1, ()))


def test_ingress_is_not_replaced_under_services_that_publish_through_it() -> None:
    observed = swarm(nodes_of(SETTINGS), (CLEAR_INGRESS,))
    services = [Service("web", (), (80, 443)), Service("db", (), ())]
    sentence = the(Refusal, plan_ingress(SETTINGS, observed, RK1, services))
    assert "web (port 80, 443)" in sentence
    assert "db" not in sentence
    assert "--publish-rm" in sentence


def test_services_that_publish_nothing_are_no_obstacle() -> None:
    observed = swarm(nodes_of(SETTINGS), (CLEAR_INGRESS,))
    the(Change, plan_ingress(SETTINGS, observed, RK1, [Service("db", (), ())]))


def test_another_subnet_is_reported() -> None:
    observed = swarm(nodes_of(SETTINGS), (replace(INGRESS, subnets=("10.0.0.0/24",)),))
    sentence = the(Notice, plan_ingress(SETTINGS, observed, RK1, ()))
    assert "10.0.0.0/24 → 10.201.0.0/24" in sentence


def test_a_declared_overlay_is_made_encrypted() -> None:
    settings = declared(networks={"overlays": [{"name": "web"}]})
    assert "overlay web: is declared and does not exist (→ encrypted)" in the(
        Change, plan_overlays(settings, CONVERGED, settings.host("rk1"), ())
    )
    assert plan_overlays(settings, CONVERGED, settings.host("rk2"), ()) == []


EDGE = Overlay("net-edge", "edge", False, True, ("10.0.1.0/24",))


def told_of_edge(there: Overlay, host: Host = RK1, **wanted: Any) -> list[str]:
    settings = declared(networks={"overlays": [{"name": "edge", **wanted}]})
    found = plan_overlays(settings, swarm(nodes_of(settings), (INGRESS, there)), host, ())
    assert all(isinstance(finding, Notice) for finding in found)
    return [finding.sentence() for finding in found]


def test_a_declared_overlay_with_another_subnet_is_reported() -> None:
    """A proxy may believe whoever sends from the declared one."""
    [sentence] = told_of_edge(EDGE, subnet="10.210.0.0/24")
    assert sentence.startswith("overlay edge: has another subnet than declared")
    assert "(10.0.1.0/24 → 10.210.0.0/24). A network keeps what it was made with" in sentence
    assert "set its subnet in networks.overlays" in sentence
    assert told_of_edge(EDGE, subnet="10.0.1.0/24") == told_of_edge(EDGE) == []
    assert told_of_edge(EDGE, RK2, subnet="10.210.0.0/24") == []


def test_a_declared_overlay_that_lets_others_join_than_declared_is_reported() -> None:
    [sentence] = told_of_edge(replace(EDGE, attachable=True))
    assert sentence.startswith("overlay edge: lets single containers join, and is declared not to")
    assert "(attachable → not attachable). A network keeps" in sentence
    [sentence] = told_of_edge(EDGE, attachable=True)
    assert sentence.startswith("overlay edge: lets no single container join, and is declared to")
    assert "set its attachable in networks.overlays" in sentence
    assert told_of_edge(replace(EDGE, attachable=True), attachable=True) == []


def test_an_overlay_that_has_no_subnet_yet_has_no_other() -> None:
    assert told_of_edge(replace(EDGE, subnets=()), subnet="10.210.0.0/24") == []


def test_nobody_has_declared_what_a_tunnels_network_or_another_is_made_with() -> None:
    settings = declared(
        exposure={"mode": "tunnel", "tunnel": {"token": "tunnel_token"}},
        secrets=[{"name": "tunnel_token", "file": "~/tunnel_token"}],
    )
    assert [overlay.name for overlay in settings.overlays] == ["edge"]
    there = swarm(
        nodes_of(settings),
        (INGRESS, replace(EDGE, attachable=True), replace(EDGE, name="other", attachable=True)),
    )
    assert plan_overlays(settings, there, RK1, ()) == []


def test_an_overlay_to_come_is_as_declared_when_it_has_come() -> None:
    wanted = [{"name": "edge", "subnet": "10.210.0.0/24", "attachable": True}]
    settings = declared(networks={"overlays": wanted})
    seen = {**CONVERGED}
    [step] = plan_overlays(settings, seen, RK1, ())
    assert isinstance(step, CreateOverlay)
    foresee(settings, seen, RK1, step)
    assert plan_overlays(settings, seen, RK1, ()) == []
    edge = Overlay("", "edge", False, True, ("10.210.0.0/24",), attachable=True)
    assert (seen["rk2"] or FRESH).overlays == (INGRESS, edge)


def test_an_overlay_to_come_is_part_of_the_first_plan() -> None:
    settings = declared(networks={"overlays": [{"name": "web"}]})
    fresh: Observed = {host.name: ABSENT for host in settings.hosts}
    planned = plan(Seen(settings, fresh, planning=True))
    assert "does not exist (→ encrypted)" in the(Change, planned.of(OVERLAYS, "rk1"))
    assert planned.of(OVERLAYS, "rk2") == []


@pytest.mark.parametrize(
    ("services", "words"),
    [
        ((Service("blog", ("net-old",), ()),), "used in clear text by: blog"),
        ((), "nothing uses it"),
    ],
)
def test_a_clear_overlay_is_reported_with_who_uses_it(
    services: tuple[Service, ...], words: str
) -> None:
    observed = swarm(nodes_of(SETTINGS), (INGRESS, Overlay("net-old", "old", False, False, ())))
    assert words in the(Notice, plan_overlays(SETTINGS, observed, RK1, services))


def test_one_more_service_in_a_clear_overlay_is_no_other_fault() -> None:
    """A check reports a difference again where the words before a colon have changed."""
    observed = swarm(nodes_of(SETTINGS), (INGRESS, Overlay("net-old", "old", False, False, ())))
    users = [Service(name, ("net-old",), ()) for name in ("blog", "shop")]
    one, two = (
        [notice.reason for notice in plan_overlays(SETTINGS, observed, RK1, services)]
        for services in (users[:1], users)
    )
    assert one != two
    assert [reason.partition(": ")[0] for reason in one] == [
        reason.partition(": ")[0] for reason in two
    ]


def test_services_matter_where_one_network_of_several_is_clear() -> None:
    clear = Overlay("net-old", "old", False, False, ())
    assert services_matter(SETTINGS, swarm(nodes_of(SETTINGS), (INGRESS, clear)))
    assert not services_matter(SETTINGS, dict.fromkeys(CONVERGED, FRESH))


def test_without_a_manager_that_answers_no_network_is_judged() -> None:
    fresh = dict.fromkeys(CONVERGED, FRESH)
    assert plan_ingress(SETTINGS, fresh, RK1, ()) == []
    settings = declared(networks={"overlays": [{"name": "web"}]})
    assert plan_overlays(settings, fresh, settings.host("rk1"), ()) == []
    workers_only = {"rk4": CONVERGED["rk4"]}
    assert plan_overlays(settings, {**fresh, **workers_only}, settings.host("rk1"), ()) == []


def test_a_host_has_no_end_of_a_network_that_is_not_there_or_that_it_cannot_be_in() -> None:
    own = CONVERGED["rk4"]
    assert own is not None
    cut = {**CONVERGED, "rk4": replace(own, in_ingress=False)}
    rk4 = SETTINGS.host("rk4")
    assert plan_ingress(SETTINGS, cut, rk4, ())
    for otherwise in (
        {**cut, "rk4": None},
        {**cut, "rk4": replace(own, in_ingress=False, state="locked")},
        {**cut, "rk4": replace(own, in_ingress=False, node="node9")},
        {name: replace(m, overlays=()) if m and m.overlays else m for name, m in cut.items()},
    ):
        assert plan_ingress(SETTINGS, otherwise, rk4, ()) == []


@pytest.mark.parametrize(
    ("in_ingress", "spec", "kept"),
    [
        (False, SwarmSpec(7776000, autolock=True), True),
        (None, SwarmSpec(7776000, autolock=True), False),
        (True, SwarmSpec(7776000, autolock=True), False),
        (False, SwarmSpec(7776000, autolock=False), False),
        (False, None, False),
    ],
)
def test_only_a_manager_cut_off_by_its_lock_keeps_the_ingress_network(
    in_ingress: bool | None, spec: SwarmSpec | None, kept: bool
) -> None:
    said = swarm(nodes_of(SETTINGS), overlays=(CLEAR_INGRESS,))
    observed = {name: replace(m, in_ingress=in_ingress, spec=spec) for name, m in said.items() if m}
    [finding] = plan_ingress(SETTINGS, observed, RK1, ())
    assert isinstance(finding, Refusal) is kept


def test_the_ingress_network_is_none_of_the_overlays_and_they_are_told_by_name() -> None:
    web = Overlay("net-web", "web", False, True, ())
    old = [Overlay(f"net-{name}", name, False, False, ()) for name in ("zeta", "alpha")]
    services = [Service("blog", ("net-zeta",), ()), Service("shop", ("net-web",), ())]
    observed = swarm(nodes_of(SETTINGS), (web, CLEAR_INGRESS, *old))
    alpha, zeta = plan_overlays(SETTINGS, observed, RK1, services)
    assert (alpha.what, zeta.what) == ("overlay alpha", "overlay zeta")
    assert "nothing uses it" in alpha.reason
    assert zeta.reason.endswith("in clear text by: blog")
    assert "clear text → encrypted (replaced)" in the(
        Change, plan_ingress(SETTINGS, observed, RK1, ())
    )
    known = (Overlay("net-aaa", "aaa", False, True, ()), old[0], web, INGRESS)
    told = plan_overlays(SETTINGS, swarm(nodes_of(SETTINGS), known), RK1, ())
    assert [finding.what for finding in told] == ["overlay zeta"]


# Names of services
# -----------------


def knowing(**names: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    """All converged, and each of these hosts knows these services, by network."""
    found = {**CONVERGED}
    for name, known in names.items():
        own = CONVERGED[name]
        assert own is not None
        found[name] = replace(own, names=known)
    return found


def test_a_name_that_another_node_knows_and_this_one_does_not_is_told_here_alone() -> None:
    observed = knowing(
        rk1={"backend": ("db", "web"), "other": ("x",)},
        rk2={"backend": ("db",)},
        rk4={"backend": ("db", "web")},
    )
    for host in (RK1, RK3, RK4):
        assert plan_overlays(SETTINGS, observed, host, ()) == []
    (notice,) = plan_overlays(SETTINGS, observed, RK2, ())
    assert isinstance(notice, Notice)
    assert notice.what == "service web"
    assert "not known on this node in the network backend" in notice.reason
    assert "docker service update --force web" in notice.remedy


def test_a_node_that_the_network_does_not_reach_has_no_name_to_know() -> None:
    observed = knowing(rk1={"backend": ("db",)}, rk2={})
    assert plan_overlays(SETTINGS, observed, RK2, ()) == []


def test_a_node_that_is_not_active_is_not_judged_by_names() -> None:
    observed = knowing(rk1={"backend": ("db",)}, rk2={"backend": ()})
    assert len(unknown_names(observed, "rk2")) == 1
    observed["rk2"] = replace(observed["rk2"], state="locked")
    assert unknown_names(observed, "rk2") == unknown_names({**observed, "rk2": None}, "rk2") == []
