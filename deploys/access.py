"""The declared admins, their keys and their sudo: ``pyinfra inventory.py deploys/access.py``."""

from pyinfra_swarm.deploys import access

access()
