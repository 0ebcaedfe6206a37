"""Everything of the floating address on a host: its files, and keepalived's unit."""

from __future__ import annotations

PACKAGE = "keepalived"
UNIT = "keepalived.service"

CONFIGURATION = "/etc/keepalived/keepalived.conf"
"""What the distribution's unit reads; it does not start where there is none."""

PROGRAM = "/usr/local/lib/pyinfra-swarm/floating-address"
"""What keepalived asks and tells, and what jobs ask for."""

DROP_IN = "/etc/systemd/system/keepalived.service.d/pyinfra-swarm.conf"

STATE = "/var/lib/pyinfra-swarm/floating-address"
GIVEN_UP = f"{STATE}/given-up"
"""Holds 1 while this host must not hold the address, since it is worked on; else 0."""

ROLE = f"{STATE}/role"
"""What keepalived has last said: the role, since when, how often the address has come here."""

LOADED = "/run/pyinfra-swarm/keepalived.loaded"
"""The checksum of the configuration that keepalived has read."""

AVAILABILITY = "/run/pyinfra-swarm/node-availability"
"""When the swarm was last asked for this node's availability, and what it said, if anything."""

MANAGED = (CONFIGURATION, PROGRAM, DROP_IN)
"""Every file that the deploy writes; the first may also be somebody else's."""

FILES = {
    PROGRAM: "nobody holds the floating address any more",
    DROP_IN: "keepalived is as the distribution has it afterwards",
}
"""What is ours wherever it is there, and what a reset says of its removal."""
