"""What can be asked of a host: `pyinfra inventory.py fact facts.traces.Left`."""

from pyinfra_swarm.reset.facts import Left

__all__ = ["Left"]
