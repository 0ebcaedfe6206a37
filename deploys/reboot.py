"""The hosts that wait for it rebooted, one at a time: ``pyinfra inventory.py deploys/reboot.py``.

``--data all=yes`` reboots every host.
"""

from pyinfra_swarm.rolling import reboot_operations as reboot
from pyinfra_swarm.settings.model import load

reboot.unfinished(load(), name="Reboot: what an earlier run has left", _serial=True, _timeout=7200)
reboot.managers(load(), name="Reboot: managers but the leader", _serial=True, _timeout=7200)
reboot.leader(load(), name="Reboot: the leader", _serial=True, _timeout=7200)
reboot.workers(load(), name="Reboot: workers", _serial=True, _timeout=7200)
