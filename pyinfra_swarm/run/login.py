"""By which interface the computer that is logged in reaches a host."""

from __future__ import annotations

from collections.abc import Iterable

from pyinfra_swarm.run.onhost import program

LOGIN_BY = program(__file__, "login_by.sh")
"""Shell: ``login_by`` prints a section ``login_by``, for :func:`answered_by`."""


def answered_by(lines: Iterable[str]) -> str:
    """The interface in what ``ip route get`` prints; empty where it is unknown."""
    words = " ".join(lines).split()
    return next((words[at + 1] for at, word in enumerate(words[:-1]) if word == "dev"), "")
