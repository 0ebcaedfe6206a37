"""Recovers a swarm that has lost its quorum for good, with one manager that is left.

pyinfra inventory.py deploys/recover.py [--data host=rk1] [--data unlock=PATH]
"""

from pyinfra_swarm.deploys import recover

recover()
