"""What can be asked of a host: `pyinfra inventory.py fact facts.updates.Updates`."""

from pyinfra_swarm.updates.facts import Updates

__all__ = ["Updates"]
