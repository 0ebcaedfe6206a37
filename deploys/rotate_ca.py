"""A new root CA for the swarm, and certificates of it for every node.

While a replacement is under way, its end is awaited.
"""

from pyinfra_swarm.keys import certificates_operations as certificates
from pyinfra_swarm.settings.model import load

certificates.authority_rotated(load(), name="Swarm: a new root CA")
