"""What a job refuses that cannot read or write what it was told of, in which words."""

from __future__ import annotations

import inspect
import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyrage
import pytest

from cluster import age_encryption
from cluster.backup import Archive, Backup
from cluster.findings import Refusal
from cluster.locked_state import NODE_KEY
from cluster.settings import Settings
from cluster.steps import Leave
from operations import backup, recovery, removal, reset

ONE: dict[str, Any] = {
    "hosts": [{"name": "rk1", "address": "192.168.1.11", "role": "manager"}],
    "backup": {"recipients": ["age17rewv7umw8slk4g7mq9x3zvx3e4hwxnfhzxcnpxqxez0uv6df3usr47zp8"]},
}
SETTINGS = Settings(**ONE)
LOCKED = Path(__file__).parent / "fixtures/autolock/swarm-node.key"
OTHER_KEY = "SWMKEY-1-7c37Cc8654o6p38HnroywCi19pllOnGtbdZEgtKxZu8"

Say = Callable[..., None]


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch) -> Say:
    """Give the run some ``--data``."""

    def says(**data: str) -> None:
        for job in (backup, recovery, reset):
            monkeypatch.setattr(job, "given", data.get)

    return says


def without_pyrage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(age_encryption, "available", lambda: False)


def said(found: object) -> str:
    assert isinstance(found, Refusal), found
    return found.sentence()


# Reading a backup
# ----------------


def age_identity(folder: Path) -> tuple[Path, str]:
    """A new key: its file, and its public half."""
    key = pyrage.x25519.Identity.generate()
    path = folder / "identity"
    path.write_text(f"{key}\n")
    return path, str(key.to_public())


def test_without_pyrage_nothing_is_decrypted(monkeypatch: pytest.MonkeyPatch) -> None:
    without_pyrage(monkeypatch)
    words = "pyrage, which decrypts it, is not installed. pip install"
    assert words in said(recovery._open("/backups/one", "/keys/without pyrage"))


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    identity, _ = age_identity(tmp_path)
    missing = str(tmp_path / "none")
    words = f"{missing} cannot be read: No such file or directory"
    assert words in said(recovery._open(missing, str(identity)))
    assert words in said(recovery._open(str(identity), missing))


def test_a_backup_is_opened_by_the_key_it_was_encrypted_to(tmp_path: Path) -> None:
    identity, _ = age_identity(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    _, other = age_identity(tmp_path / "elsewhere")
    file = tmp_path / "one.tar.age"
    file.write_bytes(age_encryption.encrypt(b"a backup", [other]))
    assert (
        f"{file} could not be opened: it was not encrypted to this identity. Name the key it was "
        "encrypted to"
    ) in said(recovery._open(str(file), str(identity)))


def test_what_was_encrypted_has_to_be_a_backup(tmp_path: Path) -> None:
    identity, recipient = age_identity(tmp_path)
    file = tmp_path / "one.tar.age"
    file.write_bytes(age_encryption.encrypt(b"a diary", [recipient]))
    words = f"{file} cannot be used: it is no backup of ours (ReadError). Take another backup"
    assert words in said(recovery._open(str(file), str(identity)))


def test_a_file_with_an_unlock_key_has_one(tmp_path: Path, say: Say) -> None:
    file = tmp_path / "key"
    say(unlock=str(file))
    assert f"{file} cannot be read (FileNotFoundError)" in said(recovery._unlock_keys(SETTINGS))
    file.write_text("my unlock key\n")
    assert f"{file} holds no unlock key (SWMKEY-…)" in said(recovery._unlock_keys(SETTINGS))


def test_a_locked_state_needs_the_key_of_its_time() -> None:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as archive:
        entry = tarfile.TarInfo(NODE_KEY)
        entry.size = LOCKED.stat().st_size
        archive.addfile(entry, io.BytesIO(LOCKED.read_bytes()))
    about = Backup("swarm-1", "home", "rk1", "node-rk1", "192.168.1.11", "28.5.2", ())
    locked = Archive(about, written.getvalue())
    words = "another one than the state is locked with. Name the key of that time"
    assert words in said(recovery._unlocked(locked, [OTHER_KEY]))


# Writing one
# -----------


def test_nothing_is_stopped_where_a_backup_cannot_be_encrypted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, say: Say
) -> None:
    say()
    without_pyrage(monkeypatch)
    words = "pyrage, which encrypts it, is not installed. pip install"
    assert words in said(backup._unwritable(tmp_path))


def test_nothing_is_stopped_where_the_named_file_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, say: Say
) -> None:
    file = tmp_path / "one.tar.age"
    say(to=str(file))
    assert backup._unwritable(file) is None
    file.touch()
    assert f"{file} exists already. Name a new file: --data to=PATH" in said(
        backup._unwritable(file)
    )
    elsewhere = tmp_path / "none/one.tar.age"
    words = f"there is no folder {elsewhere.parent}. Make it, or name another"
    assert words in said(backup._unwritable(elsewhere))
    file.unlink()
    monkeypatch.setattr(os, "access", lambda *_: False)
    words = f"{tmp_path} cannot be written to. Name another: --data to=PATH"
    assert words in said(backup._unwritable(file))


def test_nothing_is_stopped_where_the_declared_folder_cannot_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, say: Say
) -> None:
    say()
    file = tmp_path / "file"
    file.touch()
    assert backup._unwritable(tmp_path / "new/folder") is None
    words = f"{file} is not a folder. Name another in backup.folder"
    assert words in said(backup._unwritable(file / "backups"))
    monkeypatch.setattr(os, "access", lambda *_: False)
    words = f"{tmp_path} cannot be written to. Name another in backup.folder"
    assert words in said(backup._unwritable(tmp_path / "new"))


# Reset, and removal
# ------------------


def test_a_node_that_is_still_a_manager_does_not_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    target = SimpleNamespace(name="rk2", nodes=[SimpleNamespace(votes=True)])
    monkeypatch.setattr(removal, "_target", lambda settings: target)
    monkeypatch.setattr(removal, "plan_leaving", lambda target: [])
    monkeypatch.setattr(removal, "_steps", lambda target, findings: [Leave("node rk2", "leaves")])
    [command] = inspect.unwrap(removal.left)(SETTINGS)
    assert "rk2 is still a manager, so it does not leave" in str(command.args)
