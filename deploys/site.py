"""The whole job, in the order in which it is safe: ``pyinfra inventory.py deploys/site.py``."""

from pyinfra_swarm.deploys import site

site()
