"""Proves that every pair of nodes exchanges encrypted packets; leaves no trace.

pyinfra -y inventory.py deploys/prove.py
"""

from pyinfra_swarm.deploys import prove

prove()
