"""What can be asked of a manager: `pyinfra inventory.py fact facts.secrets.Objects`."""

from pyinfra_swarm.secrets.facts import Objects

__all__ = ["Objects"]
