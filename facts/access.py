"""What can be asked of a host: `pyinfra inventory.py fact facts.access.Accounts`."""

from pyinfra_swarm.access.facts import Accounts

__all__ = ["Accounts"]
