"""Drift of the part `exposure`: all at once, in test_floating_address.py.

The host with number 1 has the address.
"""

from __future__ import annotations

from pyinfra_swarm.floating_address import paths
from tests.scenarios.drift_kinds.kind import Kind

UPLINK = "dev $(ip -o -4 address show to 192.168.77.0/24 | awk '{print $2; exit}')"

KINDS = (
    Kind(
        "keepalived stopped",
        *("exposure", paths.UNIT, "does not run"),
        "systemctl stop keepalived",
        group="exposure",
    ),
    Kind(
        "keepalived not started at boot",
        *("exposure", paths.UNIT, "would not start at boot"),
        "systemctl --quiet disable keepalived",
        group="exposure",
        at=1,
    ),
    Kind(
        "a changed configuration of keepalived",
        *("exposure", paths.CONFIGURATION, "is not as declared"),
        f"sed -i 's/advert_int .*/advert_int 3/' {paths.CONFIGURATION}",
        also=(f"exposure/{paths.UNIT}",),
        group="exposure",
        at=2,
    ),
    Kind(
        "an address given up by a job that has died",
        *("exposure", "floating address", "has given it up for work that did not end"),
        f"sh {paths.PROGRAM} give-up",
        group="exposure",
        at=3,
    ),
    Kind(
        "a second host that has the floating address",
        *("exposure", "floating address", "more than one host holds"),
        "ip -o address show to 192.168.77.9/32 | grep -q . || "
        f"ip address add 192.168.77.9/32 {UPLINK}",
        kind="notice",
        undo=f"ip address del 192.168.77.9/32 {UPLINK}",
        group="exposure",
        at=3,
    ),
    Kind(
        "a host that lost its end of the routing mesh",
        *("exposure", "floating address", "it is not attached to the ingress network"),
        "umount /run/docker/netns/ingress_sbox; rm /run/docker/netns/ingress_sbox",
        kind="notice",
        undo="systemctl restart docker; sleep 20",
        group="exposure",
        at=2,
    ),
)
