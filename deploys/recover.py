"""Recovers a swarm that has lost its quorum for good: it goes on with the manager that is left.

pyinfra inventory.py deploys/recover.py [--data host=rk1] [--data unlock=PATH]
"""

from cluster.settings import load
from operations import recovery

recovery.recovered(load(), name="Recover: the swarm goes on with one manager", _timeout=900)
