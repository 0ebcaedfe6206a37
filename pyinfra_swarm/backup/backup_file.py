"""A backup's file on this computer: read once, opened in memory, and where it comes from."""

from __future__ import annotations

import getpass
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pyinfra_swarm.backup import record_file as backup_record
from pyinfra_swarm.backup.archive import Archive, Backup, Unusable, unpack
from pyinfra_swarm.backup.offline_unlock import NotUnlocked, fitting, node_key_in, unlocked_state
from pyinfra_swarm.backup.origin import plan_origin
from pyinfra_swarm.backup.retention import plan_folder
from pyinfra_swarm.keys import unlock_key_file as key_file
from pyinfra_swarm.run import age_encryption
from pyinfra_swarm.run.age_encryption import NotOpened
from pyinfra_swarm.run.converge import given
from pyinfra_swarm.run.findings import Notice, Refusal
from pyinfra_swarm.settings.paths import from_user

if TYPE_CHECKING:
    from pyinfra_swarm.run.findings import Finding
    from pyinfra_swarm.settings import Settings


@cache
def _content(file: str) -> bytes:
    """The file, read once a run, so that what was judged is what is used. Raises ``OSError``."""
    return from_user(file).read_bytes()


@cache
def opened(file: str, identity: str) -> Archive | Refusal:
    """The backup, decrypted in memory, once a run."""
    if not age_encryption.available():
        reason = "pyrage, which decrypts it, is not installed"
        return _refused(reason, age_encryption.install("backup"))
    try:
        encrypted = _content(file)
        key = from_user(identity).read_bytes()
    except OSError as error:
        return _refused(f"{error.filename} cannot be read: {error.strerror}", "")
    try:
        return unpack(age_encryption.decrypt(encrypted, key, lambda: _passphrase(identity)))
    except NotOpened as error:
        return _refused(f"{file} could not be opened: {error}", "Name the key it was encrypted to")
    except Unusable as error:
        return _refused(f"{file} cannot be used: {error}", "Take another backup")


def origin(settings: Settings, file: str, backup: Backup) -> tuple[bool, list[Finding]]:
    """Whether this computer has written a backup, and what is known about where it comes from."""
    folder = from_user(settings.backup.folder)
    try:
        record = backup_record.entries()
        others = [found for found in backup_record.look(folder) if found.name != Path(file).name]
    except OSError as error:
        return False, [
            Notice(
                "the backup",
                "whether this computer wrote it is unknown, since the record of backups "
                f"({backup_record.place()}) cannot be used: {error}",
            ),
            *plan_origin(Path(file).name, None, backup, ()),
        ]
    sum_of_it = backup_record.digest(_content(file))
    written = next((entry for entry in record if entry.sha256 == sum_of_it), None)
    findings = plan_origin(Path(file).name, written, backup, record)
    return written is not None, findings + plan_folder(str(folder), others, time.time())


def _passphrase(identity: str) -> str | None:
    if not sys.stdin.isatty():
        return None
    return getpass.getpass(f"Passphrase of {identity}: ")


def unlock_keys(settings: Settings) -> tuple[str, ...] | Refusal:
    """Keys that may open a locked state: of the named file, or the declared one; and the backup's.

    A manager that has survived may be locked with another key than the one of the backup's time.
    """
    named = given("unlock")
    found = declared_keys(settings) if named is None else _keys_in(from_user(named))
    if isinstance(found, Refusal):
        return found
    if named is not None and not found:
        return _refused(f"{named} holds no unlock key (SWMKEY-…)", "")
    if given("file"):
        archive = opened(given("file") or "", given("identity") or "")
        if not isinstance(archive, Refusal) and archive.unlock_key:
            own = (archive.unlock_key,)
            return own + found if named is None else found + own
    return found


def declared_keys(settings: Settings) -> tuple[str, ...]:
    """The keys in the declared file; none where it cannot be used."""
    path = settings.swarm.unlock_key_path
    if path is None or key_file.look(path).problem:
        return ()
    return tuple(key_file.keys(path))


def _keys_in(path: Path) -> tuple[str, ...] | Refusal:
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        return _refused(f"{path} cannot be read ({type(error).__name__})", "")
    return tuple(re.findall(r"SWMKEY-1-[A-Za-z0-9+/=]+", text))


def unlocked(archive: Archive, unlock_keys: Sequence[str]) -> Archive | Refusal:
    """The backup with its state unlocked, where it is locked and there is a key."""
    if not unlock_keys:
        return archive
    try:
        key = fitting(node_key_in(archive.state), unlock_keys)
        return replace(archive, state=unlocked_state(archive.state, key))
    except NotUnlocked as error:
        return _refused(
            f"the state could not be unlocked: {error}",
            "Name a file with the key of that time: --data unlock=PATH",
        )


def _refused(reason: str, remedy: str) -> Refusal:
    return Refusal("the swarm's restore", reason, remedy=remedy)
