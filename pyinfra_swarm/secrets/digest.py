"""How a version at the engine is recognised as made of a value, without the value being there.

A version has the salted scrypt of its value in a label. Whoever may ask the engine can read labels:
a plain digest would let them try out short passwords by the billion, and would show which objects
have one value. Here each guess costs what one comparison costs us, and each label has its own salt.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from dataclasses import dataclass

from pyinfra_swarm.secrets import seal_cache
from pyinfra_swarm.secrets.value import Value

_N, _R, _P = 1 << 15, 8, 1
_SALT = 16
_LENGTH = 32

_MOST_MEMORY = 1 << 28
"""Bytes that a seal from a label may cost: four times what ours do, and more. Others are none."""


@dataclass(frozen=True)
class _Seal:
    n: int
    r: int
    p: int
    salt: bytes
    digest: bytes

    def text(self) -> str:
        return f"scrypt${self.n}${self.r}${self.p}${_encoded(self.salt)}${_encoded(self.digest)}"


def seal(value: Value) -> str:
    """A label's text for a value: `scrypt$N$r$p$salt$digest`, another one each time."""
    made = _Seal(_N, _R, _P, os.urandom(_SALT), b"")
    text = _Seal(_N, _R, _P, made.salt, _scrypt(value, made)).text()
    seal_cache.keep(text, value, matched=True)
    return text


def matches(value: Value, sealed: str) -> bool:
    """Whether a label is that of a value; false for a text that is no seal.

    What was once found out on this computer is not computed again.
    """
    found = _parsed(sealed)
    if found is None:
        return False
    known = seal_cache.known(sealed, value)
    if known is None:
        known = hmac.compare_digest(_scrypt(value, found), found.digest)
        seal_cache.keep(sealed, value, matched=known)
    return known


def _scrypt(value: Value, parameters: _Seal) -> bytes:
    needed = 128 * parameters.r * (parameters.n + parameters.p + 2)
    return hashlib.scrypt(
        value.data,
        salt=parameters.salt,
        n=parameters.n,
        r=parameters.r,
        p=parameters.p,
        maxmem=needed + (1 << 20),
        dklen=_LENGTH,
    )


def _parsed(text: str) -> _Seal | None:
    kind, *rest = text.split("$")
    if kind != "scrypt" or len(rest) != 5:
        return None
    numbers, (salt, digest) = rest[:3], rest[3:]
    if not all(one.isascii() and one.isdigit() and len(one) < 10 for one in numbers):
        return None
    n, r, p = map(int, numbers)
    costly = n * r * p * 128 > _MOST_MEMORY
    too_many = r == 1 and n >= 1 << 16  # scrypt takes fewer than 2 ** (16 * r) (RFC 7914, 2)
    if n < 2 or n & (n - 1) or not r or not p or costly or too_many:
        return None
    try:
        made = _Seal(n, r, p, _decoded(salt), _decoded(digest))
    except (ValueError, binascii.Error):
        return None
    return made if len(made.digest) == _LENGTH and made.salt else None


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
