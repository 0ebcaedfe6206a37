"""Fingerprints of OpenPGP keys (RFC 9580: 4 packets, 5.5.4 fingerprints, 6 armour).

Strict on purpose: whatever is not one plain armoured block of well-formed packets with a version 4
primary key has no fingerprint, and thus is never the pinned key.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator

_BEGIN = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
_END = "-----END PGP PUBLIC KEY BLOCK-----"
_PUBLIC_KEY = 6


def fingerprints(keys: str) -> list[str]:
    """The primary fingerprints of all keys in an ASCII-armoured text, in upper-case hex.

    A text that is not exactly one block of readable version 4 keys gives an empty list.
    """
    try:
        return [_fingerprint(body) for tag, body in _packets(_dearmour(keys)) if tag == _PUBLIC_KEY]
    except (ValueError, IndexError, binascii.Error):
        return []


def _fingerprint(body: bytes) -> str:
    if body[0] != 4:
        raise ValueError(f"a version {body[0]} key")
    framed = b"\x99" + len(body).to_bytes(2, "big") + body
    # What version 4 fingerprints are made with; a collision does not help against a pinned one.
    return hashlib.sha1(framed, usedforsecurity=False).hexdigest().upper()


def _dearmour(text: str) -> bytes:
    lines = [line.strip() for line in text.strip().splitlines()]
    if len(lines) < 4 or lines[0] != _BEGIN or lines[-1] != _END or lines.count(_BEGIN) != 1:
        raise ValueError("not one armoured block")
    blank = lines.index("")  # ends the armour's headers
    if any(": " not in header for header in lines[1:blank]):
        raise ValueError("what stands in the place of headers is not headers")
    body = [line for line in lines[blank + 1 : -1] if line and not line.startswith("=")]
    return base64.b64decode("".join(body), validate=True)


def _packets(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        header = data[at]
        if not header & 0x80:
            raise ValueError("not a packet")
        at += 1
        if header & 0x40:  # the current packet format
            tag = header & 0x3F
            length, at = _length(data, at)
        else:
            tag, size = header >> 2 & 0x0F, header & 0x03
            if size == 3:
                raise ValueError("a packet of indeterminate length")
            length = int.from_bytes(data[at : at + (1 << size)], "big")
            at += 1 << size
        if at + length > len(data):
            raise ValueError("a packet longer than the data")
        yield tag, data[at : at + length]
        at += length


def _length(data: bytes, at: int) -> tuple[int, int]:
    first = data[at]
    if first < 192:
        return first, at + 1
    if first < 224:
        return ((first - 192) << 8) + data[at + 1] + 192, at + 2
    if first == 255:
        return int.from_bytes(data[at + 1 : at + 5], "big"), at + 5
    raise ValueError("a packet in parts")
