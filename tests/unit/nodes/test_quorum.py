"""The arithmetic of the quorum, and the sentences that show it."""

from __future__ import annotations

import pytest

from pyinfra_swarm.nodes.quorum import Quorum, majority


def quorum(managers: int, unreachable: int = 0) -> Quorum:
    """Managers named m1, m2 …, of which the last ones are not reachable."""
    names = [f"m{number}" for number in range(1, managers + 1)]
    return Quorum(frozenset(names), frozenset(names[: managers - unreachable]))


@pytest.mark.parametrize(
    ("managers", "needed"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (6, 4), (7, 4)]
)
def test_more_than_half_of_the_managers_are_needed(managers: int, needed: int) -> None:
    assert majority(managers) == needed
    assert quorum(managers).needed == needed


def test_the_margin_is_how_many_more_may_fail() -> None:
    assert [quorum(5, away).margin for away in range(4)] == [2, 1, 0, -1]
    assert [quorum(5, away).lost for away in range(4)] == [False, False, False, True]


def test_one_that_is_down_counts_and_one_that_was_demoted_does_not() -> None:
    assert quorum(3).while_down("m1").sentence() == "2 of 3 managers are reachable, 2 are needed"
    assert quorum(3).without("m1").sentence() == "2 of 2 managers are reachable, 2 are needed"
    assert quorum(3, 1).without("m3").margin == 0
    assert quorum(3).with_("m4").sentence("will be") == (
        "4 of 4 managers will be reachable, 3 are needed"
    )
    assert quorum(3, 1).once_up(["m3", "a worker"]) == quorum(3)


def test_a_manager_is_stopped_while_the_others_are_a_quorum() -> None:
    assert quorum(3).forbids_stop("m1") == ""
    assert quorum(3, 1).forbids_stop("m3") == ""
    assert quorum(3, 1).forbids_stop("m1") == (
        "of 3 managers 2 must stay reachable, and without this one only 1 would be"
    )


@pytest.mark.parametrize("managers", [1, 2])
def test_one_or_two_managers_are_interrupted_by_every_stop(managers: int) -> None:
    assert quorum(managers).forbids_stop("m1") == ""
    assert quorum(managers).while_down("m1").lost


def test_a_demotion_leaves_a_quorum_of_those_that_stay() -> None:
    assert quorum(3).forbids_demotion("m1") == ""
    assert quorum(3, 1).forbids_demotion("m3") == ""
    assert quorum(3, 1).forbids_demotion("m1") == (
        "of the 2 other managers 2 would have to be reachable, and only 1 is (1 < 2)"
    )
    assert quorum(1).forbids_demotion("m1") == (
        "it is the last manager, and a swarm cannot be without one"
    )


def test_a_promotion_leaves_a_quorum_with_the_new_one() -> None:
    assert quorum(1).forbids_promotion("m2") == ""
    assert quorum(4, 1).forbids_promotion("m5") == ""
    assert quorum(5, 3).forbids_promotion("m6") == (
        "of 6 managers 4 would have to be reachable, and only 2 of the present 5 are (2 + 1 < 4)"
    )
