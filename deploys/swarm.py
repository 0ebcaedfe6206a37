"""The swarm, its networks and roles: ``pyinfra inventory.py deploys/swarm.py``."""

from pyinfra_swarm.deploys import swarm

swarm()
