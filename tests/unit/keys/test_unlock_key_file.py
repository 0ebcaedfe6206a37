"""The file that keeps the unlock key: whole or not at all, nobody else's, no key ever lost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyinfra_swarm.engine.unlock_key import fingerprint
from pyinfra_swarm.keys import unlock_key_file as key_file

A, B, C = (f"SWMKEY-1-{letter * 43}" for letter in "ABC")


def keep(path: Path, key: str) -> None:
    with key_file.place_for(path) as place:
        place.keep(key)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home.unlock-key"


def test_what_was_kept_is_there_for_its_owner_alone(path: Path) -> None:
    assert key_file.look(path).fingerprint == ""
    os.umask(0o000)
    keep(path, A)
    os.umask(0o022)
    found = key_file.look(path)
    assert (found.fingerprint, found.private, found.problem) == (fingerprint(A), True, "")
    assert path.read_text() == f"{A}\n"
    assert A not in repr(found)


def test_every_key_that_was_there_is_kept_the_newest_first(path: Path) -> None:
    for key in (A, B, B, C):
        keep(path, key)
    assert key_file.keys(path) == [C, B, A]
    old = key_file.old(path)
    assert (old.name, old.stat().st_mode & 0o777) == ("home.unlock-key.old", 0o600)
    assert key_file.look(path).earlier == 2
    assert sorted(one.name for one in path.parent.iterdir()) == [path.name, old.name]


def test_a_key_that_could_not_be_put_there_leaves_what_was(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(path, A)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with key_file.place_for(path) as place:
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            place.keep(B)
    assert key_file.keys(path) == [A]
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_a_place_that_is_none_is_known_before_there_is_a_key(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FileNotFoundError), key_file.place_for(path.parent / "none/key"):
        pytest.fail("there is no such folder")
    assert "its folder" in key_file.look(path.parent / "none/key").problem
    path.mkdir()
    assert key_file.look(path).problem == "it is not a plain file"


@pytest.mark.parametrize("text", ["", "something\n", f"{A}\n{B}\n", "-----BEGIN PRIVATE KEY-----"])
def test_a_file_of_something_else_is_never_overwritten(path: Path, text: str) -> None:
    path.write_text(text)
    assert key_file.look(path).problem == "it holds something else than one unlock key"
    path.write_bytes(b"\xff\xfe\x00")
    assert "it is not text" in key_file.look(path).problem


def test_a_link_is_not_followed(path: Path) -> None:
    path.symlink_to("/etc/passwd")
    assert key_file.look(path).problem == "it is not a plain file"


def test_a_key_that_others_can_read_is_closed(path: Path) -> None:
    keep(path, A)
    keep(path, B)
    for file in (path, key_file.old(path)):
        file.chmod(0o644)
    assert not key_file.look(path).private
    key_file.make_private(path)
    assert key_file.look(path).private
    assert key_file.old(path).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("suffix", ["", ".old"])
def test_what_is_no_plain_file_is_said_and_nothing_waits_for_it(path: Path, suffix: str) -> None:
    keep(path, A)
    there = path.with_name(f"{path.name}{suffix}")
    there.unlink(missing_ok=True)
    os.mkfifo(there)
    assert "not a plain file" in key_file.look(path).problem
    with pytest.raises(OSError, match="not a plain file"):
        key_file.keys(path)
    there.unlink()
    there.symlink_to("/dev/zero")
    assert key_file.look(path).problem
    with pytest.raises(OSError, match="symbolic"):
        key_file.keys(path)


def test_a_file_without_an_end_is_not_read_to_it(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)
    assert "it is longer than" in key_file.look(path).problem


def test_an_earlier_key_that_others_can_read_is_closed_as_well(path: Path) -> None:
    keep(path, A)
    keep(path, B)
    key_file.old(path).chmod(0o644)
    assert not key_file.look(path).private
    key_file.make_private(path)
    assert key_file.look(path).private
    assert key_file.old(path).stat().st_mode & 0o777 == 0o600


def test_making_it_private_changes_no_file_that_a_link_points_to(
    path: Path, tmp_path: Path
) -> None:
    keep(path, A)
    other = tmp_path / "other"
    other.touch(0o644)
    key_file.old(path).symlink_to(other)
    with pytest.raises(OSError, match="symbolic"):
        key_file.make_private(path)
    assert other.stat().st_mode & 0o777 == 0o644
