"""What a stage of the topology's plan asks of this host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyinfra_swarm.networks.plan import services_matter
from pyinfra_swarm.nodes import facts as swarm_facts
from pyinfra_swarm.nodes.membership import Observed, Service, acting_manager
from pyinfra_swarm.nodes.steps import Step, steps
from pyinfra_swarm.run import context, pyinfra_internals
from pyinfra_swarm.run.context import this_run
from pyinfra_swarm.run.converge import current_host, is_executing, observe_on, report, this_host
from pyinfra_swarm.run.findings import Finding
from pyinfra_swarm.run.limit import in_limit
from pyinfra_swarm.swarm.plan import Plan, plan
from pyinfra_swarm.swarm.stages import Seen, Stage

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings


def _services(settings: Settings, observed: Observed) -> tuple[Service, ...]:
    """The services, asked only where some network is not encrypted."""
    acting = acting_manager(settings, observed)
    if acting is None or not services_matter(settings, observed):
        return ()
    return observe_on(acting, swarm_facts.Services)


def to_do(settings: Settings, stage: Stage, observed: Observed) -> list[Step]:
    """What a stage does for this host, reported. Raises ``Refused`` where it is refused.

    observed: asked once by the operation: while others begin to change something, a second look
    would show the swarm half-way.
    """
    findings = _findings(settings, stage, observed)
    report("swarm", findings)
    return steps(findings)


@dataclass
class _Forecast:
    """made: from what, with how many hosts that have failed, and the plan that was made of it."""

    made: tuple[Observed, int, Plan] | None = None


def _findings(settings: Settings, stage: Stage, observed: Observed) -> list[Finding]:
    """What is the case, where it is carried out now; else what will be, when its turn comes."""
    forecast = this_run(_Forecast)
    run, services = context.state(), _services(settings, observed)
    seen = Seen(settings, observed, services, planning=not is_executing())
    if is_executing():
        return stage.plan(seen, this_host(settings))
    failed = {host.name for host in pyinfra_internals.failed_hosts(run)}
    if not (made := forecast.made) or made[0] is not observed or made[1] != len(failed):
        among = {*in_limit()} - failed
        made = forecast.made = observed, len(failed), plan(seen, among)
    return made[2].of(stage, current_host().name)
