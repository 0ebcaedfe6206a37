"""Restarts the engines, one node at a time: ``pyinfra inventory.py deploys/restart.py``."""

from pyinfra_swarm.deploys import restart

restart()
