"""The unlock key replaced by a new one, in its file.

Seen with 26.1.5: a manager that was down when the unlock key was replaced wants the old one, and
has the new one from then on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyinfra_swarm.keys.unlock import UNLOCK
from pyinfra_swarm.keys.unlock_key import KeyFile, fetched
from pyinfra_swarm.nodes.membership import (
    Observed,
    acting_manager,
    managers_of,
    view,
)
from pyinfra_swarm.nodes.refusals import no_manager
from pyinfra_swarm.run.findings import Change, Finding, Notice, Refusal
from pyinfra_swarm.run.wording import listed

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Host, Settings


@dataclass(frozen=True, kw_only=True)
class RotateUnlockKey(Change):
    """The unlock key is replaced. path: the file that gets the new one."""

    path: str


def plan_key_rotation(
    settings: Settings,
    observed: Observed,
    host: Host,
    file: KeyFile | None,
    fingerprint: str,
) -> list[Finding]:
    """The unlock key replaced, while every manager is there to take the new one."""
    cluster = view(settings, observed)
    if cluster is None or cluster.spec is None:
        return [no_manager("the unlock key is not replaced")]
    if not cluster.spec.autolock:
        return [
            Refusal(
                "unlock key",
                "is not replaced: autolock is off, so there is none",
                remedy="Set swarm.autolock = true and swarm.unlock_key_file, and run the site",
            )
        ]
    if file is None or file.problem:
        return [
            Refusal(
                "unlock key",
                "is not replaced: "
                + (f"{file.path}: {file.problem}" if file else "no file is declared to keep it in"),
                remedy="Set swarm.unlock_key_file to a path whose folder is there",
            )
        ]
    silent = [
        node.hostname
        for node in managers_of(cluster)
        if node.state != "ready" or node.reachability != "reachable"
    ]
    if silent:
        return [
            Refusal(
                "unlock key",
                f"is not replaced while {listed(silent)} cannot be reached: a manager that is "
                "down at that time is locked with the old key when it comes back",
                remedy=f"Bring it back (if it is locked: {UNLOCK}), and run again",
            )
        ]
    if acting_manager(settings, observed) != host.name:
        return []
    if fingerprint and file.fingerprint != fingerprint:
        return [
            *fetched(file, fingerprint),
            Notice(
                "unlock key",
                "is not replaced now: after a rotation that was interrupted, the file has to get "
                "the swarm's key first",
                remedy="If you want another one, run this again",
            ),
        ]
    return [
        RotateUnlockKey(
            "unlock key",
            "is replaced, as asked for",
            expected=f"a new one in {file.path}, the old one in {file.path}.old",
            path=file.path,
        )
    ]
