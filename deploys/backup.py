"""Backs up the swarm: the state of one manager, encrypted, in a file on this computer.

pyinfra inventory.py deploys/backup.py [--data host=rk2] [--data to=PATH] [--data drain=no]
"""

from pyinfra_swarm.deploys import backup

backup()
