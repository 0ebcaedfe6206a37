"""Brings Docker to the declared version: ``pyinfra inventory.py deploys/upgrade.py``."""

from pyinfra_swarm.deploys import upgrade

upgrade()
