"""The declared admins, their keys and their sudo: ``pyinfra inventory.py deploys/access.py``."""

from cluster.settings import load
from operations import access

access.admins(load(), name="Access: the declared admins and their keys")
