"""What can be asked of a host: `pyinfra inventory.py fact facts.rolling.Running`."""

from pyinfra_swarm.rolling.facts import Replicas, Running

__all__ = ["Replicas", "Running"]
