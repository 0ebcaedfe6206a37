"""Fingerprints of OpenPGP keys, read with Sequoia."""

from __future__ import annotations

from pysequoia import Cert


def fingerprints(keys: str) -> list[str]:
    """The primary fingerprints of all keys in an ASCII-armoured text, in upper-case hex.

    A text that holds no readable key gives an empty list.
    """
    if not keys.strip():
        return []
    try:
        return [cert.fingerprint.upper() for cert in Cert.split_bytes(keys.encode())]
    except Exception:  # pysequoia raises bare exceptions for whatever it cannot read
        return []
