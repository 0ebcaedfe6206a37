"""Unlocks managers that are locked since their engine was started.

``--data key_file=PATH`` names another file than ``swarm.unlock_key_file``.
"""

from cluster.settings import load
from operations import autolock

autolock.unlocked(load(), name="Swarm: locked managers unlocked")
