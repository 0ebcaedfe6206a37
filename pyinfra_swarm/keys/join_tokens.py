"""The tokens that let hosts into the swarm: replaced, never seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyinfra_swarm.nodes.membership import Observed, acting_manager
from pyinfra_swarm.nodes.refusals import no_manager
from pyinfra_swarm.run.findings import Change, Finding

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Host, Settings


@dataclass(frozen=True)
class RotateJoinTokens(Change):
    """Both join tokens are replaced."""


def plan_tokens(settings: Settings, observed: Observed, host: Host) -> list[Finding]:
    """Both join tokens replaced; nodes that have joined are not affected."""
    acting = acting_manager(settings, observed)
    if acting is None:
        return [no_manager("the join tokens are not replaced")]
    if acting != host.name:
        return []
    return [
        RotateJoinTokens(
            "join tokens",
            "are replaced, the worker's and the manager's, as asked for: the old ones let nobody "
            "in any more; nodes that have joined stay",
        )
    ]
