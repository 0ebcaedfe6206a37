"""Unlocks managers that are locked since a restart, and waits until they are back.

``--data key_file=PATH`` names another file than ``swarm.unlock_key_file``.
"""

from pyinfra_swarm.deploys import unlock

unlock()
