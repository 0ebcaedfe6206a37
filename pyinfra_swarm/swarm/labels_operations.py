"""Nodes get their declared labels and availability."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_swarm.engine.operations import on
from pyinfra_swarm.nodes.identity import node_of
from pyinfra_swarm.nodes.membership import acting_manager, view
from pyinfra_swarm.nodes.observing import memberships
from pyinfra_swarm.nodes.programs import updated
from pyinfra_swarm.run.converge import Commands, converges, fail, this_host
from pyinfra_swarm.run.findings import unhandled
from pyinfra_swarm.swarm.labels import SetAvailability, SetLabel
from pyinfra_swarm.swarm.stage_operations import to_do
from pyinfra_swarm.swarm.stages import LABEL

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings


@converges("swarm", rests_on=["swarm"])
def labelled(settings: Settings) -> Commands:
    """Labels and availability are as declared; manual changes and undeclared nodes are reported.

    + settings: the cluster's settings.
    """
    observed = memberships()
    todo = to_do(settings, LABEL, observed)
    if not todo:
        return
    acting, cluster = acting_manager(settings, observed), view(settings, observed)
    node = node_of(settings, observed, cluster, this_host(settings).name) if cluster else None
    if acting is None or node is None:
        yield fail("this host is not in the swarm, and cannot be labelled")
        return
    options: list[str] = []
    for step in todo:
        match step:
            case SetLabel(key=key, value=value):
                options += ["--label-add", f"{key}={value}"]
            case SetAvailability(availability=availability):
                options += ["--availability", availability]
            case _:
                raise unhandled(step)
    yield on(acting, updated(node.id, options), "updating it")
