"""Proves, at any time and without a trace, that every pair of nodes talks encrypted.

pyinfra -y inventory.py deploys/prove.py
"""

from cluster.settings import load
from operations import proof

proof.proven(load(), name="Proof: every pair of nodes exchanges encrypted packets")
