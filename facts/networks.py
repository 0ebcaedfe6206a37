"""What can be asked of a host: `pyinfra inventory.py fact facts.networks.Attachments`."""

from pyinfra_swarm.networks.facts import Attachments

__all__ = ["Attachments"]
