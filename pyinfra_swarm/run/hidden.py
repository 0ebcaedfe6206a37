"""Secrets that this run knows and that others may repeat: a program that writes its password.

What a container has written is shown where it explains a failure, and goes into reports and mails
from there. A value that this run has read is taken out of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pyinfra_swarm.run.answer import without
from pyinfra_swarm.run.context import this_run

_SHORTEST = 4
"""Letters: a shorter text is in any other, and its absence would tell it."""


@dataclass
class _Known:
    """What is not to be repeated."""

    texts: set[str] = field(default_factory=set, repr=False)


def never_repeat(secret: bytes) -> None:
    """Until the run ends, :func:`repeated` leaves this out, and each line of it."""
    text = secret.decode(errors="replace")
    parts = {part.strip() for part in (text, *text.splitlines())}
    this_run(_Known).texts.update(part for part in parts if len(part) >= _SHORTEST)


def repeated(lines: Iterable[str]) -> list[str]:
    """What others have said, with ``…`` in the place of each secret; before it is shortened."""
    known = [*this_run(_Known).texts]
    return [without(line, known) for line in lines]
