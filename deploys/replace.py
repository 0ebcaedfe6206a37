"""Takes a declared host's old self out of the swarm, so that the site lets its new one in.

pyinfra inventory.py deploys/replace.py --data host=rk4
"""

from pyinfra_swarm.removal import operations as removal
from pyinfra_swarm.settings import load

removal.planned_replacement(load(), name="Replace: what it takes, and the owner's word")
removal.drained(load(), name="Replace: no more tasks on it")
removal.emptied(load(), name="Replace: its tasks ended", _timeout=400)
removal.demoted(load(), name="Replace: no manager", _timeout=400)
removal.left(load(), name="Replace: out of the swarm", _timeout=300)
removal.cleared(load(), name="Replace: its entry gone", _timeout=300)
