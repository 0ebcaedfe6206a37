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
from pyinfra_swarm.backup.record import Found, Written, as_line, file_name, parse
from tests.unit.backup.records import NOW, written
from tests.unit.backup.test_archive import ABOUT


def test_files_are_named_so_that_they_sort_by_time() -> None:
    assert file_name("home", "rk2", NOW) == "home-rk2-20261125T031500Z.tar.age"


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


def test_what_is_no_plain_file_is_of_unknown_origin_and_nothing_waits_for_it(
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
