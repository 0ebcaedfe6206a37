"""What can be asked of a host: `pyinfra inventory.py fact facts.stacks.Stacks`."""

from pyinfra_swarm.stacks.facts import Stacks

__all__ = ["Stacks"]
