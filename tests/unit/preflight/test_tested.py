"""What is said of a host for which others like it have, or have not, passed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyinfra_swarm.preflight.tested import (
    Machine,
    Passed,
    parse,
    renewed,
    series,
    written,
)
from pyinfra_swarm.preflight.tested import (
    tested_on as said_of,
)
from pyinfra_swarm.preflight.tested_table import shipped

BOARD = Machine("ubuntu", "24.04", "arm64", "6.1", "nft", "29.7.2")
LAB = Machine("debian", "13", "amd64", "6.12", "legacy", "28.5.2")


def passed(
    machine: Machine, scenario: str = "create", *, where: str = "lab", date: str = "2026-11-01"
) -> Passed:
    return Passed(machine, where, scenario, 12, date, "abc")


def test_a_host_like_one_that_has_passed_is_told_how_much_and_when() -> None:
    rows = [passed(BOARD), passed(BOARD, "rolling", date="2026-11-20"), passed(LAB)]
    assert said_of(BOARD, rows) == (
        "tested: 2 scenarios have passed on such a host, the last on 2026-11-20"
    )


def test_a_patch_of_the_engine_makes_no_other_host_and_a_release_does() -> None:
    assert said_of(replace(BOARD, engine="29.7.9"), [passed(BOARD)]).startswith("tested")
    other = said_of(replace(BOARD, engine="29.8.0"), [passed(BOARD)])
    assert other.endswith("Docker 29.7.2; the engine differs")


def test_a_machine_in_words() -> None:
    assert str(LAB) == "Debian 13, amd64, Linux 6.12, iptables-legacy, Docker 28.5.2"
    assert str(replace(LAB, engine="")) == "Debian 13, amd64, Linux 6.12, iptables-legacy"


def test_an_engine_that_is_not_known_makes_no_other_machine() -> None:
    assert BOARD.differs_from(replace(BOARD, engine="")) == []
    assert replace(BOARD, engine="").differs_from(BOARD) == []


def test_a_host_without_an_engine_is_compared_in_all_the_rest() -> None:
    assert said_of(replace(BOARD, engine=""), [passed(BOARD)]).startswith("tested")


def test_the_nearest_is_named_with_what_differs() -> None:
    near = replace(BOARD, kernel="6.12", back_end="legacy")
    assert said_of(BOARD, [passed(LAB), passed(near)]) == (
        "not tested as it is: what comes nearest is Ubuntu 24.04, arm64, Linux 6.12, "
        "iptables-legacy, Docker 29.7.2; the kernel and the back end of iptables differ"
    )


def test_engines_in_namespaces_are_no_host() -> None:
    rows = [passed(BOARD, where="engines")]
    assert said_of(BOARD, rows) == "not tested: no scenario has passed on such a host yet"


@pytest.mark.parametrize("field", ["distribution", "version", "architecture", "kernel", "back_end"])
def test_every_part_of_a_machine_counts(field: str) -> None:
    other = replace(BOARD, **{field: "other"})
    assert len(other.differs_from(BOARD)) == 1


MACHINES = st.sampled_from([BOARD, LAB])
ROWS = st.lists(
    st.builds(
        Passed,
        MACHINES,
        st.sampled_from(["lab", "engines"]),
        st.sampled_from(["create", "rolling"]),
        st.integers(1, 99),
        st.dates().map(str),
        st.text("0123456789abcdef", min_size=7, max_size=12),
    ),
    max_size=6,
)


@given(ROWS, ROWS)
def test_a_newer_pass_takes_the_place_of_the_older_and_no_other(
    old: list[Passed], new: list[Passed]
) -> None:
    def key(one: Passed) -> tuple[Machine, str, str]:
        return one.machine, one.where, one.scenario

    table = renewed(old, new)
    assert {key(one) for one in table} == {key(one) for one in [*old, *new]}
    assert len(table) == len({key(one) for one in table})
    for one in table:
        assert one in new if key(one) in {key(each) for each in new} else one in old
    assert parse(written(table)) == table


def test_the_first_two_numbers_of_a_version_are_its_series() -> None:
    assert [series(one) for one in ("29.7.2", "29.7", "29", "")] == ["29.7", "29.7", "29", ""]


def test_the_table_is_written_in_order_whatever_order_it_is_given_in() -> None:
    rows = [passed(LAB, "create"), passed(LAB, "rolling"), passed(BOARD)]
    assert written(rows) == written(rows[::-1])
    assert [one.scenario for one in parse(written(rows[::-1]))] == ["create", "rolling", "create"]


def test_the_shipped_table_can_be_read() -> None:
    assert shipped() == sorted(shipped())
