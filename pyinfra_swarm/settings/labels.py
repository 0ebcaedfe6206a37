"""The labels that this package sets itself, which no owner declares."""

from __future__ import annotations

LABEL_PREFIX = "pyinfra-swarm."
"""How the names of all these labels begin."""

AVAILABILITY_BEFORE = f"{LABEL_PREFIX}availability-before"
"""The label of a node whose turn in a rolling job has not ended: the availability it had before."""

STACK = f"{LABEL_PREFIX}stack"
"""The label of the record of a deployed stack: a config, which names its stack."""

NAME = f"{LABEL_PREFIX}name"
"""The label of a secret or a config of ours: what it is a version of."""
