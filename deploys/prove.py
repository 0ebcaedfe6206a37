"""Proves, at any time and without a trace, that every pair of nodes talks encrypted.

pyinfra -y inventory.py deploys/prove.py
"""

from pyinfra_swarm.proof import operations as proof
from pyinfra_swarm.settings import load

proof.proven(load(), name="Proof: every pair of nodes exchanges encrypted packets")
