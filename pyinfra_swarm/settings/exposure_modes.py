"""The modes of `[exposure]`, and the name of the project's own stack."""

from __future__ import annotations

from typing import Literal

Mode = Literal["ports", "tunnel", "none"]

CLOSED_BY = ("tunnel", "none")
"""Modes in which nobody from the internet is to reach a web port."""

OWN_STACK = "swarm-exposure"
"""The stack that the project itself deploys."""


def mode_closes_the_web(mode: str) -> bool:
    """Whether nobody is let in to the web ports in this mode, unless the file says who."""
    return mode in CLOSED_BY
