"""Takes a node out of the swarm for good.

pyinfra inventory.py deploys/remove.py --data host=rk4
"""

from pyinfra_swarm.deploys import remove

remove()
