"""The lock comes off an autolocked manager's state with its own unlock key, and no other.

The key is that of a real swarm of one node (engine 26.1.5) that is no more. Whether an
engine takes what comes of it is for ``tests/engines/test_engines_backup_locked.py`` to say.
"""

from __future__ import annotations

import base64
import io
import re
import tarfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from pyinfra_swarm.backup.offline_unlock import (
    NODE_KEY,
    NotUnlocked,
    fitting,
    is_locked,
    node_key_in,
    unlocked,
    unlocked_state,
)

LOCKED = (Path(__file__).parents[1] / "fixtures/autolock/swarm-node.key").read_bytes()
UNLOCK_KEY = "SWMKEY-1-1lgtjw2higBEQ0P58AxQeD1PvfPO3qSZsxIlYz1LY1c"


def test_the_private_key_and_that_of_the_raft_log_are_unlocked() -> None:
    key = unlocked(LOCKED, UNLOCK_KEY)
    assert is_locked(LOCKED)
    assert not is_locked(key)
    headers = dict(re.findall(r"(?m)^([a-z-]+): (.*)$", key.decode()))
    assert headers["kek-version"] == "0"
    # A field of 32 bytes, as an engine writes it that was never locked.
    record = base64.b64decode(headers["raft-dek"])
    assert record[:2] == bytes([0x12, 32])
    assert len(record) == 34
    body = re.sub(r"(?m)^[a-z-]+: .*\n", "", key.decode()).replace("\n\n", "\n")
    assert serialization.load_pem_private_key(body.encode(), password=None)


def test_of_several_keys_the_one_that_fits_is_found() -> None:
    other = "SWMKEY-1-7c37Cc8654o6p38HnroywCi19pllOnGtbdZEgtKxZu8"
    assert fitting(LOCKED, [other, UNLOCK_KEY]) == UNLOCK_KEY
    with pytest.raises(NotUnlocked, match="the unlock key is another one"):
        fitting(LOCKED, [other])
    with pytest.raises(NotUnlocked, match="there is no unlock key"):
        fitting(LOCKED, [])


def test_what_is_not_locked_stays_as_it_is() -> None:
    key = unlocked(LOCKED, UNLOCK_KEY)
    assert unlocked(key, "whatever") == key


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("SWMKEY-1-7c37Cc8654o6p38HnroywCi19pllOnGtbdZEgtKxZu8", "the unlock key is another one"),
        ("SWMKEY-1-short", "it is no unlock key"),
        ("", "it is no unlock key"),
    ],
)
def test_another_key_does_not_open_it(key: str, words: str) -> None:
    with pytest.raises(NotUnlocked, match=words):
        unlocked(LOCKED, key)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("raft-dek: CAES", "raft-dek: CAIS", "locked in a way that is not known here"),
        ("raft-dek: CAESMKBo", "raft-dek: CAESMKBp", "cannot be unlocked: the file is damaged"),
        ("raft-dek: CAESMKBo", "raft-dek: ", "cannot be unlocked: the file is damaged"),
        ("MIHeMEkG", "MIHeMEkH", "another one"),
    ],
)
def test_damage_is_no_success(before: str, after: str, words: str) -> None:
    damaged = LOCKED.decode().replace(before, after).encode()
    assert damaged != LOCKED
    with pytest.raises(NotUnlocked, match=words):
        unlocked(damaged, UNLOCK_KEY)


def test_the_rest_of_the_state_is_as_it_was() -> None:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as archive:
        for name, content, mode in (
            (NODE_KEY, LOCKED, 0o600),
            ("swarm/raft/wal-v3-encrypted/0.wal", bytes(5000), 0o600),
            ("swarm/certificates/swarm-node.crt", b"certificate", 0o644),
        ):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            archive.addfile(entry, io.BytesIO(content))
    after: dict[str, tuple[int, bytes]] = {}
    assert node_key_in(written.getvalue()) == LOCKED
    with tarfile.open(fileobj=io.BytesIO(unlocked_state(written.getvalue(), UNLOCK_KEY))) as left:
        for entry in left:
            file = left.extractfile(entry)
            assert file is not None
            after[entry.name] = (entry.mode, file.read())
    assert after == {
        NODE_KEY: (0o600, unlocked(LOCKED, UNLOCK_KEY)),
        "swarm/raft/wal-v3-encrypted/0.wal": (0o600, bytes(5000)),
        "swarm/certificates/swarm-node.crt": (0o644, b"certificate"),
    }
