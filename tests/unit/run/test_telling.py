"""Findings are told once, with the hosts that they concern, and counted in one way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyinfra_swarm.rollback.plan import roll_back_first_finding
from pyinfra_swarm.run.findings import Change, Notice, Refusal, Whole
from pyinfra_swarm.run.telling import Told, grouped, lines, named, rendered, tally

NODES = [f"node{number}" for number in range(1, 13)]


@pytest.mark.parametrize(
    ("hosts", "words"),
    [
        (["node1"], "node1"),
        (["node2", "node1"], "node1, node2"),
        (["node1", "node2", "node3", "node4"], "node1–node4"),
        (["node1", "node2", "node3", "node7"], "node1–node3, node7"),
        (["node8", "node9", "node10", "node11"], "node8–node11"),
        (NODES, "node1–node12"),
        (["node1", "node3", "node5", "node7", "node9", "node11"], ", ".join(NODES[::2])),
        ([], ""),
    ],
)
def test_hosts_are_named_in_their_order_and_runs_by_their_ends(
    hosts: list[str], words: str
) -> None:
    assert named(hosts, NODES) == words


def test_names_without_numbers_and_strangers_are_named_one_by_one() -> None:
    assert named(["pi", "attic"], ["attic", "cellar", "pi"]) == "attic, pi"
    assert named(["zz", "attic"], ["attic"]) == "attic, zz"
    assert named(["rk09", "rk10", "rk11"], ["rk09", "rk10", "rk11"]) == "rk09–rk11"


def test_more_than_a_line_holds_is_counted() -> None:
    everybody = [f"host-{letter}" for letter in "abcdefghijkl"]
    assert named(everybody, everybody) == "all 12 hosts"
    assert named(everybody[1:], everybody) == ("host-b, host-c, host-d, host-e, host-f and 6 more")


@given(st.sets(st.sampled_from(NODES), max_size=6))
def test_no_host_is_lost_or_made_up(hosts: set[str]) -> None:
    found: set[str] = set()
    for piece in filter(None, named(hosts, NODES).split(", ")):
        first, _, last = piece.partition("–")
        ends = [int(name.removeprefix("node")) for name in (first, last or first)]
        found |= {f"node{number}" for number in range(ends[0], ends[1] + 1)}
    assert found == hosts


def told(*entries: tuple[str, str, Change | Notice | Refusal]) -> list[Told]:
    return [Told(host, part, finding) for host, part, finding in entries]


def test_the_same_on_several_hosts_is_one_line_changes_before_notices_before_refusals() -> None:
    refusal, change = Refusal("sshd", "is odd"), Change("sshd", "guessable", "no", "yes")
    notice = Notice("node rk9", "is not declared")
    found = lines(
        told(
            ("node2", "ssh", refusal),
            ("node1", "swarm", notice),
            ("node1", "ssh", change),
            ("node3", "ssh", change),
        )
    )
    assert [(line.kind, line.hosts, line.text) for line in found] == [
        ("change", ("node1", "node3"), "sshd: guessable (yes → no)"),
        ("notice", ("node1",), "node rk9: is not declared"),
        ("refusal", ("node2",), "sshd: is odd"),
    ]
    assert tally(line.kind for line in found) == "1 to change, 1 for you, 1 refused"
    assert tally((line.kind for line in found), done=True) == "1 changed, 1 for you, 1 refused"
    assert tally([]) == ""


def test_pieces_of_one_thing_are_one_line_and_shown_only_if_asked_for() -> None:
    port = Whole("8080/tcp from anywhere", "is to be opened")
    there = Change("SWARM-INPUT (IPv4)", "lacks a rule", within=port)
    other = Change("SWARM-INPUT (IPv6)", "lacks a rule", within=port)
    [line] = lines(
        told(
            ("node1", "firewall", there), ("node2", "firewall", other), ("node2", "firewall", there)
        )
    )
    assert rendered(line, NODES) == [
        "firewall  node1, node2: 8080/tcp from anywhere: is to be opened"
    ]
    assert rendered(line, NODES, pieces=True)[1:] == [
        "node1, node2: SWARM-INPUT (IPv4): lacks a rule",
        "node2: SWARM-INPUT (IPv6): lacks a rule",
    ]


def test_another_value_is_another_line() -> None:
    found = lines(
        told(
            ("node1", "docker", Change("Docker", "differs", found="28.5.2")),
            ("node2", "docker", Change("Docker", "differs", found="26.1.5")),
        )
    )
    assert len(found) == 2


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3))))
def test_grouping_keeps_everything_and_every_order(items: list[tuple[str, int]]) -> None:
    groups = grouped(items, lambda item: item[0])
    assert sorted(one for group in groups for one in group) == sorted(items)
    assert [group[0][0] for group in groups] == list(dict.fromkeys(word for word, _ in items))
    for group in groups:
        assert group == [item for item in items if item[0] == group[0][0]]


def test_an_unconfirmed_change_that_each_part_finds_is_told_once() -> None:
    told = [Told("rk3", part, roll_back_first_finding()) for part in ("access", "ssh", "firewall")]
    [line] = lines([*told, Told("rk4", "ssh", roll_back_first_finding())])
    assert line.hosts == ("rk3", "rk4")
    assert "an earlier change was never confirmed" in line.text
    other = [Told("rk3", part, Change("x", "differs")) for part in ("access", "ssh")]
    assert len(lines(other)) == 2
