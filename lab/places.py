"""Where the lab keeps its things on this machine.

Two folders: the cache, worth keeping between runs (`LAB_CACHE`), and the state of the one
running lab (`LAB_STATE`), which ``pyinfra-swarm lab down`` removes.
"""

import os
from pathlib import Path

LOCK = Path("/run/swarm-lab.lock")
"""Names are machine-wide, so there is one lab per machine, wherever its state is kept."""


def cache() -> Path:
    """The folder of built images, packages and the lab's own keys."""
    return Path(os.environ.get("LAB_CACHE", "/var/cache/swarm-lab"))


def state() -> Path:
    """The folder of the running lab: description, keys, consoles, logs."""
    return Path(os.environ.get("LAB_STATE", "/run/swarm-lab"))


def disks() -> Path:
    """The hosts' copy-on-write files. They grow by gigabytes, which `/run` may not have."""
    return cache() / "disks"


def control_socket() -> Path:
    """Where the supervisor takes orders."""
    return state() / "control"


def faults() -> Path:
    """What the outside world shall do wrong; see `lab.world`."""
    return state() / "faults.json"


def console(host: str) -> Path:
    """What `host` printed on its console since ``pyinfra-swarm lab up``."""
    return state() / f"{host}.console"
