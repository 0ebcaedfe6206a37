"""Every deploy as a function: ``from pyinfra_swarm.deploys import site``.

Each takes the settings as a value, or reads them from where they are (:mod:`settings.model`) when
it is called without, and pyinfra's global arguments. Each is called on every host, without a
branch or a loop around it: the operations decide by themselves what a host has to do.
"""

from pyinfra_swarm.deploys import jobs, states
from pyinfra_swarm.deploys.jobs import *  # noqa: F403 # each names its deploys in __all__
from pyinfra_swarm.deploys.states import *  # noqa: F403

__all__: list[str] = []
__all__ += jobs.__all__
__all__ += states.__all__
