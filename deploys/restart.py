"""The engines restarted, one node at a time: ``pyinfra inventory.py deploys/restart.py``."""

from pyinfra_swarm.rolling import restart_operations as restart
from pyinfra_swarm.settings import load

restart.unfinished(load(), name="Restart: what an earlier run has left")
restart.managers(load(), name="Restart: managers but the leader")
restart.leader(load(), name="Restart: the leader")
restart.workers(load(), name="Restart: workers")
