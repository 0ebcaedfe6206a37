"""A kind of drift: how it comes about, and how it is reported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Group = Literal[
    "hosts", "firewall", "refusals", "together", "roles", "absent", "removal", "exposure"
]


@dataclass(frozen=True)
class Kind:
    """A kind of drift.

    name: what happens; part, what: how the finding is called; reason: words of its reason.
    breaks: shell, run as root on the host that drifts. There, ``$STRANGER`` and ``$SPARE`` are
        public keys (the second a declared one), ``$LOGIN`` the declared admin, ``$NODE`` the host,
        ``$IMAGE`` an address of a root file system with busybox.
    first: shell, run before on the host that drifts, where ``breaks`` runs on a manager.
    kind: ``change`` (mended by a deploy), ``notice`` or ``refusal`` (mended by ``undo``).
    on: what the host has to be: ``any``, ``manager`` or ``worker``; or ``every``: each host drifts.
    by_manager: ``breaks`` and ``undo`` run on a manager that does not drift, about ``$NODE``;
        with undo_there, ``undo`` runs on the host.
    of_cluster: it is reported on the manager that speaks for the swarm.
    also: findings (``part/what``, as shell patterns) that may come with it.
    group: those that are brought about in one go, on a lab that is converged before; ``together``:
        all of them at once, on different hosts where they follow one another, and undone the last
        one first (``test_drift_together.py``).
    at: of the group ``exposure``, brought about all at once: those with one number are on one host.
    """

    name: str
    part: str
    what: str
    reason: str
    breaks: str
    first: str = ""
    kind: str = "change"
    undo: str = ""
    on: str = "any"
    by_manager: bool = False
    undo_there: bool = False
    of_cluster: bool = False
    also: tuple[str, ...] = ()
    group: Group = "hosts"
    at: int = 0


@dataclass(frozen=True)
class Quiet:
    """What must not be reported. breaks, undo: shell, as of a :class:`Kind`."""

    name: str
    breaks: str
    undo: str
