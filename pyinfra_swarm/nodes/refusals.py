"""Refusals that several plans have in common."""

from __future__ import annotations

from pyinfra_swarm.run.findings import Refusal


def no_manager(what: str) -> Refusal:
    """Nothing can be done without a manager that answers for the swarm. what: what is not done."""
    return Refusal(
        "the swarm",
        f"{what}: no declared manager answers for one",
        remedy="`pyinfra inventory.py deploys/swarm.py --dry` says why",
    )
