"""Restores the swarm from a backup on a fresh host that has the old address.

pyinfra inventory.py deploys/restore.py --data file=PATH --data identity=PATH [--data host=rk1]
"""

from pyinfra_swarm.deploys import restore

restore()
