"""A new root CA for the swarm, and certificates of it for every node.

While a replacement is under way, its end is awaited.
"""

from pyinfra_swarm.keys import root_ca_operations as root_ca
from pyinfra_swarm.settings import load

root_ca.rotated(load(), name="Swarm: a new root CA")
