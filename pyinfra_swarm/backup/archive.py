"""What a backup is made of, judged whole before any of it is used.

A tar archive, encrypted as a whole: ``backup.json`` (:class:`Backup`), ``swarm.tar.gz``, the folder
``/var/lib/docker/swarm`` as it was on the host, and ``unlock-key`` of an autolocked swarm. So it
can be restored without this program.

Anybody can encrypt to a public key, so the content of a file that was opened cannot be trusted
either: every field has a shape, and the state holds plain files and folders only.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import IO, Any, cast

from pyinfra_swarm.engine.unlock_key import is_key
from pyinfra_swarm.run.wording import moment

FORMAT = 1
"""Of the archive; a reader refuses a newer one."""

STATE, ABOUT, UNLOCK_KEY = "swarm.tar.gz", "backup.json", "unlock-key"

NEEDED = (
    "swarm/docker-state.json",
    "swarm/state.json",
    "swarm/certificates/swarm-node.crt",
    "swarm/certificates/swarm-node.key",
    "swarm/certificates/swarm-root-ca.crt",
)
"""Files without which a manager's state is of no use; besides these there is the raft log."""

RAFT_LOG = "swarm/raft/wal-"

HEADER = b"age-encryption.org/v1\n"
"""What a file encrypted by age begins with (https://age-encryption.org/v1)."""

_LONGEST = {ABOUT: 1 << 20, UNLOCK_KEY: 1 << 10}
_LARGEST_STATE = 8 << 30
"""Bytes, unpacked. That of a small swarm is 64 MB, most of it preallocated log."""
_LONGEST_HEADERS = 64 << 20
"""Bytes: of a hundred thousand files. A state has some dozens."""

_BROKEN = (
    *(tarfile.TarError, EOFError, OSError, zlib.error, RecursionError),
    *(ValueError, KeyError, TypeError, AttributeError, OverflowError),
)
"""What the libraries raise for bytes that somebody has made up."""


class Unusable(ValueError):
    """An archive that cannot be restored, and why."""


@dataclass(frozen=True)
class Manager:
    """A manager of the swarm at the time of the backup."""

    node: str
    hostname: str
    address: str


@dataclass(frozen=True)
class Backup:
    """What a backup says of itself.

    cluster: the swarm's id; name: what the settings called the cluster; host, node, address: whose
    state it is; engine: the engine's version; taken: when, in seconds since 1970; autolock: the
    state is locked, so the unlock key of that time is needed as well; managers: all of them;
    availability: what the host had before it was drained for the backup, so that the state has it
    drained; empty where it was not; digest: SHA-256 of the state's archive, in hexadecimal.
    """

    cluster: str
    name: str
    host: str
    node: str
    address: str
    engine: str
    managers: tuple[Manager, ...]
    taken: int = 0
    autolock: bool = False
    availability: str = ""
    digest: str = ""

    @property
    def time(self) -> str:
        """When it was taken, as a person reads it."""
        return moment(self.taken)


@dataclass(frozen=True)
class Archive:
    """What a backup holds. unlock_key: of a locked state, empty where it is not kept with it."""

    about: Backup
    state: bytes = field(repr=False)
    unlock_key: str = field(default="", repr=False)


def pack(content: Archive) -> bytes:
    """The archive, still to be encrypted.

    Raises :class:`Unusable` for what :func:`unpack` would not take.
    """
    examine(content.state)
    _judge(content.about)
    digest = hashlib.sha256(content.state).hexdigest()
    described = {"format": FORMAT, **asdict(content.about), "digest": digest}
    files = {ABOUT: (json.dumps(described, indent=2) + "\n").encode(), STATE: content.state}
    if content.unlock_key:
        files[UNLOCK_KEY] = f"{content.unlock_key}\n".encode()
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        for name, file in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(file), 0o600, content.about.taken
            archive.addfile(entry, io.BytesIO(file))
    return written.getvalue()


def unpack(archive: bytes) -> Archive:
    """What :func:`pack` was given. Raises :class:`Unusable` where any of it is not whole."""
    try:
        content = _contents(archive)
        described: dict[str, Any] = json.loads(content[ABOUT])
        state = content[STATE]
        if described.pop("format") > FORMAT:
            raise Unusable("it was written by a newer version of this program")
        managers = tuple(Manager(**manager) for manager in described.pop("managers"))
        about = Backup(**described, managers=managers)
        unlock_key = content.get(UNLOCK_KEY, b"").decode("ascii").strip()
    except Unusable:
        raise
    except _BROKEN as error:
        raise Unusable(f"it is no backup of this program ({type(error).__name__})") from error
    _judge(about)
    if unlock_key and not is_key(unlock_key):
        raise Unusable("it is no backup of this program: its unlock key is none")
    if hashlib.sha256(state).hexdigest() != about.digest:
        raise Unusable("the state in it is not what was backed up: its checksum differs")
    examine(state)
    return Archive(about, state, unlock_key)


def _contents(archive: bytes) -> dict[str, bytes]:
    """The archive's files by name; each may be there once."""
    content: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as opened:
        for entry in opened:
            known = entry.name in (ABOUT, STATE, UNLOCK_KEY) and entry.name not in content
            file = opened.extractfile(entry) if known and _is_plain(entry) else None
            if file is None:
                raise Unusable("it is no backup of this program: there is something else in it")
            if entry.size > _LONGEST.get(entry.name, len(archive)):
                raise Unusable(f"it is no backup of this program: {entry.name} is too long")
            content[entry.name] = file.read()
    return content


def _is_plain(entry: tarfile.TarInfo) -> bool:
    """A file with all of its bytes: one with holes may be of any size."""
    return entry.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and not entry.issparse()


# What it says of itself
# ----------------------

_ID = r"[a-z0-9]{25}"
_NAME = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_ADDRESS = r"[0-9A-Fa-f.:\[\]]{0,64}"
_SHAPES = {
    "cluster": _ID,
    "name": _NAME,
    "host": _NAME,
    "node": _ID,
    "address": _ADDRESS,
    "engine": r"[0-9A-Za-z][0-9A-Za-z.+~:_-]{0,63}",
    "availability": "|active|pause|drain",
    "digest": "|[0-9a-f]{64}",
}
_LAST = 1 << 33
"""The year 2242, in seconds since 1970."""


def _judge(about: Backup) -> None:
    """Each field has its shape. Raises :class:`Unusable`."""
    values = {name: getattr(about, name) for name in _SHAPES}
    wrong = [name for name, value in values.items() if not _fits(_SHAPES[name], value)]
    if type(about.taken) is not int or not 0 <= about.taken < _LAST:
        wrong.append("time")
    if type(about.autolock) is not bool:
        wrong.append("autolock")
    if not all(
        _fits(_ID, manager.node)
        and _fits(_ADDRESS, manager.address)
        and isinstance(manager.hostname, str)
        and len(manager.hostname) <= 255
        and manager.hostname.isprintable()
        for manager in about.managers
    ):
        wrong.append("managers")
    if wrong:
        raise Unusable(f"it is no backup of this program: wrong in form: {', '.join(wrong)}")


def _fits(shape: str, value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(shape, value) is not None


# The state in it
# ---------------


def examine(state: bytes) -> None:
    """Read a state's archive to its end: plain files and folders below ``swarm``, none missing.

    Raises :class:`Unusable`.
    """
    try:
        with (
            gzip.GzipFile(fileobj=io.BytesIO(state)) as unpacked,
            tarfile.open(fileobj=cast(IO[bytes], _Headers(unpacked)), mode="r:") as archive,
        ):
            names = [name for name, entry in _entries(archive) if entry.isfile()]
    except Unusable:
        raise
    except _BROKEN as error:
        raise Unusable(f"the state's archive is damaged ({error})") from error
    missing = [name for name in NEEDED if name not in names]
    if not any(name.startswith(RAFT_LOG) for name in names):
        missing.append("the raft log")
    if missing:
        raise Unusable(f"the state is not a manager's, or not whole: {', '.join(missing)} missing")


class _Headers:
    """An unpacked archive of which only headers are read, and no more than a state has.

    A few kilobytes can unpack to any number of them, and to one of any size, which tarfile takes
    into memory at once.
    """

    def __init__(self, unpacked: gzip.GzipFile) -> None:
        self._unpacked, self._left = unpacked, _LONGEST_HEADERS
        self.seek, self.tell = unpacked.seek, unpacked.tell

    def read(self, size: int) -> bytes:
        self._left -= size
        if self._left < 0:
            raise Unusable(f"the state has more than {_LONGEST_HEADERS >> 20} MiB of headers")
        return self._unpacked.read(size)


def rebuilt(state: bytes, replaced: Mapping[str, bytes] = MappingProxyType({})) -> bytes:
    """A state's archive made again from what was judged in it, owned by root.

    Two readers of one archive may find different files in it, so the host gets what was judged
    here. replaced: contents by name, instead of those in the archive.

    Raises :class:`Unusable` where it is not what :func:`examine` takes.
    """
    written = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(state), mode="r:gz") as before,
        tarfile.open(fileobj=written, mode="w:gz", compresslevel=6) as after,
    ):
        for name, entry in _entries(before):
            new = tarfile.TarInfo(name)
            new.type, new.mode, new.mtime = entry.type, entry.mode & 0o777, int(entry.mtime)
            content = before.extractfile(entry) if entry.isfile() else None
            if content is not None and name in replaced:
                content = io.BytesIO(replaced[name])
            if content is not None:
                new.size = len(replaced[name]) if name in replaced else entry.size
            after.addfile(new, content)
    return written.getvalue()


def _entries(archive: tarfile.TarFile) -> Iterator[tuple[str, tarfile.TarInfo]]:
    """Each entry with its name, if root may unpack it although its origin is unknown."""
    names: set[str] = set()
    size = 0
    for entry in archive:
        name = entry.name.removeprefix("./")
        inside = name.split("/")[0] == "swarm" and not {"", ".", ".."} & {*name.split("/")}
        plain = entry.isdir() or (_is_plain(entry) and not entry.mode & 0o7000)
        if not (inside and plain):
            raise Unusable(f"the state holds what no state has: {name[:80]!r}")
        if name in names:
            raise Unusable(f"the state has two files of one name: {name[:80]!r}")
        names.add(name)
        size += entry.size
        if size > _LARGEST_STATE:
            raise Unusable(f"the state unpacks to more than {_LARGEST_STATE >> 30} GiB")
        yield name, entry
