"""Takes the old node of a declared host out of the swarm, so that the site lets a new one join.

pyinfra inventory.py deploys/replace.py --data host=rk4
"""

from pyinfra_swarm.deploys import replace

replace()
