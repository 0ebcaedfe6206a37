"""What can be asked of a host: `pyinfra inventory.py fact facts.vpn.State`."""

from pyinfra_swarm.vpn.facts import State

__all__ = ["State"]
