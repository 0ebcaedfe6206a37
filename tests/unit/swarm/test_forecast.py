"""What a step will have made of the swarm, step by step: the next stage is planned from that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from pyinfra_swarm.networks.plan import AttachIngress, CreateOverlay, ReplaceIngress
from pyinfra_swarm.nodes.membership import Membership, Node, Observed, Overlay
from pyinfra_swarm.nodes.steps import Step
from pyinfra_swarm.swarm.forecast import foresee, start_engines
from pyinfra_swarm.swarm.init import Init
from pyinfra_swarm.swarm.join import AwaitJoin, Clear, Join
from pyinfra_swarm.swarm.labels import SetAvailability, SetLabel
from pyinfra_swarm.swarm.roles import Demote, Promote
from tests.builders import (
    ABSENT,
    CLEAR_INGRESS,
    CONVERGED,
    FRESH,
    INGRESS,
    SETTINGS,
    SILENT,
    declared,
    node,
    nodes_of,
    swarm,
)

WORDS = ("what", "why")
RK1, RK2, _, RK4 = SETTINGS.hosts
NODES = tuple(nodes_of(SETTINGS))


def after(observed: Observed, name: str, one: Step) -> dict[str, Membership | None]:
    """What is foreseen of all hosts once a host has done this step."""
    seen = dict(observed)
    foresee(SETTINGS, seen, SETTINGS.host(name), one)
    return seen


def told(observed: Mapping[str, Membership | None], name: str) -> Membership:
    own = observed[name]
    assert own is not None
    return own


def everywhere(observed: Mapping[str, Membership | None], **differing: Any) -> Any:
    """The same hosts, where all managers that answer say something else of the swarm."""
    return {
        name: replace(own, **differing) if own and own.controls else own
        for name, own in observed.items()
    }


# Founding and joining
# --------------------


@pytest.mark.parametrize("own", [ABSENT, FRESH, SILENT])
def test_who_founds_is_the_only_manager_and_leads_over_a_clear_ingress(
    own: Membership | None,
) -> None:
    founder = told(after({"rk1": own, "rk4": FRESH}, "rk1", Init(*WORDS)), "rk1")
    [entry] = founder.nodes or ()
    assert entry == Node(
        id=entry.id,
        hostname="fresh" if own is FRESH else "rk1",
        address="192.168.1.11",
        role="manager",
        availability="active",
        state="ready",
        leader=True,
        reachability="reachable",
        labels={},
        engine_version="",
    )
    assert (founder.engine, founder.state, founder.manager) == ("running", "active", True)
    assert (founder.node, founder.address) == (entry.id, entry.address)
    assert founder.cluster
    assert founder.overlays == (replace(CLEAR_INGRESS, id="", subnets=()),)


def test_founding_changes_no_other_host() -> None:
    assert after({"rk1": FRESH, "rk4": FRESH}, "rk1", Init(*WORDS))["rk4"] is FRESH


@pytest.mark.parametrize("one", [Join(*WORDS), AwaitJoin(*WORDS)])
@pytest.mark.parametrize("own", [FRESH, ABSENT])
def test_who_joins_is_a_ready_worker_that_every_manager_lists(own: Membership, one: Step) -> None:
    seen = after({**swarm(list(NODES[:3])), "rk4": own}, "rk4", one)
    for name in ("rk1", "rk2", "rk3"):
        *others, entry = told(seen, name).nodes or ()
        assert tuple(others) == NODES[:3]
        assert entry == Node(
            id=entry.id,
            hostname="fresh" if own is FRESH else "rk4",
            address="192.168.1.14",
            role="worker",
            availability="active",
            state="ready",
            leader=False,
            reachability="",
            labels={},
            engine_version="",
        )
    joined = told(seen, "rk4")
    assert (joined.engine, joined.state, joined.manager) == ("running", "active", False)
    assert (joined.node, joined.address) == (entry.id, "192.168.1.14")


def test_who_was_joining_already_keeps_its_entry() -> None:
    own = Membership("running", "rk4", "pending", "node4")
    seen = after({**CONVERGED, "rk4": own}, "rk4", AwaitJoin(*WORDS))
    assert told(seen, "rk1").nodes == NODES
    assert told(seen, "rk4").node == "node4"


def test_of_a_swarm_without_a_manager_that_answers_nothing_is_known_after_joining() -> None:
    observed = {"rk1": SILENT, "rk4": FRESH}
    assert after(observed, "rk4", Join(*WORDS)) == observed


# Networks
# --------


def test_a_new_ingress_takes_the_old_ones_place_and_all_that_can_say_are_in_it() -> None:
    app = Overlay("net-app", "app", False, False, ())
    observed = everywhere(CONVERGED, overlays=(CLEAR_INGRESS, app), in_ingress=False)
    observed["rk3"] = SILENT
    seen = after(observed, "rk1", ReplaceIngress(*WORDS))
    assert told(seen, "rk2").overlays == (app, replace(INGRESS, id=""))
    assert [m and m.in_ingress for m in seen.values()] == [True, True, None, None]
    assert seen["rk3"] is SILENT


def test_who_enters_the_ingress_is_in_it_alone() -> None:
    seen = after(CONVERGED, "rk2", AttachIngress(*WORDS, node="node2"))
    assert told(seen, "rk2").in_ingress is True
    assert {name for name, own in seen.items() if own != CONVERGED[name]} == {"rk2"}


def test_a_network_that_is_made_is_encrypted_and_known_to_all_managers() -> None:
    seen = after(CONVERGED, "rk1", CreateOverlay(*WORDS, name="app"))
    made = Overlay("", "app", ingress=False, encrypted=True, subnets=())
    for name in ("rk1", "rk2", "rk3"):
        assert told(seen, name).overlays == (INGRESS, made)
    assert told(seen, "rk4").overlays is None
    none = everywhere(CONVERGED, overlays=None)
    seen = after(none, "rk1", CreateOverlay(*WORDS, name="app"))
    assert told(seen, "rk1").overlays == (made,)


# Nodes
# -----


def test_an_entry_that_is_cleared_is_gone_from_every_managers_list() -> None:
    twin = node(4, "worker", id="twin", state="down")
    seen = after(swarm([*NODES, twin]), "rk4", Clear(*WORDS, node=twin))
    assert all(told(seen, name).nodes == NODES for name in ("rk1", "rk2", "rk3"))


def test_who_is_promoted_is_reachable_and_answers_for_the_swarm() -> None:
    nodes = (*NODES[:2], node(3, "worker"), NODES[3])
    seen = after(swarm(list(nodes)), "rk3", Promote(*WORDS, node="node3"))
    own = told(seen, "rk3")
    assert (own.manager, own.cluster) == (True, "swarm1")
    assert (own.nodes, own.overlays) == (NODES, (INGRESS,))
    assert all(told(seen, name).nodes == NODES for name in ("rk1", "rk2"))


def test_the_promotion_of_a_node_that_is_still_to_come_changes_nothing_yet() -> None:
    assert after(CONVERGED, "rk4", Promote(*WORDS, node="")) == CONVERGED


def test_with_no_manager_that_answers_a_promotion_makes_none() -> None:
    observed = {"rk1": SILENT, "rk2": Membership("running", "rk2", "active", "node2")}
    assert after(observed, "rk2", Promote(*WORDS, node="node2")) == observed


def test_who_is_demoted_is_a_worker_that_answers_for_nothing() -> None:
    demote = Demote(*WORDS, node="node2", on="rk1", leader=False)
    seen = after(CONVERGED, "rk2", demote)
    own = told(seen, "rk2")
    assert (own.manager, own.cluster, own.nodes, own.overlays) == (False, "", None, None)
    assert own.in_swarm
    assert told(seen, "rk1").nodes == (NODES[0], node(2, "worker"), *NODES[2:])


def test_a_leader_that_is_demoted_leaves_the_lead_to_the_first_that_votes() -> None:
    demote = Demote(*WORDS, node="node1", on="rk2", leader=True)
    nodes = told(after(CONVERGED, "rk1", demote), "rk2").nodes
    assert nodes == (node(1, "worker", leader=False), replace(NODES[1], leader=True), *NODES[2:])


def test_with_the_last_manager_demoted_nobody_leads() -> None:
    demote = Demote(*WORDS, node="node1", on="rk1", leader=True)
    seen = after(swarm([node(1), node(4, "worker")]), "rk1", demote)
    assert not any(own and own.controls for own in seen.values())
    assert told(seen, "rk1").nodes is None


def test_with_no_other_that_votes_the_lead_is_nobodys() -> None:
    nodes = (node(1), node(4, "worker"))
    observed = {"rk1": told(CONVERGED, "rk1"), "rk2": told(CONVERGED, "rk2")}
    demote = Demote(*WORDS, node="node1", on="rk2", leader=True)
    seen = after(everywhere(observed, nodes=nodes), "rk1", demote)
    assert [one.leader for one in told(seen, "rk2").nodes or ()] == [False, False]


def test_a_label_is_added_to_those_of_the_hosts_own_node() -> None:
    nodes = [*NODES[:3], node(4, "worker", labels={"zone": "attic", "disk": "ssd"})]
    seen = after(swarm(nodes), "rk4", SetLabel(*WORDS, key="disk", value="nvme"))
    *others, own = told(seen, "rk1").nodes or ()
    assert own.labels == {"zone": "attic", "disk": "nvme"}
    assert tuple(others) == NODES[:3]
    gone = {**CONVERGED, "rk4": replace(told(CONVERGED, "rk4"), node="node9")}
    assert after(gone, "rk4", SetLabel(*WORDS, key="disk", value="nvme")) == gone


def test_where_no_manager_answers_a_label_changes_nothing_that_is_known() -> None:
    observed = {"rk1": SILENT, "rk4": CONVERGED["rk4"]}
    assert after(observed, "rk4", SetLabel(*WORDS, key="disk", value="nvme")) == observed


def test_an_availability_is_set_on_the_hosts_own_node() -> None:
    seen = after(CONVERGED, "rk4", SetAvailability(*WORDS, availability="drain"))
    assert told(seen, "rk2").nodes == (*NODES[:3], replace(NODES[3], availability="drain"))


def test_what_managers_share_is_not_made_anew_for_each() -> None:
    """There may be many of them, and many steps."""
    drained = SetAvailability(*WORDS, availability="drain")
    seen = after(everywhere(CONVERGED, nodes=NODES), "rk4", drained)
    assert told(seen, "rk1").nodes is told(seen, "rk3").nodes


def test_a_manager_that_cannot_answer_learns_nothing() -> None:
    mute = replace(told(CONVERGED, "rk2"), nodes=None, overlays=None)
    for one in (
        SetAvailability(*WORDS, availability="drain"),
        CreateOverlay(*WORDS, name="app"),
    ):
        assert after({**CONVERGED, "rk2": mute}, "rk4", one)["rk2"] == mute


def test_managers_that_see_different_lists_keep_their_own() -> None:
    """What one does not list, it is not told of by a change to another's."""
    behind = replace(told(CONVERGED, "rk2"), nodes=NODES[:3])
    seen = after({**CONVERGED, "rk2": behind}, "rk4", SetAvailability(*WORDS, availability="pause"))
    assert told(seen, "rk2").nodes == NODES[:3]
    assert told(seen, "rk1").nodes == (*NODES[:3], replace(NODES[3], availability="pause"))


# Engines that are stopped
# ------------------------


def started(observed: Observed) -> dict[str, Membership | None]:
    seen = dict(observed)
    start_engines(SETTINGS, seen)
    return seen


@pytest.mark.parametrize("host", [RK2, RK4])
def test_a_stopped_engine_comes_back_as_the_node_that_it_was(host: Any) -> None:
    down: dict[str, Any] = {"state": "down"}
    if host.is_manager:
        down["reachability"] = "unreachable"
    nodes = [replace(n, **down) if n.hostname == host.name else n for n in NODES]
    seen = started({**swarm(nodes), host.name: Membership("stopped")})
    number = host.name[2:]
    assert seen[host.name] == Membership(
        "running",
        hostname=host.name,
        state="active",
        node=f"node{number}",
        address=host.address,
        manager=host.is_manager,
    )
    assert told(seen, "rk1").nodes == NODES


@pytest.mark.parametrize("own", [SILENT, FRESH, ABSENT])
def test_only_a_stopped_engine_is_started(own: Membership | None) -> None:
    assert started({**CONVERGED, "rk2": own})["rk2"] is own


def test_where_no_manager_answers_nobody_knows_what_an_engine_was() -> None:
    observed = {"rk1": SILENT, "rk2": Membership("stopped")}
    assert started(observed) == observed


def test_a_stopped_engine_is_no_node_that_another_host_says_it_is() -> None:
    other = replace(told(CONVERGED, "rk4"), node="node2")
    observed = {**CONVERGED, "rk2": Membership("stopped"), "rk4": other}
    assert started(observed) == observed


def test_one_that_is_no_node_keeps_no_other_from_being_started() -> None:
    """Each is looked at: what is true of the first says nothing of the next."""
    nodes = [NODES[0], replace(NODES[3], state="down")]
    stopped = Membership("stopped")
    observed = {**swarm(nodes), "rk2": stopped, "rk3": SILENT, "rk4": stopped}
    seen = started(observed)
    assert seen["rk2"] is stopped
    assert told(seen, "rk4").engine == "running"


def test_who_comes_back_among_declared_workers_is_what_the_managers_list_it_as() -> None:
    """Declared as a worker, and still a manager: it has to be demoted, not to join."""
    settings = declared(1, 3)
    nodes = [node(1), node(2, state="down", reachability="unreachable", leader=False)]
    seen = {**swarm([*nodes, node(3)]), "rk2": Membership("stopped")}
    start_engines(settings, seen)
    assert told(seen, "rk2").manager
    assert told(seen, "rk1").nodes == (node(1), node(2), node(3))


def test_the_first_host_can_be_the_one_that_is_stopped() -> None:
    nodes = [replace(NODES[0], state="down", reachability="unreachable"), *NODES[1:]]
    seen = started({**swarm(nodes), RK1.name: Membership("stopped")})
    assert told(seen, "rk1").manager
    assert told(seen, "rk2").nodes == NODES


def test_a_step_that_nobody_has_thought_of_is_an_error() -> None:
    @dataclass(frozen=True)
    class Unheard(Step):
        """A step of no stage."""

    with pytest.raises(NotImplementedError, match="Unheard"):
        after({"rk1": FRESH}, "rk1", Unheard(*WORDS))
