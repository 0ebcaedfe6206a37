"""Takes a node out of the swarm for good: ``--data host=NAME``.

pyinfra inventory.py deploys/remove.py --data host=rk4
"""

from pyinfra_swarm.removal import operations as removal
from pyinfra_swarm.settings import load

removal.planned(load(), name="Remove: what it takes, and the owner's word")
removal.drained(load(), name="Remove: no more tasks on it")
removal.emptied(load(), name="Remove: its tasks ended", _timeout=400)
removal.demoted(load(), name="Remove: no manager", _timeout=400)
removal.left(load(), name="Remove: out of the swarm", _timeout=300)
removal.cleared(load(), name="Remove: its entry gone", _timeout=300)
