"""What this computer has found out about values and seals, so that it is not computed again.

A file has a random key and, for each pair of a seal and a value that were compared, a keyed digest
(HMAC-SHA256) of both and of the outcome. It holds no value, and nothing that can be tried out
without the key. It only saves time: where it is missing, or is not as it should be, seals are
computed, and it is begun anew.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pyinfra_swarm.run.plain_file import content, opened, state_folder, write
from pyinfra_swarm.secrets.value import Value

_HEADER = "pyinfra-swarm seals 1 "
_MOST = 20_000
_KEPT = 10_000
_LARGEST = 4 << 20


@dataclass
class _Cache:
    """What is in the file, as it was last read or written. identity: which file that was."""

    key: bytes = field(repr=False)
    found: set[str] = field(repr=False)


_caches: dict[Path, _Cache] = {}
"""What this process has read, by the file."""


def place() -> Path:
    """Where the file is: in the user's folder for state, one for all clusters."""
    return state_folder() / "seals"


def known(sealed: str, value: Value) -> bool | None:
    """Whether a seal is that of a value; `None` where it was not found out yet."""
    cache = _cache()
    if cache is None:
        return None
    for outcome in (True, False):
        if _entry(cache.key, sealed, value, outcome) in cache.found:
            return outcome
    return None


def keep(sealed: str, value: Value, *, matched: bool) -> None:
    """Remember what was found out. Nothing fails where it cannot be."""
    cache = _cache()
    if cache is None:
        cache = _begin()
    if cache is None:
        return
    entry = _entry(cache.key, sealed, value, matched)
    if entry in cache.found:
        return
    cache.found.add(entry)
    with suppress(OSError), opened(place(), os.O_RDWR | os.O_APPEND) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.write(descriptor, f"{entry}\n".encode())


def forget() -> None:
    """Makes the next question read the file again."""
    _caches.clear()


def _entry(key: bytes, sealed: str, value: Value, matched: bool) -> str:
    text = sealed.encode(errors="backslashreplace")
    said = b"%d:%d:" % (matched, len(text)) + text + value.data
    return hmac.digest(key, said, hashlib.sha256).hex()


def _cache() -> _Cache | None:
    path = place()
    if path not in _caches:
        found = _read(path)
        if found is None:
            return None
        _caches[path] = found
    return _caches[path]


def _read(path: Path) -> _Cache | None:
    """What the file holds; nothing where others could read it or write to it."""
    try:
        with opened(path) as descriptor:
            status = os.fstat(descriptor)
            if status.st_uid != os.geteuid() or status.st_mode & 0o077:
                return None
        header, *entries = content(path, _LARGEST).decode("ascii").splitlines()
    except (OSError, ValueError):
        return None
    if not re.fullmatch(re.escape(_HEADER) + "[0-9a-f]{64}", header):
        return None
    found = [entry for entry in entries if re.fullmatch("[0-9a-f]{64}", entry)]  # whole lines
    if len(found) > _MOST:
        with suppress(OSError):
            write(path, "\n".join([header, *found[-_KEPT:], ""]), mode=0o600)
    return _Cache(bytes.fromhex(header.removeprefix(_HEADER)), set(found))


def _begin() -> _Cache | None:
    """A new file in the place of one that is missing or of no use."""
    path = place()
    key = os.urandom(32)
    try:
        path.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
        if os.path.isdir(path) and not os.path.islink(path):
            return None
        write(path, f"{_HEADER}{key.hex()}\n", mode=0o600)
    except OSError:
        return None
    _caches[path] = _Cache(key, set())
    return _caches[path]
