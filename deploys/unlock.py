"""Unlocks managers that are locked since their engine was started, and sees that they are back.

``--data key_file=PATH`` names another file than ``swarm.unlock_key_file``.
"""

from pyinfra_swarm.keys import unlock_operations as unlock
from pyinfra_swarm.settings import load

unlock.unlocked(load(), name="Swarm: locked managers unlocked")
unlock.connected(load(), name="Swarm: unlocked managers in their networks", _serial=True)
