"""Unlocks managers that are locked since their engine was started, and sees that they are back.

``--data key_file=PATH`` names another file than ``swarm.unlock_key_file``.
"""

from cluster.settings import load
from operations import autolock

autolock.unlocked(load(), name="Swarm: locked managers unlocked")
autolock.connected(load(), name="Swarm: unlocked managers in their networks", _serial=True)
