"""What can be asked of a host: `pyinfra inventory.py fact facts.docker.Installation`."""

from pyinfra_swarm.docker.facts import (
    Info,
    IngressNetwork,
    Installation,
    Offered,
    OverlayNetworks,
    PublishedKey,
    StandaloneContainers,
)

__all__ = [
    "Info",
    "IngressNetwork",
    "Installation",
    "Offered",
    "OverlayNetworks",
    "PublishedKey",
    "StandaloneContainers",
]
