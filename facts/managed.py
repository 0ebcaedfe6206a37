"""What can be asked of a host: `pyinfra inventory.py fact facts.managed.Files`."""

from pyinfra_swarm.reset.facts import Files

__all__ = ["Files"]
