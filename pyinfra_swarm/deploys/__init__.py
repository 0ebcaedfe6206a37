"""Every deploy as a function: ``from pyinfra_swarm.deploys import site``.

Each takes the settings as a value, or reads them from where they are (:mod:`settings.model`) when
it is called without, and pyinfra's global arguments. Each is called on every host, without a
branch or a loop around it: the operations decide by themselves what a host has to do.
"""

from pyinfra_swarm.deploys.jobs import (
    backup,
    firewall_removed,
    prove,
    reboot,
    recover,
    remove,
    replace,
    reset,
    restart,
    restore,
    rotate_ca,
    rotate_tokens,
    rotate_unlock_key,
    unlock,
    upgrade,
)
from pyinfra_swarm.deploys.states import (
    access,
    docker,
    firewall,
    preflight,
    site,
    ssh,
    swarm,
    updates,
)

__all__ = [
    "access",
    "backup",
    "docker",
    "firewall",
    "firewall_removed",
    "preflight",
    "prove",
    "reboot",
    "recover",
    "remove",
    "replace",
    "reset",
    "restart",
    "restore",
    "rotate_ca",
    "rotate_tokens",
    "rotate_unlock_key",
    "site",
    "ssh",
    "swarm",
    "unlock",
    "updates",
    "upgrade",
]
