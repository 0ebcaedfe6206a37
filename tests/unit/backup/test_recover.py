"""When a lost quorum is recovered, and what forbids it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pyinfra_swarm.backup.force_new_cluster import Attach, ClearEntry, lost_entries
from pyinfra_swarm.backup.recover import recovery_target
from pyinfra_swarm.nodes.membership import Membership, SwarmSpec
from pyinfra_swarm.run.findings import Refusal, changes, refusals
from tests.builders import INGRESS, SETTINGS
from tests.unit.backup.lost_managers import (
    ALONE,
    FRESH,
    LIVING,
    everywhere,
    manager,
    member,
    node,
    only_refused,
    recovering,
    remains,
    sentences,
    whats,
)


def test_two_of_three_are_lost_and_the_third_continues() -> None:
    findings = recovering(**ALONE)
    assert not refusals(findings)
    assert [change.what for change in changes(findings)] == ["the swarm", "node rk2", "node rk3"]
    assert "what the others had agreed on and rk1 has not heard of is lost" in sentences(findings)


def test_a_lost_manager_is_named_whatever_the_nodes_are_called() -> None:
    at = {"z": "192.168.1.12:2377", "a": "192.168.1.13:2377"}
    alone = {**ALONE, "rk1": (replace(manager("rk1"), remote_managers=at), member("rk1"))}
    told = [change.what for change in changes(recovering(**alone))]
    assert told == ["the swarm", "node rk2", "node rk3"]


def test_lost_managers_may_have_been_installed_again() -> None:
    reinstalled = {**ALONE, "rk2": (FRESH, remains("rk2")), "rk3": (FRESH, remains("rk3"))}
    assert not refusals(recovering(**reinstalled))


def test_a_leader_that_has_not_noticed_yet_is_no_quorum() -> None:
    lost = tuple(node(name, reachability="unreachable") for name in ("rk2", "rk3"))
    stale = {**ALONE, "rk1": (manager("rk1", (node("rk1"), *lost)), member("rk1"))}
    assert changes(recovering(**stale))[0].what == "the swarm"


def test_a_quorum_that_is_there_is_not_forced() -> None:
    nodes = (node("rk1"), node("rk2"), node("rk3", reachability="unreachable", state="down"))
    both = {
        **ALONE,
        "rk1": (manager("rk1", nodes), member("rk1")),
        "rk2": (manager("rk2", nodes), member("rk2")),
    }
    only_refused(
        recovering(**both), "the swarm has its quorum: 2 of 3 managers are reachable, 2 are needed"
    )


def test_who_speaks_against_continuing_alone_is_named_and_a_worker_can_be_left_out() -> None:
    """Its word may be a lie, and would be in the way for ever."""
    own = (node("rk4", role="manager", reachability="reachable"),)
    for claim, words in (
        ((manager("rk4", own), member("rk4")), "1 are needed, as rk4 says"),
        (
            (manager("rk4", (node("rk4"),)), member("rk4")),
            "the swarm is alive: rk4 is one of its managers",
        ),
        ((manager("rk4"), member("rk4", manager=True)), "rk4 is still a manager of this swarm"),
    ):
        told = recovering(**{**ALONE, "rk4": claim})
        only_refused(told, words)
        assert "delete it from cluster.toml, and run again" in sentences(told)
    honest = recovering(**{**ALONE, "rk2": (manager("rk2"), member("rk2"))})
    only_refused(honest, "rk2 is still a manager")
    assert "cluster.toml" not in sentences(honest)


def test_a_recovery_that_was_interrupted_is_finished() -> None:
    left = (node("rk1"), node("rk2", reachability="", state="unknown"), node("rk4"))
    begun = {**ALONE, "rk1": (manager("rk1", left), member("rk1"))}
    assert [change.what for change in changes(recovering(**begun))] == ["node rk2"]
    ended = {**ALONE, "rk1": (manager("rk1", (node("rk1"), node("rk4"))), member("rk1"))}
    only_refused(recovering(**ended), "1 of 1 managers are reachable, 1 are needed")


def test_entries_are_cleared_and_the_restart_that_comes_with_it_is_announced() -> None:
    entry = node("rk2", reachability="", state="down")
    alone, joined = (node("rk1"), entry, node("rk4")), (node("rk1"), entry, node("rk3"))
    for nodes, restarted in ((alone, True), (joined, False)):
        own = manager("rk1", nodes, in_ingress=False, overlays=(INGRESS,))
        for on_disk, spec in ((False, None), (True, None), (False, SwarmSpec(0, autolock=True))):
            there = (replace(own, spec=spec), member("rk1", locked=on_disk))
            told = recovering(**{**ALONE, "rk1": there}, unlock_key=True)
            kinds = [type(step) for step in told]
            assert kinds == ([ClearEntry, Attach] if restarted else [ClearEntry])
            without_key = recovering(**{**ALONE, "rk1": there})
            if restarted and (on_disk or spec):
                only_refused(
                    without_key,
                    "the swarm's recovery: rk1 is attached to no overlay network. Its engine has "
                    "to be restarted, and would then be locked: the unlock key is needed",
                )
            else:
                assert [type(step) for step in without_key] == kinds
    for end, networks in ((True, (INGRESS,)), (None, (INGRESS,)), (False, ())):
        own = manager("rk1", alone, in_ingress=end, overlays=networks)
        told = recovering(**{**ALONE, "rk1": (own, member("rk1"))})
        assert [type(step) for step in told] == [ClearEntry]


def test_a_node_that_has_just_been_promoted_is_no_lost_entry() -> None:
    nodes = (node("rk1"), node("rk2", reachability=""))
    assert lost_entries(manager("rk1", nodes)) == []


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ((manager("rk2"), member("rk2")), "rk2 is still a manager of this swarm: with it there"),
        ((Membership("stopped"), member("rk2")), "though its engine does not run now"),
        (
            (manager("rk2"), member("rk2", cluster="swarm-2")),
            "rk2 is in another swarm (swarm-2) than the one in question (swarm-1)",
        ),
    ],
)
def test_not_while_another_manager_answers(other: Any, words: str) -> None:
    only_refused(recovering(**{**ALONE, "rk2": other}), words)


def test_not_from_a_host_that_cannot_continue() -> None:
    only_refused(recovering("rk2", **ALONE), "rk2 does not answer")
    only_refused(recovering("rk4", **ALONE), "rk4 cannot continue the swarm: it is no manager")
    stopped = {**ALONE, "rk1": (Membership("stopped"), member("rk1"))}
    only_refused(recovering(**stopped), "rk1 cannot continue the swarm: its engine is stopped")


@pytest.mark.parametrize("state", ["pending", "locked"])
def test_an_autolocked_manager_continues_only_with_its_unlock_key(state: str) -> None:
    own = manager("rk1", state=state)
    if state == "locked":  # such an engine says nothing else
        own = replace(own, manager=False, node="", remote_managers={})
    some = {**ALONE, "rk1": (own, member("rk1", locked=True))}
    only_refused(recovering(**some), "the engine then drops out of the swarm, moby #36852")
    findings = recovering(**some, unlock_key=True)
    assert not refusals(findings)
    assert [change.what for change in changes(findings)][:2] == [
        "the lock of the swarm's state",
        "the swarm",
    ]


@pytest.mark.parametrize(
    ("asked", "some", "expected"),
    [
        (None, ALONE, "rk1"),
        ("rk4", ALONE, "rk4"),
        (None, {}, "no declared host answers as a manager of a swarm"),
        (
            None,
            {**ALONE, "rk3": (manager("rk3"), member("rk3"))},
            "rk1 and rk3 are managers that answer, and only one can continue",
        ),
        (None, {**ALONE, "rk3": (manager("rk3", LIVING), member("rk3"))}, "rk3"),
    ],
)
def test_which_manager_continues(asked: str | None, some: dict[str, Any], expected: str) -> None:
    target = recovery_target(SETTINGS, *everywhere(**some), asked)
    if isinstance(target, Refusal):
        assert expected in target.sentence()
    else:
        assert target.name == expected


def goes_on(**some: Any) -> str:
    target = recovery_target(SETTINGS, *everywhere(**some), None)
    return target.what if isinstance(target, Refusal) else target.name


def test_one_that_could_continue_is_a_manager_in_a_swarm_that_answers_or_is_locked() -> None:
    assert goes_on(rk1=(manager("rk1"), member("rk1"))) == "rk1"
    locked = Membership("running", state="locked")
    assert goes_on(rk1=(locked, member("rk1"))) == "rk1"
    worker = Membership("running", state="active", node="x")
    outside = replace(FRESH, manager=True)
    for other in (worker, outside):
        assert goes_on(rk1=(other, member("rk1"))) == "the swarm's recovery"
    assert goes_on(rk1=(locked, member("rk1")), rk3=(manager("rk3"), member("rk3"))) == (
        "the swarm's recovery"
    )


def test_a_host_that_has_left_its_swarm_cannot_continue_it() -> None:
    left = replace(FRESH, manager=True)
    only_refused(recovering(**{**ALONE, "rk1": (left, member("rk1"))}), "it is no manager")


def test_a_worker_or_undeclared_host_with_a_list_of_nodes_is_no_quorum() -> None:
    odd = Membership("running", state="active", nodes=(node("rk1"), node("rk2")), node="node-rk4")
    assert not refusals(recovering(**{**ALONE, "rk4": (odd, member("rk4"))}))


def test_another_whose_recovery_was_interrupted_is_reported_and_not_cleared_here() -> None:
    left = (node("rk3"), node("rk2", reachability="", state="unknown"))
    both = {**ALONE, "rk3": (manager("rk3", left), member("rk3"))}
    only_refused(recovering(**both), "the swarm has its quorum: 1 of 1")


def test_the_lost_are_those_at_other_addresses_in_one_order() -> None:
    at = {
        "z": "192.168.1.12:2377",
        "a": "192.168.1.13:2377",
        "m": "[fd00::9]:2377",
        "node-rk1": "192.168.1.11:2377",
    }
    alone = {**ALONE, "rk1": (replace(manager("rk1"), remote_managers=at), member("rk1"))}
    told = changes(recovering(**alone))
    assert [(change.what, change.found) for change in told[1:]] == [
        ("node [fd00::9]", "m, [fd00::9]"),
        ("node rk2", "z, 192.168.1.12"),
        ("node rk3", "a, 192.168.1.13"),
    ]
    nobody = {**ALONE, "rk1": (replace(manager("rk1"), remote_managers=None), member("rk1"))}
    assert whats(changes(recovering(**nobody))) == ["the swarm"]


def test_only_who_has_something_of_a_swarm_stands_in_its_way() -> None:
    free = replace(FRESH, manager=True)
    assert not refusals(recovering(**{**ALONE, "rk2": (free, remains("rk2", manager=True))}))
    inside = Membership("running", state="active", manager=True, node="x")
    only_refused(recovering(**{**ALONE, "rk2": (inside, remains("rk2"))}), "is still a manager")


def test_a_swarm_is_another_only_where_both_are_known() -> None:
    for mine, theirs, refused in (
        ("", "swarm-2", False),
        ("swarm-1", "", False),
        ("swarm-1", "swarm-2", True),
    ):
        worker = Membership("running", state="active", node="x")
        some = {
            **ALONE,
            "rk1": (manager("rk1"), member("rk1", cluster=mine)),
            "rk4": (worker, member("rk4", cluster=theirs)),
        }
        assert bool(refusals(recovering(**some))) is refused


def test_an_entry_of_the_one_that_continues_is_no_lost_entry() -> None:
    """Its own status may be missing for a moment."""
    own = manager("rk1", (node("rk1", reachability=""), node("rk2", reachability="", state="down")))
    assert [entry.id for entry in lost_entries(own)] == ["node-rk2"]


@pytest.mark.parametrize(
    ("half", "words"),
    [
        ((manager("rk2"), None), "rk2 is still a manager of this swarm: with it"),
        ((manager("rk2", LIVING[:1]), None), "the swarm has its quorum"),
        (
            (None, member("rk2")),
            "still a manager of this swarm, as its disk says, though its engine could not be asked",
        ),
        ((None, member("rk2", cluster="swarm-2")), "rk2 is in another swarm (swarm-2)"),
        ((None, member("rk2", manager=False)), "(what its engine says could not be had)"),
        ((None, remains("rk2")), "(what its engine says could not be had)"),
        ((FRESH, None), "(what its disk holds could not be had), and may be a manager"),
        ((Membership("stopped"), None), "rk2 answered only in part (what its disk holds"),
    ],
)
def test_half_an_answer_is_no_silence(half: Any, words: str) -> None:
    only_refused(recovering(**{**ALONE, "rk2": half}), words)


def test_a_host_that_answers_only_in_part_is_asked_again_or_switched_off() -> None:
    told = recovering(**{**ALONE, "rk2": (FRESH, None)})
    only_refused(told, "Run the same command again. If it answers no better, switch it off")
    assert len(told) == 1
