"""New join tokens: ``pyinfra inventory.py deploys/rotate_tokens.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_swarm.engine.operations import on
from pyinfra_swarm.keys.join_tokens import RotateJoinTokens, plan_tokens
from pyinfra_swarm.keys.swarm_update import UPDATE
from pyinfra_swarm.nodes.facts import State
from pyinfra_swarm.nodes.observing import acting_left_out
from pyinfra_swarm.run.converge import Commands, job, observe_all, report, this_host
from pyinfra_swarm.run.findings import changes
from pyinfra_swarm.run.onhost import program

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings


@job("swarm")
def rotated(settings: Settings) -> Commands:
    """Both join tokens replaced by new ones, which never leave the host.

    Every run replaces them. Nodes that have joined are not affected; the old tokens let nobody in.

    **Example:**

    .. code:: python

        join_tokens.rotated(load(), name="Swarm: new join tokens")
    """
    me = this_host(settings)
    observed = observe_all(State)
    findings = acting_left_out(settings, observed) or plan_tokens(settings, observed, me)
    report("swarm", findings)
    for change in changes(findings):
        match change:
            case RotateJoinTokens():
                rotate = program(__file__, "rotate_join_tokens.sh", using=[UPDATE])
                yield on(me.name, rotate, "replacing the join tokens", timeout=300)
