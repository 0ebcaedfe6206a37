"""A new root CA for the swarm, and certificates of it for every node.

If a replacement is under way, it waits for its end.
"""

from pyinfra_swarm.deploys import rotate_ca

rotate_ca()
