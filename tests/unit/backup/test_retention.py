"""Which backups are kept, and which other files in their folder are reported."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pyinfra_swarm.backup.record import Found, file_name
from pyinfra_swarm.backup.retention import plan_folder, plan_namesakes, superseded
from tests.unit.backup.records import NOW, ours, said, settings, written
from tests.unit.backup.test_archive import ABOUT

OURS = ABOUT.cluster


def test_the_oldest_beyond_what_is_kept_go_and_nothing_of_anybody_else() -> None:
    found = ours(*(NOW - n for n in range(5)))
    others = [
        Found(file_name("home", "rk2", 1), None),
        Found("notes.age", None),
        Found("other-rk1.age", written(5, name="other")),
    ]
    latest = found[0].name
    gone = superseded([*others, *found], settings(2), cluster=OURS, written=latest, now=NOW)
    assert sorted(gone) == sorted(file.name for file in found[2:])
    assert superseded(found[:2], settings(2), cluster=OURS, written=latest, now=NOW) == []
    assert superseded(found[:2], settings(9), cluster=OURS, written=latest, now=NOW) == []


def test_the_backup_of_this_run_stays_where_others_are_dated_ahead() -> None:
    """A clock that was ahead for a day, or files that somebody else has dated so."""
    ahead = ours(*(NOW + 86400 * n for n in range(1, 20)))
    others = [Found(file_name("home", "rk2", 2 * NOW), None)]
    mine, before = ours(NOW, NOW - 1)
    gone = superseded(
        [*ahead, *others, mine, before], settings(2), cluster=OURS, written=mine.name, now=NOW
    )
    assert gone == []


def test_one_of_this_very_second_is_counted_and_one_of_the_next_is_not() -> None:
    now, next_, mine = ours(NOW, NOW + 1, NOW - 1)
    found = [now, next_, mine]
    assert superseded(found, settings(1), cluster=OURS, written=mine.name, now=NOW) == [now.name]


@given(
    times=st.lists(st.integers(0, 2 * NOW), unique=True, max_size=12),
    unknown=st.lists(st.integers(0, 2 * NOW), max_size=4),
    latest=st.integers(0, 2 * NOW),
    keep=st.integers(1, 6),
)
def test_whatever_lies_in_the_folder_only_what_is_older_and_ours_goes(
    times: list[int], unknown: list[int], latest: int, keep: int
) -> None:
    mine = written(latest)
    found = [*ours(*times), *(Found(f"stranger-{time}.age", None) for time in unknown)]
    gone = superseded(
        [Found(mine.file, mine), *found], settings(keep), cluster=OURS, written=mine.file, now=NOW
    )
    past = sorted(time for time in times if time <= NOW and time != latest)
    assert [written(time).file for time in past[: max(len(past) - keep + 1, 0)]] == gone
    assert mine.file not in gone


def of_two_swarms() -> list[Found]:
    """Three of each, in turns, all of clusters that have the same name."""
    theirs = [written(NOW - n, cluster="bbb", file=f"b{n}.age") for n in (1, 3, 5)]
    ours_ = [written(NOW - n, cluster="aaa", file=f"a{n}.age") for n in (0, 2, 4)]
    return [Found(entry.file, entry) for entry in [*theirs, *ours_]]


def test_backups_of_another_swarm_of_the_same_name_are_neither_counted_nor_removed() -> None:
    found = of_two_swarms()
    for keep, gone in ((3, []), (2, ["a4.age"]), (1, ["a4.age", "a2.age"])):
        removed = superseded(found, settings(keep), cluster="aaa", written="a0.age", now=NOW)
        assert removed == gone
    removed = superseded(found, settings(1), cluster="bbb", written="b1.age", now=NOW)
    assert removed == ["b5.age", "b3.age"]


def test_backups_of_another_swarm_of_the_same_name_are_named() -> None:
    found = of_two_swarms()
    [notice] = plan_namesakes(settings(3), "/backups", found, "aaa")
    assert (
        "b1.age, b3.age and b5.age in /backups are of another swarm that is called home as well, "
        "so they are neither counted nor removed" in said([notice])
    )
    assert "give one of the two another cluster.name" in said([notice])
    one = [Found("b.age", written(cluster="bbb")), Found("x.age", None)]
    assert "b.age in /backups is of another swarm" in said(
        plan_namesakes(settings(3), "/backups", one, "aaa")
    )
    other = [Found("c.age", written(cluster="ccc", name="attic"))]
    assert plan_namesakes(settings(3), "/backups", [*ours(NOW), *other], OURS) == []


def test_a_file_that_this_computer_has_not_written_is_named() -> None:
    assert plan_folder("/backups", ours(NOW), NOW) == []
    text = said(plan_folder("/backups", [*ours(NOW), Found("evil.age", None)], NOW))
    assert "this computer did not write evil.age in /backups, or it was changed since" in text
    assert "find out who can" in text
    many = [Found(f"{n}.age", None) for n in reversed(range(9))]
    text = said(plan_folder("/backups", many, NOW))
    assert "0.age, 1.age, 2.age, 3.age, 4.age and 4 more in /backups, or they were changed" in text


def test_a_name_that_would_write_to_a_terminal_is_shown_without_doing_so() -> None:
    text = said(plan_folder("/backups", [Found("\x1b[2J\n.age", None)], NOW))
    assert text.isprintable()
    assert "[2J" in text


def test_a_file_that_is_dated_in_the_future_is_named() -> None:
    text = said(plan_folder("/backups", ours(NOW + 1), NOW))
    assert "is dated in the future, so neither counted nor removed" in text
    assert written(NOW + 1).file in text
    assert "are dated in the future" in said(plan_folder("/b", ours(NOW + 1, NOW + 2), NOW))
