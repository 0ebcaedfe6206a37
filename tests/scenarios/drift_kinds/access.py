"""Drift of the part `access`."""

from __future__ import annotations

from pyinfra_swarm.access.plan import SUDOERS
from tests.scenarios.drift_kinds.kind import Kind

KINDS = (
    Kind(
        "an extra authorised key",
        *("access", "keys of debian", "an undeclared key opens"),
        'echo "$STRANGER" >> /home/$LOGIN/.ssh/authorized_keys',
    ),
    Kind(
        "a declared key gone",
        *("access", "keys of debian", "a declared key is missing"),
        'grep -vF "${SPARE#* }" /home/$LOGIN/.ssh/authorized_keys > /tmp/kept; '
        "cat /tmp/kept > /home/$LOGIN/.ssh/authorized_keys",
    ),
    Kind(
        "a sudo rule of ours edited",
        *("access", f"sudo {SUDOERS}", "exactly the declared admins"),
        f"echo '# mine' >> {SUDOERS}",
    ),
    Kind(
        "an admin out of the group sudo",
        *("access", "user debian", "is not in the group sudo"),
        "gpasswd -d $LOGIN sudo",
    ),
    Kind(
        "somebody else with a key",
        *("access", "keys of visitor", "this undeclared user can log in"),
        "useradd -m -p '*' visitor; mkdir -p ~visitor/.ssh; "
        'echo "$STRANGER" > ~visitor/.ssh/authorized_keys',
        kind="notice",
        undo="userdel -r visitor 2>/dev/null",
    ),
)
