"""Takes the firewall off: the hosts' tables are left as if it had never been there."""

from cluster.settings import load
from operations import firewall

firewall.removed(load(), name="Firewall: taken off")
