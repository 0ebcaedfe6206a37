"""What can be asked of a host: `pyinfra inventory.py fact facts.doors.WaysIn`."""

from pyinfra_swarm.doors.facts import WaysIn

__all__ = ["WaysIn"]
