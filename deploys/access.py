"""The declared admins, their keys and their sudo: ``pyinfra inventory.py deploys/access.py``."""

from pyinfra_swarm.access import operations as access
from pyinfra_swarm.settings import load

access.admins(load(), name="Access: the declared admins and their keys")
