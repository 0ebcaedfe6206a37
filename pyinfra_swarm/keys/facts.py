"""What a manager says about the swarm's unlock key."""

from __future__ import annotations

from pyinfra_swarm.engine.api import ENGINE_STATE
from pyinfra_swarm.engine.unlock_key import FINGERPRINT_LENGTH, FINGERPRINTED
from pyinfra_swarm.run.answer import Sections
from pyinfra_swarm.run.fact import SubjectFact


class UnlockKey(SubjectFact[str]):
    """From a manager, the fingerprint of the swarm's unlock key; empty where there is none.

    It tells whether a key kept elsewhere is the swarm's. The key itself stays on its host: a
    random one of 256 bits, it cannot be found from its hash.
    """

    def script(self) -> str:
        return (
            ENGINE_STATE
            + "section fingerprint\n"
            + '[ "$(engine_state)" = running ] || exit 0\n'
            + "key=$(ask http://localhost/swarm/unlockkey)\n"
            + """key=${key#*'"UnlockKey":"'}; key=${key%%'"'*}\n"""
            + f"case $key in SWMKEY-*) printf '{FINGERPRINTED}%s' \"$key\" | sha256sum;; esac; true"
        )

    def parse(self, said: Sections) -> str:
        return "".join(said["fingerprint"])[:FINGERPRINT_LENGTH]
