"""A public key in ASCII armour (RFC 9580: 4 packets, 5.5.4 fingerprints, 6 armour, 10.1 keys).

Strict on purpose. A text that is not one armoured block with one version 4 key and nothing else has
no fingerprint, so it is never the pinned key. Later only what was read here is used, armoured
again: another reader cannot find more in it than this one did.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

_BEGIN = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
_END = "-----END PGP PUBLIC KEY BLOCK-----"
LONGEST = 64 * 1024
"""Bytes of a text that is read. Docker's key is 4 KiB."""

_SIGNATURE, _PUBLIC_KEY, _USER_ID, _PUBLIC_SUBKEY, _USER_ATTRIBUTE = 2, 6, 13, 14, 17
_LETTERS = {
    _SIGNATURE: "s",
    _PUBLIC_KEY: "K",
    _USER_ID: "u",
    _PUBLIC_SUBKEY: "k",
    _USER_ATTRIBUTE: "u",
}
_ORDER = re.compile(r"Ks*(us*)+(ks*)*")
"""Of one key's packets, each by its letter."""

_OTHERS = {5: "a secret key", 7: "a secret subkey", 10: "a marker", 21: "padding"}


class Unreadable(ValueError):
    """Why a text is not one public key; a phrase that follows "the text"."""


@dataclass(frozen=True)
class PublicKey:
    """One public key.

    fingerprint: the primary key's, in upper-case hex; armoured: its packets, and nothing else, in
    ASCII armour as GnuPG writes it.
    """

    fingerprint: str
    armoured: str


def read_key(text: str) -> PublicKey:
    """The one public key in an ASCII-armoured text. Raises :class:`Unreadable`."""
    packets = list(_packets(_dearmour(text)))
    for tag, body in packets:
        if tag not in _LETTERS:
            what = _OTHERS.get(tag, "neither key, name nor signature")
            raise Unreadable(
                f"holds a packet that has no place in a public key: {what} (tag {tag})"
            )
        versioned = tag not in (_USER_ID, _USER_ATTRIBUTE)
        if versioned and body[:1] != b"\x04":
            what = "signature" if tag == _SIGNATURE else "key"
            raise Unreadable(f"holds a {what} of a version other than 4")
    keys = [_fingerprint(body) for tag, body in packets if tag == _PUBLIC_KEY]
    if len(keys) > 1:
        raise Unreadable(f"holds {len(keys)} keys ({', '.join(keys)})")
    if not _ORDER.fullmatch("".join(_LETTERS[tag] for tag, _ in packets)):
        raise Unreadable("does not hold a key, its names and its subkeys, in this order")
    return PublicKey(keys[0], _armour(b"".join(_packet(tag, body) for tag, body in packets)))


def _fingerprint(body: bytes) -> str:
    framed = b"\x99" + len(body).to_bytes(2, "big") + body
    # What version 4 fingerprints are made with; a collision does not help against a pinned one.
    return hashlib.sha1(framed, usedforsecurity=False).hexdigest().upper()


# Armour
# ------


def _dearmour(text: str) -> bytes:
    if len(text) > LONGEST:
        raise Unreadable(f"is longer than {LONGEST // 1024} KiB")
    lines = [line.strip(" \t\r") for line in text.strip().split("\n")]
    if len(lines) < 4 or lines[0] != _BEGIN or lines[-1] != _END or "" not in lines:
        raise Unreadable("is not one armoured public key, with nothing before or behind it")
    blank = lines.index("")  # ends the armour's headers
    if any(": " not in header for header in lines[1:blank]):
        raise Unreadable("has something else than headers in their place")
    body = [line for line in lines[blank + 1 : -1] if line]
    checksum = body.pop()[1:] if body and body[-1].startswith("=") else None
    try:
        data = base64.b64decode("".join(body), validate=True)
    except (ValueError, binascii.Error) as error:
        raise Unreadable("is not one armoured public key: its content is not base64") from error
    if checksum is not None and checksum != _checksum(data):
        raise Unreadable("has a checksum that does not fit its content")
    return data


def _armour(data: bytes) -> str:
    body = base64.b64encode(data).decode()
    lines = [body[at : at + 64] for at in range(0, len(body), 64)]
    return "\n".join([_BEGIN, "", *lines, f"={_checksum(data)}", _END, ""])


def _checksum(data: bytes) -> str:
    crc = 0xB704CE
    for byte in data:
        crc ^= byte << 16
        for _ in range(8):
            crc <<= 1
            if crc & 0x1000000:
                crc ^= 0x1864CFB
    return base64.b64encode(crc.to_bytes(3, "big")).decode()


# Packets
# -------


def _packets(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Each packet's tag and body."""
    at = 0
    while at < len(data):
        tag, length, at = _header(data, at)
        if at + length > len(data):
            raise Unreadable("is cut short")
        yield tag, data[at : at + length]
        at += length


def _header(data: bytes, at: int) -> tuple[int, int, int]:
    """The tag, the body's length, and where the body begins."""
    first = data[at]
    if not first & 0x80:
        raise Unreadable("holds something else than packets")
    at += 1
    if not first & 0x40:  # the old format
        if first & 0x03 == 3:
            raise Unreadable("holds a packet of indeterminate length")
        octets = 1 << (first & 0x03)
        return first >> 2 & 0x0F, _number(data, at, octets), at + octets
    tag, start = first & 0x3F, _number(data, at, 1)
    if start < 192:
        return tag, start, at + 1
    if start < 224:
        return tag, (start - 192 << 8) + _number(data, at + 1, 1) + 192, at + 2
    if start < 255:
        raise Unreadable("holds a packet in parts")
    return tag, _number(data, at + 1, 4), at + 5


def _number(data: bytes, at: int, octets: int) -> int:
    """Where they are not all there, the body is not either."""
    return int.from_bytes(data[at : at + octets], "big")


def _packet(tag: int, body: bytes) -> bytes:
    """A packet as GnuPG writes it, so that a key that it has exported stays as it is."""
    if tag > 15:
        return bytes([0xC0 | tag, 255]) + len(body).to_bytes(4, "big") + body
    octets = next(octets for octets in (1, 2, 4) if len(body) < 1 << 8 * octets)
    return bytes([0x80 | tag << 2 | octets >> 1]) + len(body).to_bytes(octets, "big") + body
