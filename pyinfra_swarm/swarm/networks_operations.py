"""The swarm's networks are encrypted: the ingress network, and the declared overlay networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_swarm.networks.operations import attach_ingress, create_overlay, replace_ingress
from pyinfra_swarm.networks.plan import AttachIngress, CreateOverlay, ReplaceIngress
from pyinfra_swarm.nodes.membership import acting_manager
from pyinfra_swarm.nodes.observing import memberships
from pyinfra_swarm.run.converge import Commands, converges, this_host
from pyinfra_swarm.run.findings import unhandled
from pyinfra_swarm.swarm.stage_operations import to_do
from pyinfra_swarm.swarm.stages import INGRESS, OVERLAYS

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings


@converges("swarm", rests_on=["swarm"])
def ingress_encrypted(settings: Settings) -> Commands:
    """The ingress network is encrypted, replaced where it is not, before any other host joins.

    + settings: the cluster's settings.
    """
    me = this_host(settings)
    observed = memberships()
    for step in to_do(settings, INGRESS, observed):
        match step:
            case AttachIngress(node=node):
                acting = acting_manager(settings, observed) or me.name
                yield from attach_ingress(node, me.name, acting)
            case ReplaceIngress():
                yield from replace_ingress(settings)
            case _:
                raise unhandled(step)


@converges("swarm", rests_on=["swarm"])
def overlays_encrypted(settings: Settings) -> Commands:
    """Declared overlay networks exist, encrypted; others that are not are reported.

    + settings: the cluster's settings.
    """
    for step in to_do(settings, OVERLAYS, memberships()):
        assert isinstance(step, CreateOverlay)
        yield from create_overlay(settings, step.name)
