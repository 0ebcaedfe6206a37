"""A backup's form to the letter: whoever opens one by hand finds what the documentation says."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import asdict, replace
from hashlib import sha256
from typing import Any

import pytest

from pyinfra_swarm.backup import archive as backup_archive
from pyinfra_swarm.backup.archive import (
    FORMAT,
    HEADER,
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
from tests.unit.backup.test_archive import (
    ABOUT,
    UNLOCK_KEY,
    add,
    archive,
    refused,
    saying,
    state,
)


def entries(packed: bytes, mode: Any = "r:") -> dict[str, tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(packed), mode=mode) as opened:
        files = [(entry, opened.extractfile(entry)) for entry in opened]
        return {entry.name: (entry, file.read() if file else b"") for entry, file in files}


def test_the_archive_holds_three_files_that_only_their_owner_may_read() -> None:
    found = entries(pack(Archive(ABOUT, state(), UNLOCK_KEY)))
    assert list(found) == ["backup.json", "swarm.tar.gz", "unlock-key"]
    for entry, _ in found.values():
        assert (entry.mode, entry.mtime, entry.isfile()) == (0o600, ABOUT.taken, True)
    digest = sha256(state()).hexdigest()
    said = {"format": 1, **asdict(ABOUT), "digest": digest}
    assert found["backup.json"][1].decode() == json.dumps(said, indent=2) + "\n"
    assert found["swarm.tar.gz"][1] == state()
    assert found["unlock-key"][1] == f"{UNLOCK_KEY}\n".encode()
    assert list(entries(pack(Archive(ABOUT, state())))) == ["backup.json", "swarm.tar.gz"]


def test_what_a_state_needs_is_what_dockers_managers_have() -> None:
    assert NEEDED == (
        "swarm/docker-state.json",
        "swarm/state.json",
        "swarm/certificates/swarm-node.crt",
        "swarm/certificates/swarm-node.key",
        "swarm/certificates/swarm-root-ca.crt",
    )
    assert (FORMAT, HEADER) == (1, b"age-encryption.org/v1\n")
    with pytest.raises(Unusable, match=r"not whole: swarm/state\.json, the raft log missing"):
        examine(without("swarm/state.json", "swarm/raft/wal-v3-encrypted/0-0.wal"))


def without(*names: str) -> bytes:
    """A state's archive without these files."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as opened:
        for name, (_, content) in entries(state(), "r:gz").items():
            if name not in names:
                add(opened, name, content)
    return written.getvalue()


def test_what_is_there_as_a_folder_is_no_file() -> None:
    def folder(opened: tarfile.TarFile) -> None:
        add(opened, NEEDED[0], type=tarfile.DIRTYPE)

    with pytest.raises(Unusable, match=r"docker-state\.json missing"):
        examine(state(without=NEEDED[0], added=folder))


# What it may say of itself
# -------------------------

ID = "a1" * 12 + "z"
NAME = "a" + "b-9" * 20 + "cd"


@pytest.mark.parametrize(
    ("field", "taken", "refused_"),
    [
        *((name, (ID,), (ID[1:], ID + "a", ID[1:] + "A")) for name in ("cluster", "node")),
        *((name, ("a", "0", NAME), (NAME + "e", "-a", "a-", "A")) for name in ("name", "host")),
        ("address", ("", "fe80::1", "[::1]", "A" * 64, "10.0.0.1"), ("A" * 65, "g", "10.0.0.1 ")),
        ("engine", ("28.5.2", "5:28.5.2~ce-1+b_a", "2" * 64), ("", "2" * 65, "-1", "2 8")),
        ("availability", ("", "active", "pause", "drain"), ("none", "activepause", "Active")),
        ("taken", (0, (1 << 33) - 1), (-1, 1 << 33, 1.5, True)),
        ("autolock", (True, False), (0, 1, None, "")),
    ],
)
def test_each_field_has_its_form(
    field: str, taken: tuple[object, ...], refused_: tuple[object, ...]
) -> None:
    for value in taken:
        assert getattr(unpack(saying(**{field: value})).about, field) == value
    for value in refused_:
        shown = "time" if field == "taken" else field
        assert refused(saying(**{field: value})) == (
            f"it is no backup of this program: wrong in form: {shown}"
        )


@pytest.mark.parametrize(
    ("differing", "taken"),
    [
        ({}, True),
        ({"hostname": ""}, True),
        ({"hostname": "größer"}, True),
        ({"hostname": "x" * 255}, True),
        ({"hostname": "x" * 256}, False),
        ({"hostname": "a\x00"}, False),
        ({"hostname": None}, False),
        ({"node": ID[1:]}, False),
        ({"address": "A" * 64}, True),
        ({"address": "A" * 65}, False),
    ],
)
def test_each_manager_has_its_form(differing: dict[str, Any], taken: bool) -> None:
    good = {"node": ID, "hostname": "rk1", "address": "10.0.0.1"}
    said = saying(managers=[good, good | differing])
    if taken:
        assert unpack(said).about.managers == (Manager(**good), Manager(**(good | differing)))
    else:
        assert refused(said) == "it is no backup of this program: wrong in form: managers"


def test_all_that_is_wrong_is_named() -> None:
    said = saying(host="-", engine="", taken=-1, autolock=0, managers=[{**asdict(MANAGER)}])
    assert refused(said).endswith("form: host, engine, time, autolock, managers")


MANAGER = Manager("x", "x", "x")


def test_a_digest_is_that_of_the_state_or_it_is_refused() -> None:
    assert "its checksum differs" in refused(saying(digest="0" * 64))
    assert "its checksum differs" in refused(saying(digest=""))
    assert refused(saying(digest="0" * 63)).endswith("form: digest")
    assert refused(saying(digest="A" * 64)).endswith("form: digest")


@pytest.mark.parametrize(("number", "taken"), [(0, True), (1, True), (2, False)])
def test_only_a_newer_format_is_refused(number: int, taken: bool) -> None:
    if taken:
        unpack(saying(format=number))
    else:
        assert "newer version" in refused(saying(format=number))


def test_what_is_not_said_is_what_an_early_backup_meant() -> None:
    bare = Backup(ID, "home", "rk2", ID, "", "28.5.2", ())
    assert (bare.taken, bare.autolock, bare.availability, bare.digest) == (0, False, "", "")
    assert Archive(bare, b"").unlock_key == ""
    assert bare.time == "1970-01-01 00:00 UTC"
    assert repr(Archive(bare, b"STATE", "KEY")).count("STATE") == 0
    assert "KEY" not in repr(Archive(bare, b"", "KEY"))


def padded(name: str, length: int) -> bytes:
    """A backup, one of whose files is filled up with blanks to so many bytes."""
    found = {n: content for n, (_, content) in entries(whole_with_key()).items()}
    return archive({**found, name: found[name].ljust(length)})


def whole_with_key() -> bytes:
    return pack(Archive(replace(ABOUT, autolock=True), state(), UNLOCK_KEY))


@pytest.mark.parametrize(("name", "longest"), [("backup.json", 1 << 20), ("unlock-key", 1 << 10)])
def test_a_file_is_as_long_as_it_may_be_and_no_longer(name: str, longest: int) -> None:
    assert unpack(padded(name, longest)).unlock_key == UNLOCK_KEY
    assert (
        refused(padded(name, longest + 1)) == f"it is no backup of this program: {name} is too long"
    )


def test_a_state_is_examined_whoever_says_that_its_digest_is_right() -> None:
    strange_one = state(added=lambda opened: add(opened, "/etc/cron.d/x"))
    digest = sha256(strange_one).hexdigest()
    about = json.dumps({"format": 1, **asdict(ABOUT), "digest": digest}).encode()
    said = refused(archive({"backup.json": about, "swarm.tar.gz": strange_one}))
    assert said == "the state holds what no state has: '/etc/cron.d/x'"


@pytest.mark.parametrize(
    "damaged",
    [b"", b"nonsense", b"\x1f\x8b\x08" + bytes(7) + b"\xff" * 20, state()[:-20], state()[:200]],
)
def test_damage_of_any_kind_is_reported_as_damage(damaged: bytes) -> None:
    with pytest.raises(Unusable, match=r"^the state's archive is damaged \("):
        examine(damaged)


@pytest.mark.parametrize("text", [b'"x"', b"1", b"null", b"[]", b"{}", b"\xff"])
def test_what_describes_nothing_is_no_backup(text: bytes) -> None:
    found = {"backup.json": text, "swarm.tar.gz": state()}
    assert refused(archive(found)).startswith("it is no backup of this program (")


def test_a_link_with_a_files_name_is_something_else() -> None:
    found = {n: content for n, (_, content) in entries(whole_with_key()).items()}
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as opened:
        for name, content in found.items():
            if name == "unlock-key":
                add(opened, name, type=tarfile.SYMTYPE, linkname="backup.json")
            else:
                add(opened, name, content)
    assert "something else in it" in refused(written.getvalue())


# The state
# ---------


def strange(name: str, content: bytes = b"", **more: Any) -> str:
    try:
        examine(state(added=lambda opened: add(opened, name, content, **more)))
    except Unusable as error:
        return str(error)
    return ""


@pytest.mark.parametrize("mode", [0o1600, 0o2600, 0o4600])
def test_a_file_with_a_bit_beyond_its_rights_is_refused(mode: int) -> None:
    assert strange("swarm/x", mode=mode) == "the state holds what no state has: 'swarm/x'"
    assert strange("swarm/x", mode=0o777) == ""
    assert strange("swarm/x", type=tarfile.DIRTYPE, mode=mode) == ""


@pytest.mark.parametrize("name", ["swarm/../x", "swarm//x", "swarm/./x", "swarmx/x", "x/swarm"])
def test_a_name_that_is_not_plainly_below_the_folder_is_refused(name: str) -> None:
    assert strange(name) == f"the state holds what no state has: {name!r}"
    assert strange("./swarm/x") == ""
    assert strange("swarm/x", type=tarfile.AREGTYPE) == ""


def test_long_names_are_shown_up_to_a_length() -> None:
    assert strange("x" * 90) == f"the state holds what no state has: {'x' * 80!r}"
    long = "swarm/" + "x" * 90

    def twice(opened: tarfile.TarFile) -> None:
        add(opened, long)
        add(opened, long)

    with pytest.raises(Unusable, match=f"two files of one name: '{long[:80]}'$"):
        examine(state(added=twice))


def test_the_bounds_are_those_of_a_state_that_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    assert backup_archive._LARGEST_STATE == 8 * 1024**3
    assert backup_archive._LONGEST_HEADERS == 64 * 1024**2
    size = sum(entry.size for entry, _ in entries(state(), "r:gz").values())
    monkeypatch.setattr(backup_archive, "_LARGEST_STATE", size)
    examine(state())
    monkeypatch.setattr(backup_archive, "_LARGEST_STATE", size - 1)
    with pytest.raises(Unusable, match="unpacks to more than 0 GiB"):
        examine(state())


def test_headers_are_counted_to_the_last_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    class Read:
        seek = tell = None

        def read(self, size: int) -> bytes:
            return bytes(size)

    monkeypatch.setattr(backup_archive, "_LONGEST_HEADERS", 1000)
    headers = backup_archive._Headers(Read())  # type: ignore[arg-type]
    assert headers.read(600) == bytes(600)
    assert headers.read(400) == bytes(400)
    with pytest.raises(Unusable, match="more than 0 MiB of headers"):
        headers.read(1)


def test_what_is_rebuilt_is_roots_with_the_rights_and_times_of_before() -> None:
    def added(opened: tarfile.TarFile) -> None:
        add(opened, "swarm/worker", type=tarfile.DIRTYPE, mode=0o2750, mtime=7.5)
        add(opened, "./swarm/more", b"more", mode=0o640, mtime=9, uid=1000, uname="ada")

    before = state(added=added)
    new = {"swarm/more": b"another", "swarm/none": b"x", "swarm/worker": b"x"}
    found = entries(rebuilt(before, new), "r:gz")
    assert set(found) == {*entries(state(), "r:gz"), "swarm/worker", "swarm/more"}
    folder, _ = found["swarm/worker"]
    assert (folder.isdir(), folder.size, folder.mode, folder.mtime) == (True, 0, 0o750, 7)
    file, content = found["swarm/more"]
    assert (file.mode, file.mtime, file.uid, file.uname) == (0o640, 9, 0, "")
    assert content == b"another"
    assert found[NEEDED[0]][1] == NEEDED[0].encode()
    assert entries(rebuilt(before), "r:gz")["swarm/more"][1] == b"more"
