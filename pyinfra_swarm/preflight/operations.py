"""Whether the hosts can become an encrypted swarm, before anything is changed."""

from __future__ import annotations

from pyinfra_swarm.host.facts import Host
from pyinfra_swarm.preflight import plan as preflight
from pyinfra_swarm.run.converge import (
    Commands,
    converges,
    current_host,
    observe,
    observe_all,
    report,
)
from pyinfra_swarm.settings import Settings


@converges("preflight")
def checked(settings: Settings) -> Commands:
    """Refuse a host that cannot be part of an encrypted swarm, and hosts that do not go together.

    Never changes anything. A finding about one host fails that host; one about the hosts together
    (duplicate names or machine ids, mixed engines) fails all of them.

    **Example:**

    .. code:: python

        preflight.checked(load(), name="Preflight: every host can be part of the swarm")
    """
    observe(Host)
    hosts = observe_all(Host)
    report("preflight", preflight.plan(settings, current_host().name, hosts))
    yield from ()
