"""The hosts that wait for it rebooted, one at a time: ``pyinfra inventory.py deploys/reboot.py``.

``--data all=yes`` reboots every host.
"""

from pyinfra_swarm.rolling import reboot_operations as reboot
from pyinfra_swarm.settings import load

reboot.unfinished(load(), name="Reboot: what an earlier run has left")
reboot.managers(load(), name="Reboot: managers but the leader")
reboot.leader(load(), name="Reboot: the leader")
reboot.workers(load(), name="Reboot: workers")
