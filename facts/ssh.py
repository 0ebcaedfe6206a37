"""What can be asked of a host: `pyinfra inventory.py fact facts.ssh.Effective`."""

from pyinfra_swarm.ssh.facts import Effective

__all__ = ["Effective"]
