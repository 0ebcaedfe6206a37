"""Recovers a swarm that has lost its quorum for good: it goes on with the manager that is left.

pyinfra inventory.py deploys/recover.py [--data host=rk1] [--data unlock=PATH]
"""

from pyinfra_swarm.backup import recover_operations as recover
from pyinfra_swarm.settings import load

recover.recovered(load(), name="Recover: the swarm goes on with one manager", _timeout=900)
