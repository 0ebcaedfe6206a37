"""What the owner may say to a rolling job."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cluster.findings import Refusal

WAIT = 300
"""Seconds that a node has to lose its tasks, and to come back, unless ``--data wait=`` says."""


@dataclass(frozen=True)
class Options:
    """What ``--data`` says to a rolling job.

    wait: seconds that each wait may take; interruption: the owner accepts that the swarm cannot
    be controlled, or encrypted traffic not flow, meanwhile; downgrade: accepts an older engine;
    everything: reboots hosts that do not need it, too.
    """

    wait: int = WAIT
    interruption: bool = False
    downgrade: bool = False
    everything: bool = False


def options(given: Mapping[str, Any]) -> tuple[Options, list[Refusal]]:
    """Read what was given as data; what is not understood is refused."""
    refused: list[Refusal] = []

    def word(name: str, allowed: str) -> bool:
        value = given.get(name)
        if value is not None and str(value) != allowed:
            refused.append(
                Refusal(
                    f"--data {name}",
                    "has a meaning in one word only",
                    expected=f"{name}={allowed}",
                    found=f"{name}={value}",
                )
            )
        return str(value) == allowed

    wait = str(given.get("wait", WAIT))
    if not re.fullmatch(r"[1-9]\d{0,5}", wait):
        refused.append(
            Refusal(
                "--data wait",
                "is how many seconds a node has to lose its tasks, and to come back",
                expected=f"a whole number, as in wait={WAIT}",
                found=f"wait={wait}",
            )
        )
        wait = str(WAIT)
    read = Options(
        wait=int(wait),
        interruption=word("interruption", "accepted"),
        downgrade=word("downgrade", "accepted"),
        everything=word("all", "yes"),
    )
    return read, refused
