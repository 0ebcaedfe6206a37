"""What can be asked of a host: `pyinfra inventory.py fact facts.exposure.FloatingAddress`."""

from pyinfra_swarm.exposure.facts import Doors, Uplink
from pyinfra_swarm.floating_address.facts import FloatingAddress

__all__ = ["Doors", "FloatingAddress", "Uplink"]
