"""Removes the firewall: ``pyinfra inventory.py deploys/firewall_removed.py``."""

from pyinfra_swarm.deploys import firewall_removed

firewall_removed()
