"""A new unlock key for the swarm; the old one is kept beside it, for a manager that wants it."""

from pyinfra_swarm.keys import unlock_key_operations as unlock_key
from pyinfra_swarm.settings import load

unlock_key.rotated(load(), name="Swarm: a new unlock key")
