"""The file on this computer that keeps the swarm's unlock key: its owner's alone, never lost.

It is replaced whole or not at all, and a key that it held before goes into a file of the same name
with ``.old`` behind it, one key a line, the newest first.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pyinfra_swarm.engine.unlock_key import fingerprint, is_key
from pyinfra_swarm.keys.unlock_key import KeyFile
from pyinfra_swarm.run.plain_file import content, opened, sync_folder

_LONGEST = 1 << 16
"""Bytes: more than a thousand keys."""


def look(path: Path) -> KeyFile:
    """What is there; never the key itself."""
    shown = str(path)
    try:
        if not path.parent.is_dir():
            return KeyFile(shown, problem=f"its folder {path.parent} is not there")
        if path.is_symlink() or (path.exists() and not path.is_file()):
            return KeyFile(shown, problem="it is not a plain file")
        earlier = len(_lines(old(path)))
        if not path.exists():
            return KeyFile(shown, earlier=earlier)
        [*keys] = _lines(path)
        if len(keys) != 1 or not is_key(keys[0]):
            return KeyFile(shown, problem="it holds something else than one unlock key")
        mode = path.stat().st_mode & 0o777
        if earlier:
            mode |= old(path).stat().st_mode & 0o777  # a key of earlier times opens a state of then
        return KeyFile(shown, fingerprint=fingerprint(keys[0]), mode=mode, earlier=earlier)
    except OSError as error:
        return KeyFile(shown, problem=f"it cannot be read ({error.strerror or error})")


def keys(path: Path) -> list[str]:
    """The key that is kept, and after it those of earlier times, the newest first.

    Raises ``OSError``.
    """
    return [key for key in (*_lines(path), *_lines(old(path))) if is_key(key)]


def old(path: Path) -> Path:
    """Where keys of earlier times are kept."""
    return path.with_name(f"{path.name}.old")


@contextmanager
def place_for(path: Path) -> Iterator[PlaceForKey]:
    """A file beside the final one, made before the key is, so that the key can be written.

    Raises ``OSError`` where it cannot be made. It is removed unless :meth:`PlaceForKey.keep` was
    called.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
    try:
        os.write(descriptor, bytes(128))  # where the disk is full, this fails already
        os.fsync(descriptor)
        yield PlaceForKey(path, Path(name), descriptor)
    finally:
        os.close(descriptor)
        Path(name).unlink(missing_ok=True)


class PlaceForKey:
    """Where a key can be put."""

    def __init__(self, path: Path, waiting: Path, descriptor: int) -> None:
        self._path, self._waiting, self._descriptor = path, waiting, descriptor

    def keep(self, key: str) -> None:
        """Put the key there, for good when this returns. Raises ``OSError``."""
        before = [one for one in _lines(self._path) if one != key]
        if before:
            # First, so that no moment and no failure leaves the earlier key nowhere.
            _write_old(old(self._path), [*before, *_lines(old(self._path))])
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        os.truncate(self._descriptor, 0)
        os.write(self._descriptor, f"{key}\n".encode())
        os.fsync(self._descriptor)
        os.replace(self._waiting, self._path)
        sync_folder(self._path.parent)


def make_private(path: Path) -> None:
    """Nobody but its owner may read it. Raises ``OSError``."""
    for file in (path, old(path)):
        with suppress(FileNotFoundError), opened(file) as descriptor:
            os.fchmod(descriptor, 0o600)


def _write_old(path: Path, keys: list[str]) -> None:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        text = "".join(f"{key}\n" for key in dict.fromkeys(keys))
        os.write(descriptor, text.encode())
        os.fsync(descriptor)
        os.replace(name, path)
    finally:
        os.close(descriptor)
        Path(name).unlink(missing_ok=True)
    sync_folder(path.parent)


def _lines(path: Path) -> list[str]:
    try:
        text = content(path, _LONGEST).decode()
    except FileNotFoundError:
        return []
    except UnicodeDecodeError as error:
        raise OSError(f"{path.name}: it is not text") from error
    return [line.strip() for line in text.splitlines() if line.strip()]
