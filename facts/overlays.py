"""What can be asked of a host: `pyinfra inventory.py fact facts.overlays.Ends`."""

from pyinfra_swarm.networks.facts import (
    Ends as Ends,
)
