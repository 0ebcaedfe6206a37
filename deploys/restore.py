"""Restores the swarm from a backup on a fresh host, at the address that it was taken at.

pyinfra inventory.py deploys/restore.py --data file=PATH --data identity=PATH [--data host=rk1]
"""

from pyinfra_swarm.backup import restore_operations as restore
from pyinfra_swarm.settings import load

restore.restored(load(), name="Restore: the swarm's state from a backup", _timeout=900)
