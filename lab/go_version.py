"""A Go program's own idea of its version.

A distribution appends its mark to the version that it builds in (`26.1.5+dfsg1`), and the
program says so wherever it is asked. Docker's own builds do not.
"""

import struct
from pathlib import Path

# ELF: offset of the machine and of the program headers' place and size in the header, and their
# kinds.
_MACHINE, _PHOFF, _PHENTSIZE, _LOAD = 0x12, 0x20, 0x36, 1
_RELATIVE = {62: 8, 183: 1027}
"""By machine, x86-64 and AArch64: the relocation that adds the program's place to an address."""


def shorten(program: Path, version: str) -> bool:
    """Make `program` (ELF, 64 bits, position-independent) say `version` without a suffix.

    A Go string is a pointer with a length, so a version set at link time is shortened by its
    length alone. A program in which it cannot be found without doubt is left as it is.

    Returns whether it was changed.
    """
    data = bytearray(program.read_bytes())
    if data[:5] != b"\x7fELF\x02":
        return False
    text = f"{version}+".encode()
    start = data.find(text)
    if start < 0 or data.find(text, start + 1) >= 0:
        return False
    address = _address(data, start)
    relative = _RELATIVE.get(struct.unpack_from("<H", data, _MACHINE)[0])
    if address is None or relative is None:
        return False
    # The dynamic loader fills in the pointer from an entry (where, how, address).
    entry = data.find(struct.pack("<QQ", relative, address))
    if entry < 8:
        return False
    header = _offset(data, struct.unpack_from("<Q", data, entry - 8)[0])
    if header is None:
        return False
    length = struct.unpack_from("<Q", data, header + 8)[0]
    if not len(text) < length <= len(text) + 8:
        return False
    struct.pack_into("<Q", data, header + 8, len(version))
    program.write_bytes(data)
    return True


def _segments(data: bytearray) -> list[tuple[int, int, int]]:
    """Offset, address and size of each loaded part."""
    table = struct.unpack_from("<Q", data, _PHOFF)[0]
    size, count = struct.unpack_from("<HH", data, _PHENTSIZE)
    found = []
    for number in range(count):
        at = table + number * size
        kind = struct.unpack_from("<I", data, at)[0]
        offset, address, _, length = struct.unpack_from("<QQQQ", data, at + 8)
        if kind == _LOAD:
            found.append((offset, address, length))
    return found


def _address(data: bytearray, place: int) -> int | None:
    for offset, address, length in _segments(data):
        if offset <= place < offset + length:
            return place - offset + address
    return None


def _offset(data: bytearray, place: int) -> int | None:
    for offset, address, length in _segments(data):
        if address <= place < address + length:
            return place - address + offset
    return None
