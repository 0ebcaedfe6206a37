"""Nodes get their declared roles: promoted and demoted one at a time, never below quorum."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_swarm.engine.api import API, THIS_ENGINE, WITHIN
from pyinfra_swarm.engine.operations import on
from pyinfra_swarm.nodes.membership import acting_manager, view
from pyinfra_swarm.nodes.observing import memberships
from pyinfra_swarm.nodes.programs import UPDATE_NODE
from pyinfra_swarm.nodes.quorum import Quorum
from pyinfra_swarm.run.converge import Commands, converges, current_host, fail, progress
from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.swarm.roles import Demote, Promote
from pyinfra_swarm.swarm.stage_operations import to_do
from pyinfra_swarm.swarm.stages import DEMOTE, DEMOTE_LEADER, PROMOTE, Stage

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings

AWAIT_MANAGER = program(__file__, "await_manager.sh", using=[API, WITHIN])
AWAIT_WORKER = program(__file__, "await_worker.sh", using=[THIS_ENGINE, WITHIN])


def promote(node: str) -> str:
    """Shell for a manager that promotes a node, by id, and waits until it is reachable."""
    return program(__file__, "promote.sh", using=[UPDATE_NODE, WITHIN], node=node)


def demotion(node: str, *, itself: bool) -> str:
    """Shell for a manager that demotes a node, by id. itself: that manager is the node."""
    text = program(__file__, "demote.sh", using=[UPDATE_NODE], node=node)
    if not itself:
        text += program(__file__, "await_demotion.sh", using=[WITHIN], node=node)
    return text


@converges("swarm", rests_on=["swarm"])
def promoted(settings: Settings) -> Commands:
    """Declared managers that are workers are promoted, one at a time, never below quorum.

    + settings: the cluster's settings.

    Call it with ``_serial=True``. The next is promoted when this one is a reachable manager.
    """
    observed = memberships()
    for step in to_do(settings, PROMOTE, observed):
        assert isinstance(step, Promote)
        acting, cluster = acting_manager(settings, observed), view(settings, observed)
        if acting is None or cluster is None or not step.node:
            yield fail("this host is not in the swarm, and cannot be promoted")
            return
        progress(f"promoting: {Quorum.of(cluster).with_(step.node).sentence('will be')}")
        text = promote(step.node)
        yield on(acting, text, "promoting it", timeout=120)
        yield on(current_host().name, AWAIT_MANAGER, "waiting until it answers as one", timeout=90)


@converges("swarm", rests_on=["swarm"])
def demoted(settings: Settings) -> Commands:
    """Managers that are declared workers are demoted, one at a time, never below quorum.

    + settings: the cluster's settings.

    Call it with ``_serial=True``. The leader is left for :func:`leader_demoted`.
    """
    yield from _demote(settings, DEMOTE)


@converges("swarm", rests_on=["swarm"])
def leader_demoted(settings: Settings) -> Commands:
    """The leader, where it is declared a worker, is demoted, when all others are as declared.

    + settings: the cluster's settings.

    Call it with ``_serial=True``. Another manager leads when this is through.
    """
    yield from _demote(settings, DEMOTE_LEADER)


def _demote(settings: Settings, stage: Stage) -> Commands:
    observed = memberships()
    for step in to_do(settings, stage, observed):
        assert isinstance(step, Demote)
        cluster = view(settings, observed)
        if cluster is not None:
            left = Quorum.of(cluster).without(step.node)
            which = " the leader" if step.leader else ""
            progress(f"demoting{which}: {left.sentence('will be')}")
        yield from demote(step.node, step.on, itself=step.on == current_host().name)
        yield on(current_host().name, AWAIT_WORKER, "waiting until it is a worker", timeout=120)


def demote(node: str, acting: str, *, itself: bool) -> Commands:
    """Make a node a worker, by id, asked of a manager; done when it is none, and another leads.

    itself: that manager is the node, which answers no longer when it is done.
    """
    yield on(acting, demotion(node, itself=itself), "demoting it", timeout=180)
