"""What can be asked of a host: `pyinfra inventory.py fact facts.swarm.State`."""

from pyinfra_swarm.keys.facts import UnlockKey
from pyinfra_swarm.nodes.facts import JoinState, Nodes, Services, State, StateOnDisk, Tasks

__all__ = ["JoinState", "Nodes", "Services", "State", "StateOnDisk", "Tasks", "UnlockKey"]
