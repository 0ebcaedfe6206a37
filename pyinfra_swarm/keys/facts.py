"""What a manager says about the swarm's unlock key."""

from __future__ import annotations

from pyinfra_swarm.engine.api import ENGINE_STATE
from pyinfra_swarm.engine.unlock_key import FINGERPRINT_LENGTH, FINGERPRINTED
from pyinfra_swarm.run.answer import Sections
from pyinfra_swarm.run.fact import SubjectFact
from pyinfra_swarm.run.onhost import program


class UnlockKey(SubjectFact[str]):
    """From a manager, the fingerprint of the swarm's unlock key; empty where there is none.

    It tells whether a key kept elsewhere is the swarm's. The key itself stays on its host: a
    random one of 256 bits, it cannot be found from its hash. No answer where the engine does not
    tell the key: what could not be asked for is not "none".
    """

    def script(self) -> str:
        return program(
            __file__,
            "unlock_key.sh",
            using=[ENGINE_STATE, "section fingerprint\n"],
            fingerprinted=FINGERPRINTED,
        )

    def parse(self, said: Sections) -> str:
        return "".join(said["fingerprint"])[:FINGERPRINT_LENGTH]
