"""What the owner may say to a rolling job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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


def options(given: Mapping[str, str]) -> Options:
    """What was given as data, its words known to be meant (:mod:`run.command_line`)."""
    return Options(
        wait=int(given.get("wait", WAIT)),
        interruption="interruption" in given,
        downgrade="downgrade" in given,
        everything="all" in given,
    )
