"""What can be asked of a host: `pyinfra inventory.py fact facts.exposure.FloatingAddress`."""

from pyinfra_swarm.floating_address.facts import FloatingAddress

__all__ = ["FloatingAddress"]
