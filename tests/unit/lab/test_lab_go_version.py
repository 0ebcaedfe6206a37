"""A Go program says the version that its own project would have built in, on both platforms."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from lab import go_version

BASE, TEXT, HEADER, ENTRY = 0x10000, 0x100, 0x180, 0x200
"""Where the one loaded part is in memory; in the file, the version, its Go string and the entry by
which the loader fills that in."""

X86_64, AARCH64 = (62, 8), (183, 1027)
"""A machine, and the relocation of a place in the program there."""


def program(machine: int, relocation: int, version: bytes = b"28.5.2+dfsg2") -> bytes:
    """A position-independent program of 64 bits, as far as it is looked at."""
    data = bytearray(0x300)
    data[:5] = b"\x7fELF\x02"
    struct.pack_into("<H", data, 0x12, machine)
    struct.pack_into("<Q", data, 0x20, 0x40)
    struct.pack_into("<HH", data, 0x36, 56, 1)
    struct.pack_into("<IIQQQQ", data, 0x40, 1, 5, 0, BASE, BASE, len(data))
    data[TEXT : TEXT + len(version)] = version
    struct.pack_into("<QQ", data, HEADER, 0, len(version))
    struct.pack_into("<QQQ", data, ENTRY, BASE + HEADER, relocation, BASE + TEXT)
    return bytes(data)


@pytest.mark.parametrize("platform", [X86_64, AARCH64], ids=["x86-64", "aarch64"])
def test_the_version_is_shortened_by_its_length_alone(
    tmp_path: Path, platform: tuple[int, int]
) -> None:
    path = tmp_path / "dockerd"
    path.write_bytes(before := program(*platform))
    assert go_version.shorten(path, "28.5.2")
    changed = path.read_bytes()
    assert struct.unpack_from("<Q", changed, HEADER + 8) == (len("28.5.2"),)
    assert [at for at, byte in enumerate(changed) if byte != before[at]] == [HEADER + 8]


@pytest.mark.parametrize(
    "other",
    [
        program(62, 1027),
        program(183, 8),
        program(243, 3),
        program(*X86_64, version=b"28.5.1+dfsg2"),
        program(*X86_64).replace(b"\x7fELF\x02", b"\x7fELF\x01"),
        b"#!/bin/sh\necho 28.5.2+dfsg2\n",
    ],
    ids=["x86 as arm", "arm as x86", "riscv", "other version", "32 bits", "no program"],
)
def test_what_is_not_found_without_doubt_is_left_as_it_is(tmp_path: Path, other: bytes) -> None:
    path = tmp_path / "dockerd"
    path.write_bytes(other)
    assert not go_version.shorten(path, "28.5.2")
    assert path.read_bytes() == other
