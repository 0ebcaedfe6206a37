"""Unlocked managers that are attached to no overlay network, and how they are attached again.

Seen with 26.1.5 and 29.7.2: an unlocked manager may be attached to no overlay network until its
engine is restarted, hardly ever with its files on a disk, mostly with them in memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pyinfra_swarm.keys.unlock_key import KeyFile
from pyinfra_swarm.networks.plan import ingress_of
from pyinfra_swarm.nodes.membership import (
    Observed,
    view,
)
from pyinfra_swarm.nodes.quorum import BRING_BACK, Quorum
from pyinfra_swarm.run.findings import ENGINE, Change, Finding, Refusal

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Host, Settings


@dataclass(frozen=True, kw_only=True)
class RestartUntilAttached(Change):
    """The engine is restarted and unlocked until its networks work. path: the file with the key."""

    restarts: ClassVar[str] = ENGINE

    path: str


def plan_attachment(
    settings: Settings, observed: Observed, host: Host, file: KeyFile | None
) -> list[Finding]:
    """An unlocked manager attached to its overlay networks, by a restart and another unlocking.

    Never below quorum. If the ingress network is missing for all nodes, a restart does not help.
    """
    own, cluster = observed.get(host.name), view(settings, observed)
    if own is None or cluster is None or cluster.spec is None or not cluster.spec.autolock:
        return []
    if not own.controls or own.in_ingress is not False or ingress_of(cluster) is None:
        return []
    what, reason = "overlay networks", "do not work on this manager since it was unlocked"
    if problem := Quorum.of(cluster).forbids_stop(own.node):
        return [
            Refusal(
                what, f"{reason}, and its engine is not restarted: {problem}", remedy=BRING_BACK
            )
        ]
    if file is None or file.problem or not file.fingerprint:
        return [
            Refusal(
                what,
                f"{reason}, and its engine is not restarted: it would be locked again, and the "
                "unlock key is not in its file",
                remedy="Run the site, which fetches the key, and then this again",
            )
        ]
    return [
        RestartUntilAttached(
            what, reason, expected="its engine restarted, and unlocked again", path=file.path
        )
    ]
