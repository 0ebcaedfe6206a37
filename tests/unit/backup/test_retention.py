"""Which backups are kept, and which other files in their folder are reported."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pyinfra_swarm.backup.record import Found, file_name
from pyinfra_swarm.backup.retention import plan_folder, superseded
from tests.unit.backup.records import NOW, ours, said, settings, written


def test_the_oldest_beyond_what_is_kept_go_and_nothing_of_anybody_else() -> None:
    found = ours(*(NOW - n for n in range(5)))
    others = [
        Found(file_name("home", "rk2", 1), None),
        Found("notes.age", None),
        Found("other-rk1.age", written(5, name="other")),
    ]
    latest = found[0].name
    gone = superseded([*others, *found], settings(2), written=latest, now=NOW)
    assert sorted(gone) == sorted(file.name for file in found[2:])
    assert superseded(found[:2], settings(2), written=latest, now=NOW) == []
    assert superseded(found[:2], settings(9), written=latest, now=NOW) == []


def test_the_backup_of_this_run_stays_where_others_are_dated_ahead() -> None:
    """A clock that was ahead for a day, or files that somebody else has dated so."""
    ahead = ours(*(NOW + 86400 * n for n in range(1, 20)))
    others = [Found(file_name("home", "rk2", 2 * NOW), None)]
    mine, before = ours(NOW, NOW - 1)
    gone = superseded([*ahead, *others, mine, before], settings(2), written=mine.name, now=NOW)
    assert gone == []


def test_one_of_this_very_second_is_counted_and_one_of_the_next_is_not() -> None:
    now, next_, mine = ours(NOW, NOW + 1, NOW - 1)
    found = [now, next_, mine]
    assert superseded(found, settings(1), written=mine.name, now=NOW) == [now.name]


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
    gone = superseded([Found(mine.file, mine), *found], settings(keep), written=mine.file, now=NOW)
    past = sorted(time for time in times if time <= NOW and time != latest)
    assert [written(time).file for time in past[: max(len(past) - keep + 1, 0)]] == gone
    assert mine.file not in gone


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
