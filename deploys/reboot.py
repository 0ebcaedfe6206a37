"""Reboots the hosts that wait for a reboot: ``pyinfra inventory.py deploys/reboot.py``.

With ``--data all=yes`` it reboots every host.
"""

from pyinfra_swarm.deploys import reboot

reboot()
