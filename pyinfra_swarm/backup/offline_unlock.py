"""The state of an autolocked manager, unlocked without an engine.

No engine can: ``docker swarm unlock`` waits for a quorum, and ``docker swarm init
--force-new-cluster`` waits for the unlocking or drops out of the swarm (moby #36852, open since
2018). So where a quorum is lost, or a backup is restored, the lock is taken off the file that it is
on: ``swarm-node.key``, a private key in PKCS #8 whose PEM headers hold the key of the raft log.
Both are encrypted with the unlock key, by what libraries open: PBES2 for the private key, NaCl's
secretbox for the other, which stands in a protocol buffer of three fields (swarmkit,
``ca/keyreadwriter.go``, ``manager/deks.go``, ``api/types.proto: MaybeEncryptedRecord``). The engine
locks it again, with the same key, as soon as it answers for the swarm.
"""

from __future__ import annotations

import base64
import binascii
import io
import re
import tarfile
from collections.abc import Iterable

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

from pyinfra_swarm.backup.archive import rebuilt

NODE_KEY = "swarm/certificates/swarm-node.key"

_LONGEST_KEY = 1 << 16
"""Bytes; one with both of its headers is 700 of them."""

_SECRETBOX = 1
_ENCRYPTED_HEADERS = ("raft-dek", "raft-dek-pending")


class NotUnlocked(Exception):
    """Why a state could not be unlocked, as a sentence."""


def is_locked(node_key: bytes) -> bool:
    """Whether a node's private key is encrypted with an unlock key."""
    return b"BEGIN ENCRYPTED PRIVATE KEY" in node_key


def unlocked_state(state: bytes, unlock_key: str) -> bytes:
    """A state's archive with its node key unlocked; unchanged where it was not locked.

    Raises :class:`NotUnlocked`.
    """
    node_key = node_key_in(state)
    if not is_locked(node_key):
        return state
    return rebuilt(state, {NODE_KEY: unlocked(node_key, unlock_key)})


def node_key_in(state: bytes) -> bytes:
    """The node's private key file in a state's archive, empty where there is none."""
    with tarfile.open(fileobj=io.BytesIO(state), mode="r:gz") as archive:
        for entry in archive:
            if entry.isfile() and entry.name.removeprefix("./") == NODE_KEY:
                file = archive.extractfile(entry)
                return file.read(_LONGEST_KEY) if file else b""
    return b""


def fitting(node_key: bytes, unlock_keys: Iterable[str]) -> str:
    """The first of these unlock keys that opens a node's private key file.

    Raises :class:`NotUnlocked`.
    """
    failure = NotUnlocked("there is no unlock key")
    for unlock_key in unlock_keys:
        try:
            unlocked(node_key, unlock_key)
        except NotUnlocked as error:
            failure = error
        else:
            return unlock_key
    raise failure


def unlocked(node_key: bytes, unlock_key: str) -> bytes:
    """A node's private key file without its lock. Raises :class:`NotUnlocked`."""
    if not is_locked(node_key):
        return node_key
    secret = _secret(unlock_key)
    headers, body = _taken_apart(node_key)
    try:
        pem = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n" + body
        key = serialization.load_pem_private_key(
            pem + b"\n-----END ENCRYPTED PRIVATE KEY-----\n", password=secret
        )
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise NotUnlocked("the unlock key is another one than the state is locked with") from error
    for name in _ENCRYPTED_HEADERS:
        if name in headers:
            headers[name] = _opened(headers[name], secret)
    # An engine locks again what has an older lock than the swarm, and this is the oldest there is.
    headers["kek-version"] = "0"
    plain = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    begin, rest = plain.split(b"\n", 1)
    lines = "".join(f"{name}: {value}\n" for name, value in sorted(headers.items()))
    return begin + b"\n" + lines.encode() + b"\n" + rest


def _secret(unlock_key: str) -> bytes:
    match = re.fullmatch(r"SWMKEY-1-([A-Za-z0-9+/]+)=*", unlock_key.strip())
    try:
        secret = base64.b64decode(match[1] + "=" * (-len(match[1]) % 4)) if match else b""
    except binascii.Error:
        secret = b""
    if len(secret) != SecretBox.KEY_SIZE:
        raise NotUnlocked("it is no unlock key (SWMKEY-1-… and 43 more letters)")
    return secret


def _taken_apart(pem: bytes) -> tuple[dict[str, str], bytes]:
    """The headers of a PEM file, and its body."""
    headers: dict[str, str] = {}
    body: list[str] = []
    for line in pem.decode("ascii", "replace").splitlines():
        if line.startswith("-----") or not line.strip():
            continue
        name, colon, value = line.partition(":")
        if colon:
            headers[name] = value.strip()
        else:
            body.append(line)
    return headers, "\n".join(body).encode()


def _opened(value: str, secret: bytes) -> str:
    """An encrypted record, as the engine writes it where nothing is locked."""
    try:
        fields = _fields(base64.b64decode(value))
        if fields.get(1, 0) != _SECRETBOX:
            raise NotUnlocked("the state is locked in a way that is not known here (FIPS mode?)")
        data = SecretBox(secret).decrypt(_bytes(fields, 2), _bytes(fields, 3))
    except (CryptoError, ValueError, KeyError, IndexError) as error:
        raise NotUnlocked(
            "the key of its raft log cannot be unlocked: the file is damaged"
        ) from error
    return base64.b64encode(bytes([0x12, len(data)]) + data).decode()


def _bytes(fields: dict[int, int | bytes], number: int) -> bytes:
    value = fields[number]
    if not isinstance(value, bytes):
        raise ValueError
    return value


def _fields(record: bytes) -> dict[int, int | bytes]:
    """The fields of a protocol buffer: numbers and byte strings, all of them short."""
    found: dict[int, int | bytes] = {}
    at = 0
    while at < len(record):
        tag, value = record[at], record[at + 1]
        if value >= 0x80:
            raise ValueError("longer than anything that is expected here")
        if tag & 7 == 0:
            found[tag >> 3] = value
            at += 2
        elif tag & 7 == 2 and at + 2 + value <= len(record):
            found[tag >> 3] = record[at + 2 : at + 2 + value]
            at += 2 + value
        else:
            raise ValueError("not a record of this kind")
    return found
