"""The stages of the swarm's deploy, in its order.

An operation that carries out asks the planner of its stage again, from what it sees at that moment.
:mod:`swarm.plan` plans all stages ahead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyinfra_swarm.networks.plan import plan_ingress, plan_overlays
from pyinfra_swarm.nodes.identity import contradiction, doubt
from pyinfra_swarm.nodes.membership import Observed, Service
from pyinfra_swarm.run.findings import Finding, changes
from pyinfra_swarm.swarm.init import plan_init
from pyinfra_swarm.swarm.join import plan_join
from pyinfra_swarm.swarm.labels import plan_labels
from pyinfra_swarm.swarm.roles import plan_demotion, plan_promotion

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Host, Settings


@dataclass(frozen=True)
class Seen:
    """What a stage is planned from.

    services: the swarm's, where some network is not encrypted; else they do not matter.
    planning: nothing was carried out yet, so a stopped engine is one that will be started.
    """

    settings: Settings
    observed: Observed
    services: Sequence[Service] = ()
    planning: bool = False


@dataclass(frozen=True)
class Stage:
    """One operation of the deploy, by name. serial: host by host, each from what is so by then.

    finds: what it finds for a host whose word for itself can be true.
    """

    operation: str
    finds: Callable[[Seen, Host], list[Finding]]
    serial: bool = False

    def plan(self, seen: Seen, host: Host) -> list[Finding]:
        """What the operation finds for a host; a refusal where its word decides about others."""
        if refused := contradiction(seen.settings, seen.observed, host.name):
            return [refused]
        found = self.finds(seen, host)
        unsure = doubt(seen.settings, seen.observed, host.name) if changes(found) else None
        return [unsure] if unsure else found


INIT = Stage(
    "initialised", lambda s, host: plan_init(s.settings, s.observed, host, planning=s.planning)
)
INGRESS = Stage(
    "ingress_encrypted", lambda s, host: plan_ingress(s.settings, s.observed, host, s.services)
)
JOIN = Stage("joined", lambda s, host: plan_join(s.settings, s.observed, host, planning=s.planning))
PROMOTE = Stage(
    "promoted", lambda s, host: plan_promotion(s.settings, s.observed, host), serial=True
)
DEMOTE = Stage(
    "demoted",
    lambda s, host: plan_demotion(s.settings, s.observed, host, leader=False),
    serial=True,
)
DEMOTE_LEADER = Stage(
    "leader_demoted",
    lambda s, host: plan_demotion(s.settings, s.observed, host, leader=True),
    serial=True,
)
LABEL = Stage("labelled", lambda s, host: plan_labels(s.settings, s.observed, host))
OVERLAYS = Stage(
    "overlays_encrypted", lambda s, host: plan_overlays(s.settings, s.observed, host, s.services)
)

STAGES = (INIT, INGRESS, JOIN, PROMOTE, DEMOTE, DEMOTE_LEADER, LABEL, OVERLAYS)
