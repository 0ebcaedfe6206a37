"""A new unlock key for the swarm; the old one is kept beside it, for a manager that wants it."""

from cluster.settings import load
from operations import autolock

autolock.key_rotated(load(), name="Swarm: a new unlock key")
