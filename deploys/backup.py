"""Backs up the swarm: the state of one manager, encrypted, in a file on this computer.

pyinfra inventory.py deploys/backup.py [--data host=rk2] [--data to=PATH] [--data drain=no]
"""

from pyinfra_swarm.backup import save_operations as backup
from pyinfra_swarm.settings import load

backup.saved(load(), name="Backup: the swarm's state of one manager", _timeout=1200)
