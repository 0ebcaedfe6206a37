"""What a host says of the floating address."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pyinfra_swarm.floating_address.paths import CONFIGURATION
from pyinfra_swarm.run.observation import Observation

MARK = "# Written by pyinfra-swarm (deploys/exposure.py); changes here are overwritten."
"""The first line of every file of ours; keepalived's comments begin with # or !."""


@dataclass(frozen=True)
class Holding(Observation):
    """A host's part in holding the floating address.

    package: keepalived's version; empty where it is not installed.
    configuration: what keepalived reads at its start; empty where there is none, and a few words
        where it is not ours.
    sums: the SHA-256 of each file of ours that is there, by path.
    loaded: the SHA-256 of the configuration that the running keepalived has read.
    active, enabled: it runs; it starts at boot. reload: systemd has not read a changed unit yet.
    addresses: those of each interface, with their prefix lengths, of either family.
    given_up: it must not hold the address, since it is worked on.
    role: what keepalived has last said (``MASTER`` holds it); empty where it never has.
    since: seconds since then, ``None`` likewise; taken: how often the address has come here.
    problem: why it cannot hold the address now; empty where it can, and where nothing is set up.
    drained: that it is a drained node is all that is in the way. Only managers know that of
        themselves.
    """

    package: str
    configuration: str
    sums: dict[str, str]
    loaded: str
    active: bool
    enabled: bool
    reload: bool
    addresses: dict[str, tuple[str, ...]]
    given_up: bool
    role: str
    since: int | None
    taken: int
    problem: str
    drained: bool

    @property
    def ours(self) -> bool:
        """keepalived's configuration is the managed one."""
        return self.configuration.startswith(MARK)

    @property
    def left(self) -> bool:
        """Something of ours is on the host."""
        return self.ours or bool({*self.sums} - {CONFIGURATION})

    @property
    def able(self) -> bool:
        """It could take the address now."""
        return self.ours and self.active and not self.given_up and not self.problem

    @property
    def peers(self) -> tuple[str, ...]:
        """The hosts that it tells of itself, by their addresses."""
        found = re.search(r"unicast_peer \{([^}]*)\}", self.configuration)
        return tuple(found[1].split()) if found else ()

    def holds(self, address: str) -> bool:
        """Whether an interface of the host has this address."""
        held = (one for found in self.addresses.values() for one in found)
        return address in {one.partition("/")[0] for one in held}
