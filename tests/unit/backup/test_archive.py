"""What a backup holds is whole and has its form, or it is refused: its origin may be unknown."""

from __future__ import annotations

import dataclasses
import gzip
import io
import json
import shutil
import subprocess
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyinfra_swarm.backup import archive as backup_archive
from pyinfra_swarm.backup.archive import (
    NEEDED,
    Archive,
    Backup,
    Manager,
    Unusable,
    examine,
    pack,
    rebuilt,
    unpack,
)

RK2 = "node2" + "a" * 20
ABOUT = Backup(
    cluster="swarm1" + "a" * 19,
    name="home",
    host="rk2",
    node=RK2,
    address="192.168.1.12",
    engine="28.5.2",
    taken=1795576500,
    autolock=False,
    managers=(Manager(RK2, "rk2", "192.168.1.12"),),
)
UNLOCK_KEY = "SWMKEY-1-7c37Cc8654o6p38HnroywCi19pllOnGtbdZEgtKxZu8"

Added = Callable[[tarfile.TarFile], None]


def state(without: str = "", added: Added | None = None) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as archive:
        for name in (*NEEDED, "swarm/raft/wal-v3-encrypted/0-0.wal"):
            if name != without and not (without == "wal" and "wal-" in name):
                add(archive, name, name.encode())
        if added:
            added(archive)
    return written.getvalue()


def add(archive: tarfile.TarFile, name: str, content: bytes = b"", **more: Any) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    for attribute, value in more.items():
        setattr(entry, attribute, value)
    archive.addfile(entry, io.BytesIO(content))


def archive(files: dict[str, bytes]) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as opened:
        for name, content in files.items():
            add(opened, name, content)
    return written.getvalue()


def refused(packed: bytes) -> str:
    with pytest.raises(Unusable) as caught:
        unpack(packed)
    return str(caught.value)


@pytest.mark.parametrize("unlock_key", ["", UNLOCK_KEY])
def test_what_is_packed_is_unpacked_the_same(unlock_key: str) -> None:
    before = Archive(ABOUT, state(), unlock_key)
    after = unpack(pack(before))
    assert (after.state, after.unlock_key) == (before.state, unlock_key)
    assert dataclasses.replace(after.about, digest="") == ABOUT
    assert after.about.time == "2026-11-25 03:15 UTC"
    assert "SWMKEY" not in repr(after)


@pytest.mark.parametrize("missing", [*NEEDED, "wal"])
def test_a_state_that_is_not_whole_is_no_backup(missing: str) -> None:
    with pytest.raises(Unusable, match="not a manager's, or not whole"):
        pack(Archive(ABOUT, state(without=missing)))


def test_damage_is_found() -> None:
    packed = pack(Archive(ABOUT, state()))
    cut = packed.index(b"\x1f\x8b\x08") + 100
    for damaged in (b"", b"nonsense", packed[:600], packed[:cut]):
        refused(damaged)
    with pytest.raises(Unusable, match="damaged"):
        examine(state()[:-20])
    swapped = bytearray(packed)
    at = packed.index(b"\x1f\x8b\x08") + 30
    swapped[at] ^= 1
    assert "its checksum differs" in refused(bytes(swapped))


def test_a_newer_format_is_not_guessed_at() -> None:
    described = json.dumps({"format": 2}).encode()
    files = {"backup.json": described, "swarm.tar.gz": state()}
    assert "a newer version of this program" in refused(archive(files))


# What somebody else may have written
# ----------------------------------


def saying(**other: Any) -> bytes:
    """A backup that is whole, and says something else of itself."""
    with tarfile.open(fileobj=io.BytesIO(pack(Archive(ABOUT, state())))) as whole:
        files = {entry.name: whole.extractfile(entry) for entry in whole}
        content = {name: file.read() for name, file in files.items() if file}
    described = json.loads(content["backup.json"]) | other
    return archive({**content, "backup.json": json.dumps(described).encode()})


HOSTILE = [
    "x;id>owned;#",
    "$(id)",
    "`id`",
    "a b",
    "rk1\n",
    "\x1b[2J",
    "\u2028",
    "-x",
    "",
    "a" * 100_000,
    None,
    1,
    True,
    ["rk1"],
    {"a": 1},
    "é",
]


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("name", ["cluster", "name", "host", "node", "engine"])
def test_a_field_that_has_not_its_form_is_refused(name: str, value: object) -> None:
    assert refused(saying(**{name: value})).startswith("it is no backup of this program")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("address", "192.168.1.12;id"),
        ("address", "$(id)"),
        ("availability", "active;id"),
        ("availability", "Active"),
        ("taken", "1795576500"),
        ("taken", -1),
        ("taken", 10**20),
        ("taken", 1e9),
        ("taken", True),
        ("autolock", "no"),
        ("autolock", 1),
        ("digest", "$(id)"),
        ("format", "1"),
        ("managers", "rk1"),
        ("managers", [{"node": "x;id", "hostname": "rk1", "address": "192.168.1.11"}]),
        ("managers", [{"node": ABOUT.node, "hostname": "rk1", "address": "192.168.1.11;id"}]),
        ("managers", [{"node": ABOUT.node, "hostname": "\x1b[2J", "address": "192.168.1.11"}]),
        ("managers", [{"node": ABOUT.node, "hostname": 1, "address": "192.168.1.11"}]),
        ("managers", [{"node": ABOUT.node}]),
        ("more", "than there is"),
    ],
)
def test_so_is_any_other(name: str, value: object) -> None:
    assert refused(saying(**{name: value})).startswith("it is no backup of this program")


def test_what_could_not_be_read_again_is_not_written() -> None:
    about = dataclasses.replace(ABOUT, cluster="x;id")
    with pytest.raises(Unusable, match="cluster"):
        pack(Archive(about, state()))


def test_an_archive_of_anything_else_is_refused() -> None:
    files = {"backup.json": b"{}", "swarm.tar.gz": state()}
    assert "something else in it" in refused(archive({**files, "more": b""}))
    assert "is too long" in refused(archive({**files, "backup.json": bytes(2 << 20)}))
    for text in (b"{", b"[]", b"[" * 500_000, b'{"format": 1}', b"\xff\xfe", b"9" * 9000):
        refused(archive({**files, "backup.json": text}))
    refused(gzip.compress(pack(Archive(ABOUT, state()))))
    twice = io.BytesIO()
    with tarfile.open(fileobj=twice, mode="w") as opened:
        for _ in range(2):
            add(opened, "swarm.tar.gz", state())
    assert "something else in it" in refused(twice.getvalue())
    key = pack(Archive(ABOUT, state(), "SWMKEY-1-$(id)"))
    assert "its unlock key is none" in refused(key)


STRANGE: dict[str, Added] = {
    "link": lambda a: add(a, "swarm/x", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
    "hard link": lambda a: add(a, "swarm/x", type=tarfile.LNKTYPE, linkname="swarm/state.json"),
    "device": lambda a: add(a, "swarm/x", type=tarfile.BLKTYPE, devmajor=8, devminor=0),
    "pipe": lambda a: add(a, "swarm/x", type=tarfile.FIFOTYPE),
    "way out": lambda a: add(a, "swarm/../../../etc/cron.d/x", b"* * * * * root id"),
    "absolute": lambda a: add(a, "/etc/cron.d/x", b"* * * * * root id"),
    "beside": lambda a: add(a, "containers/x", b""),
    "setuid": lambda a: add(a, "swarm/x", b"", mode=0o4755),
    "dot": lambda a: add(a, "swarm/./state.json", b""),
}


@pytest.mark.parametrize("what", STRANGE)
def test_a_state_holds_plain_files_and_folders_of_its_own_only(what: str) -> None:
    with pytest.raises(Unusable, match="holds what no state has"):
        examine(state(added=STRANGE[what]))


def test_a_file_that_comes_twice_is_refused_since_readers_differ_in_which_they_take() -> None:
    with pytest.raises(Unusable, match=r"two files of one name: 'swarm/state\.json'"):
        examine(state(added=lambda a: add(a, "swarm/state.json", b"another")))
    with pytest.raises(Unusable, match="two files of one name"):
        examine(state(added=lambda a: add(a, "./swarm/state.json", b"another")))


def test_a_file_with_holes_is_refused_which_may_be_of_any_size() -> None:
    """Five bytes that are read as a terabyte."""
    sparse = {
        **{"GNU.sparse.major": "1", "GNU.sparse.minor": "0"},
        **{"GNU.sparse.name": "swarm/x", "GNU.sparse.realsize": str(1 << 40)},
    }
    content = b"1\n0\n5\n".ljust(512, b"\0") + b"holes"
    holes = state(added=lambda a: add(a, "swarm/x", content, pax_headers=sparse))
    with pytest.raises(Unusable, match="holds what no state has: 'swarm/x'"):
        examine(holes)


def test_a_state_that_unpacks_to_more_than_any_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    examine(state(added=lambda a: add(a, "swarm/x", bytes(1 << 20))))
    monkeypatch.setattr(backup_archive, "_LARGEST_STATE", 1 << 20)
    with pytest.raises(Unusable, match="unpacks to more than"):
        examine(state(added=lambda a: add(a, "swarm/x", bytes(1 << 20))))


def test_a_header_of_half_a_gigabyte_is_not_taken_into_memory() -> None:
    header = tarfile.TarInfo("swarm/x")
    header.type, header.size = tarfile.XHDTYPE, 1 << 29
    bomb = io.BytesIO()
    with gzip.GzipFile(fileobj=bomb, mode="wb", compresslevel=1) as file:
        file.write(header.tobuf())
        for _ in range(512):
            file.write(bytes(1 << 20))
    tracemalloc.start()
    with pytest.raises(Unusable, match="more than 64 MiB of headers"):
        examine(bomb.getvalue())
    assert tracemalloc.get_traced_memory()[1] < 64 << 20
    tracemalloc.stop()


def test_nor_are_more_files_than_any_state_has(monkeypatch: pytest.MonkeyPatch) -> None:
    def with_files(many: int) -> bytes:
        def files(archive: tarfile.TarFile) -> None:
            for number in range(many):
                add(archive, f"swarm/{number}")

        return state(added=files)

    monkeypatch.setattr(backup_archive, "_LONGEST_HEADERS", 1 << 20)
    examine(with_files(1000))
    with pytest.raises(Unusable, match="of headers"):
        examine(with_files(3000))


def test_a_state_as_tar_writes_it_is_taken() -> None:
    def folders(archive: tarfile.TarFile) -> None:
        for name in ("swarm", "swarm/raft", "swarm/worker"):
            add(archive, name, type=tarfile.DIRTYPE, mode=0o700)

    examine(state(added=folders))


@pytest.mark.skipif(not shutil.which("tar"), reason="needs tar")
def test_the_host_unpacks_what_was_judged_and_nothing_that_only_its_own_reader_finds(
    tmp_path: Path,
) -> None:
    """Behind the first empty block one reader ends, and another may go on."""
    end = len(gzip.decompress(state()).rstrip(b"\0"))
    plain = gzip.decompress(state())[: -(-end // 512) * 512]
    behind = gzip.decompress(state(added=lambda a: add(a, "swarm/more", b"hidden")))
    for empty in (1, 2, 20):
        hidden = gzip.compress(plain + bytes(512 * empty) + behind)
        examine(hidden)
        written = rebuilt(hidden, {"swarm/state.json": b"replaced"})
        folder = tmp_path / str(empty)
        folder.mkdir()
        subprocess.run(["tar", "-C", folder, "-xz"], input=written, check=True)
        found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
        assert found == {*NEEDED, "swarm/raft/wal-v3-encrypted/0-0.wal"}
        assert (folder / "swarm/state.json").read_bytes() == b"replaced"
        assert (folder / "swarm/docker-state.json").read_text() == "swarm/docker-state.json"


def test_what_is_rebuilt_is_roots_and_has_its_modes() -> None:
    def theirs(archive: tarfile.TarFile) -> None:
        add(archive, "swarm", type=tarfile.DIRTYPE, mode=0o2710, uid=1000, uname="ada")
        add(archive, "swarm/x", b"1", mode=0o640, uid=1000, gid=1000, uname="ada", gname="ada")

    with tarfile.open(fileobj=io.BytesIO(rebuilt(state(added=theirs)))) as opened:
        assert {(entry.uid, entry.gid, entry.uname, entry.gname) for entry in opened} == {
            (0, 0, "", "")
        }
        assert opened.getmember("swarm").mode == 0o710
        assert opened.getmember("swarm/x").mode == 0o640


@given(at=st.integers(0, 20480), cut=st.integers(0, 600), put=st.binary(max_size=600))
def test_any_bytes_in_it_are_judged_without_an_error(at: int, cut: int, put: bytes) -> None:
    whole = pack(Archive(ABOUT, state()))
    assert said_of(unpack, whole[:at] + put + whole[at + cut :]).isprintable()


@given(at=st.integers(0, 20480), cut=st.integers(0, 600), put=st.binary(max_size=600))
def test_any_bytes_in_the_state_are_judged_without_an_error(at: int, cut: int, put: bytes) -> None:
    plain = gzip.decompress(state())
    changed = gzip.compress(plain[:at] + put + plain[at + cut :], 1)
    assert said_of(examine, changed).isprintable()


def said_of(judge: Callable[[bytes], object], data: bytes) -> str:
    """Why it is refused, empty where it is taken."""
    try:
        judge(data)
    except Unusable as error:
        return str(error)
    return ""
