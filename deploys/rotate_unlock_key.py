"""A new unlock key for the swarm; the old one is kept beside it, for a manager that wants it."""

from pyinfra_swarm.keys import autolock_operations as autolock
from pyinfra_swarm.settings.model import load

autolock.key_rotated(load(), name="Swarm: a new unlock key")
