"""New join tokens: ``pyinfra inventory.py deploys/rotate_tokens.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_swarm.engine.api import on
from pyinfra_swarm.engine.swarm_spec import UPDATE_SWARM
from pyinfra_swarm.keys.join_tokens import plan_tokens
from pyinfra_swarm.nodes.facts import State
from pyinfra_swarm.nodes.observing import acting_left_out
from pyinfra_swarm.run.converge import Commands, job, observe_all, report, this_host

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings


@job("swarm")
def rotated(settings: Settings) -> Commands:
    """Both join tokens replaced by new ones, which never leave the host.

    + settings: the cluster's settings.

    Every run replaces them. Nodes that have joined do not notice; the old tokens let nobody in.

    **Example:**

    .. code:: python

        join_tokens.rotated(load(), name="Swarm: new join tokens")
    """
    me = this_host(settings)
    observed = observe_all(State)
    if report("swarm", acting_left_out(settings, observed) or plan_tokens(settings, observed, me)):
        yield on(me.name, _ROTATE, "replacing the join tokens")


_ROTATE = f"""\
{UPDATE_SWARM}
read_tokens() {{
  ask http://localhost/swarm
  tokens=${{answer#*'"JoinTokens":'}}
  worker=${{tokens#*'"Worker":"'}}; worker=${{worker%%'"'*}}
  manager=${{tokens#*'"Manager":"'}}; manager=${{manager%%'"'*}}
  for token in "$worker" "$manager"; do
    case $token in SWMTKN-*) ;; *) echo "the engine gave no join tokens" >&2; exit 1 ;; esac
  done
}}
read_tokens
old_worker=$worker; old_manager=$manager
update_swarm '&rotateWorkerToken=true&rotateManagerToken=true'
read_tokens
[ "$worker" != "$old_worker" ] && [ "$manager" != "$old_manager" ] || {{
  echo "the engine said yes, but the join tokens are the old ones" >&2; exit 1; }}
"""
