"""The node labels that this package sets itself, which no owner declares."""

from __future__ import annotations

LABEL_PREFIX = "pyinfra-swarm."
"""How the names of all these labels begin."""

AVAILABILITY_BEFORE = f"{LABEL_PREFIX}availability-before"
"""The label of a node that is being worked on: the availability it had, and is given back."""
