"""What can be asked of a host: `pyinfra inventory.py fact facts.firewall.Tables`."""

from pyinfra_swarm.firewall.facts import State, Tables, WebRanges

__all__ = ["State", "Tables", "WebRanges"]
