"""What can be asked of a host: `pyinfra inventory.py fact facts.kernel.Capabilities`."""

from pyinfra_swarm.host.kernel_facts import Capabilities

__all__ = ["Capabilities"]
