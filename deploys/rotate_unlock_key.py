"""A new unlock key for the swarm; the old one is kept for managers that still need it."""

from pyinfra_swarm.deploys import rotate_unlock_key

rotate_unlock_key()
