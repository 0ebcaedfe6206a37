"""Takes the firewall off: the hosts' tables are left as if it had never been there."""

from pyinfra_swarm.firewall import operations as firewall
from pyinfra_swarm.settings import load

firewall.removed(load(), name="Firewall: taken off")
