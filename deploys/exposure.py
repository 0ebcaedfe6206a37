"""How the world reaches the services: ``pyinfra inventory.py deploys/exposure.py``."""

from pyinfra_swarm.deploys import exposure

exposure()
