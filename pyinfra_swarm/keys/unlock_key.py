"""The swarm's unlock key, and the file on this computer that keeps it.

The key is the swarm's secret: it is never part of settings, facts or findings. Two keys are
compared by their fingerprints.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

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


@dataclass(frozen=True)
class KeyFile:
    """What is there of the file that keeps the key. It holds no key itself.

    path: as a person would type it; problem: why it cannot be used, empty where it can.
    fingerprint: of the key in it, empty where there is no file yet.
    mode: the file's permission bits; earlier: how many keys of earlier times are kept beside it.
    """

    path: str
    problem: str = ""
    fingerprint: str = ""
    mode: int = 0o600
    earlier: int = 0

    def lacks(self, fingerprint: str) -> str:
        """Why it does not give the swarm's key, of this fingerprint; empty where it does."""
        if self.problem:
            return f"{self.path}: {self.problem}"
        if not self.fingerprint:
            return f"there is no unlock key in {self.path}"
        if self.fingerprint != fingerprint:
            return f"{self.path} holds another key than the swarm has"
        return ""

    @property
    def private(self) -> bool:
        """Nobody but its owner may read it."""
        return not self.mode & 0o077
