"""A computer knows the backups that it has written, whatever else lies in their folder."""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyinfra_swarm.backup import record_file as backup_record
from pyinfra_swarm.backup.origin import asked_before_restore, plan_origin
from pyinfra_swarm.backup.record import Found, Written, as_line, file_name, parse
from pyinfra_swarm.backup.retention import plan_folder, superseded
from pyinfra_swarm.run.findings import Notice
from pyinfra_swarm.settings import Settings
from tests.builders import declared
from tests.unit.backup.test_backup_archive import ABOUT

NOW = 1795576500


def settings(keep: int) -> Settings:
    return declared(1, 0, backup={"keep": keep})


def written(taken: int = NOW, **more: Any) -> Written:
    name = file_name("home", "rk2", taken)
    entry = Written(f"{taken:064x}", 100, name, ABOUT.cluster, "home", "rk2", taken)
    return replace(entry, **more)


def ours(*times: int) -> list[Found]:
    return [Found(entry.file, entry) for entry in map(written, times)]


# How many are kept
# -----------------


def test_files_are_named_so_that_they_sort_by_time() -> None:
    assert file_name("home", "rk2", NOW) == "home-rk2-20261125T031500Z.tar.age"


def test_the_oldest_beyond_what_is_kept_go_and_nothing_of_anybody_else() -> None:
    found = ours(*(NOW - n for n in range(5)))
    strangers = [
        Found(file_name("home", "rk2", 1), None),
        Found("notes.age", None),
        Found("other-rk1.age", written(5, name="other")),
    ]
    latest = found[0].name
    gone = superseded([*strangers, *found], settings(2), written=latest, now=NOW)
    assert sorted(gone) == sorted(file.name for file in found[2:])
    assert superseded(found[:2], settings(2), written=latest, now=NOW) == []
    assert superseded(found[:2], settings(9), written=latest, now=NOW) == []


def test_the_backup_of_this_run_stays_where_others_are_dated_ahead() -> None:
    """A clock that was ahead for a day, or files that a stranger has dated so."""
    ahead = ours(*(NOW + 86400 * n for n in range(1, 20)))
    strangers = [Found(file_name("home", "rk2", 2 * NOW), None)]
    mine, before = ours(NOW, NOW - 1)
    gone = superseded([*ahead, *strangers, mine, before], settings(2), written=mine.name, now=NOW)
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


# What is said
# ------------


def said(findings: list[Any]) -> str:
    assert all(isinstance(finding, Notice) for finding in findings)
    return "\n".join(finding.sentence() for finding in findings)


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


def test_a_backup_of_this_computer_needs_no_words() -> None:
    entry = written()
    assert plan_origin(entry.file, entry, ABOUT, [entry]) == []


def test_a_strangers_backup_is_told_with_what_it_says_of_itself() -> None:
    text = said(plan_origin("home-rk1-20990101T000000Z.tar.age", None, ABOUT, [written()]))
    assert "this computer did not write home-rk1-20990101T000000Z.tar.age" in text
    assert (
        f"swarm {ABOUT.cluster}, made on rk2 at 192.168.1.12 on 2026-11-25 03:15 UTC, Docker 28.5.2"
    ) in text
    assert "Nothing proves that" in text


def test_an_old_backup_under_a_new_name_is_told_and_that_there_was_a_newer_one() -> None:
    old, new = written(), written(NOW + 60)
    text = said(plan_origin(new.file, old, ABOUT, [old, new]))
    assert f"{new.file} is what this computer wrote as {old.file}" in text
    assert f"has written a newer one of the same swarm: {new.file}, of 2026-11-25 03:16" in text
    newest = written(NOW + 90, sha256="0" * 64)
    text = said(plan_origin(old.file, old, ABOUT, [newest, new, old]))
    assert f"a newer one of the same swarm: {newest.file}" in text
    other = replace(new, cluster="another" + "a" * 18)
    assert plan_origin(old.file, old, ABOUT, [old, other]) == []


# The question before a restore
# -----------------------------


def test_a_backup_of_this_computer_is_confirmed_by_its_hosts_name() -> None:
    word, consequence = asked_before_restore(ABOUT, "rk2", recorded=True)
    assert word == "rk2"
    assert consequence.startswith("the swarm of 2026-11-25 03:15 UTC continues from rk2")


def test_one_of_unknown_origin_by_the_swarms_id_and_it_says_what_is_unknown() -> None:
    word, consequence = asked_before_restore(ABOUT, "rk2", recorded=False)
    assert word == ABOUT.cluster
    assert "this computer did not write this file, and nothing proves" in consequence
    assert "made on rk2 at 192.168.1.12 on 2026-11-25 03:15 UTC, Docker 28.5.2" in consequence
    assert "what has changed since is lost" in consequence


# The record
# ----------


@given(st.text())
def test_any_text_is_read_without_an_error_and_proves_nothing(text: str) -> None:
    assert parse(text) == []


@pytest.mark.parametrize(
    "other",
    [
        {"sha256": "x" * 64},
        {"sha256": None},
        {"size": "100"},
        {"taken": 10**30},
        {"taken": "1"},
        {"file": 1},
        {"host": None},
    ],
)
def test_a_line_that_is_not_an_entry_is_none(other: dict[str, Any]) -> None:
    assert parse(as_line(replace(written(), **other))) == []


@pytest.mark.parametrize(
    ("taken", "kept"), [(0, True), ((1 << 33) - 1, True), (1 << 33, False), (-1, False)]
)
def test_an_entry_of_a_time_that_no_clock_shows_is_none(taken: int, kept: bool) -> None:
    entry = replace(written(), taken=taken)
    assert parse(as_line(entry)) == [entry] * kept


def test_a_line_that_a_power_cut_has_shortened_costs_that_line_only() -> None:
    whole = as_line(written())
    for cut in range(1, len(whole) - 1):
        assert parse(f"{whole[:cut]}\n{whole}") == [written()]


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return backup_record.place()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "backups"
    found.mkdir()
    return found


def put(folder: Path, content: bytes, name: str = "") -> Written:
    """A backup as a run writes it."""
    entry = written(sha256=backup_record.digest(content), size=len(content))
    entry = replace(entry, file=name or entry.file)
    backup_record.add(entry)
    (folder / entry.file).write_bytes(content)
    return entry


def test_the_record_is_its_owners_alone(record: Path, folder: Path) -> None:
    assert backup_record.problem() == ""
    assert not record.parent.exists(), "looking makes nothing"
    put(folder, b"one")
    assert backup_record.problem() == ""
    assert record.stat().st_mode & 0o777 == 0o600
    assert record.parent.stat().st_mode & 0o777 == 0o700


def test_a_backup_is_known_by_its_content_whatever_its_name(record: Path, folder: Path) -> None:
    entry = put(folder, b"one")
    (folder / "copy.age").write_bytes(b"one")
    (folder / "other.age").write_bytes(b"two")
    assert backup_record.look(folder) == [
        Found("copy.age", entry),
        Found(entry.file, entry),
        Found("other.age", None),
    ]
    (folder / entry.file).write_bytes(b"onE")
    assert Found(entry.file, None) in backup_record.look(folder)


def test_a_file_is_read_once_a_run_and_again_when_it_has_changed(
    record: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every host's plan looks, and the folder may be far away."""
    entry = put(folder, b"one")
    read: list[object] = []
    digest = hashlib.file_digest

    def reading(file: Any, name: str) -> Any:
        read.append(file)
        return digest(file, name)

    monkeypatch.setattr(hashlib, "file_digest", reading)
    for _ in range(5):
        assert backup_record.look(folder) == [Found(entry.file, entry)]
    assert len(read) == 1
    there = folder / entry.file
    before = there.stat()
    time.sleep(0.05)  # longer than a file system's clock takes for a step
    there.write_bytes(b"onE")
    os.utime(there, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert backup_record.look(folder) == [Found(entry.file, None)]


def test_what_is_no_plain_file_is_a_strangers_and_nothing_waits_for_it(
    record: Path, folder: Path
) -> None:
    entry = put(folder, b"")
    os.mkfifo(folder / "pipe.age")
    (folder / "folder.age").mkdir()
    (folder / "link.age").symlink_to(folder / entry.file)
    (folder / "loop.age").symlink_to(folder / "loop.age")
    unknown = [found.name for found in backup_record.look(folder) if found.written is None]
    assert unknown == ["folder.age", "link.age", "loop.age", "pipe.age"]


def test_a_line_after_one_that_was_cut_is_whole(record: Path, folder: Path) -> None:
    first = put(folder, b"one")
    with record.open("a") as file:
        file.write('{"sha256": "12')
    second = put(folder, b"two", "second.age")
    assert backup_record.entries() == [first, second]


@pytest.mark.parametrize("whose", ["file", "folder"])
def test_a_record_that_others_can_write_to_proves_nothing(
    record: Path, folder: Path, whose: str
) -> None:
    put(folder, b"one")
    (record if whose == "file" else record.parent).chmod(0o777)
    assert "others can write to" in backup_record.problem()
    with pytest.raises(OSError, match="others can write to"):
        backup_record.entries()


def test_a_record_that_is_a_link_or_a_pipe_is_not_used(record: Path, tmp_path: Path) -> None:
    record.parent.mkdir(parents=True, mode=0o700)
    record.symlink_to(tmp_path / "elsewhere")
    assert "cannot be used" in backup_record.problem()
    (tmp_path / "elsewhere").touch(0o600)
    assert "cannot be used" in backup_record.problem()
    record.unlink()
    os.mkfifo(record)
    assert "is not a plain file" in backup_record.problem()


def test_without_a_folder_there_is_nothing_to_name(record: Path, tmp_path: Path) -> None:
    assert backup_record.look(tmp_path / "none") == []


def test_what_is_written_at_one_time_sorts_as_its_name_does() -> None:
    stamp = datetime.fromtimestamp(NOW, UTC).strftime("%Y-%m-%d %H:%M UTC")
    assert written().time == stamp == ABOUT.time
