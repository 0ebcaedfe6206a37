"""The unlock key of an autolocked swarm, as the engine writes it.

The key is the swarm's secret: it is never part of settings, facts or findings. Two keys are
compared by their fingerprints.
"""

from __future__ import annotations

import hashlib
import re

FINGERPRINTED = "pyinfra-swarm unlock key "
"""What stands before the key in what is hashed, so that the hash is of no use elsewhere."""

FINGERPRINT_LENGTH = 16
"""Of hexadecimal digits: enough to tell keys apart, and a part of the hash only."""


def is_key(text: str) -> bool:
    """Whether a text looks like an unlock key, as the engine writes it."""
    return re.fullmatch(r"SWMKEY-1-[A-Za-z0-9+/]{40,}={0,2}", text) is not None


def fingerprint(key: str) -> str:
    """A short name of a key that does not give the key away: its 256 bits are random."""
    return hashlib.sha256(f"{FINGERPRINTED}{key}".encode()).hexdigest()[:FINGERPRINT_LENGTH]
