"""Every deploy as a function: ``from pyinfra_swarm.deploys import site``.

Each takes the settings as a value, or reads them from where they are (:mod:`settings.model`) when
it is called without, and pyinfra's global arguments. Each is called on every host, without a
branch or a loop around it: the operations decide by themselves what a host has to do.

A deploy is loaded when it is asked for: a run of the site loads nothing of the jobs.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyinfra_swarm.deploys import jobs, states
    from pyinfra_swarm.deploys.jobs import *  # noqa: F403 # each names its deploys in __all__
    from pyinfra_swarm.deploys.states import *  # noqa: F403

    __all__: list[str] = []
    __all__ += jobs.__all__
    __all__ += states.__all__
else:

    def __getattr__(name: str) -> object:
        # No deploy. Python asks here for a module before it looks for its file.
        if name in ("jobs", "states") or (name.startswith("_") and name != "__all__"):
            raise AttributeError(name)
        import pyinfra_swarm.deploys.states as states

        if name in states.__all__:
            return getattr(states, name)
        import pyinfra_swarm.deploys.jobs as jobs

        if name == "__all__":
            return [*jobs.__all__, *states.__all__]
        if name in jobs.__all__:
            return getattr(jobs, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
