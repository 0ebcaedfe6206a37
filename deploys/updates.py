"""Automatic security updates: ``pyinfra inventory.py deploys/updates.py``."""

from pyinfra_swarm.deploys import updates

updates()
