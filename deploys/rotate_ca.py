"""A new root CA for the swarm, and certificates of it for every node.

While a replacement is under way, its end is awaited.
"""

from cluster.settings import load
from operations import certificates

certificates.authority_rotated(load(), name="Swarm: a new root CA")
