"""How long the nodes' certificates are valid."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pyinfra_swarm.engine.api import on
from pyinfra_swarm.engine.swarm_spec import UPDATE_SWARM
from pyinfra_swarm.keys.certificates import plan_certificates
from pyinfra_swarm.nodes.facts import State
from pyinfra_swarm.run.converge import (
    Commands,
    converges,
    observe_all,
    report,
    this_host,
)

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings


@converges("swarm")
def as_declared(settings: Settings) -> Commands:
    """New certificates valid for as long as declared; those that were not renewed are reported.

    + settings: the cluster's settings; of them ``swarm.certificate_expiry``
    """
    me = this_host(settings)
    observed = observe_all(State)
    if not report("swarm", plan_certificates(settings, observed, me, now=time.time())):
        return
    nanoseconds = settings.swarm.certificate_expiry_seconds * 1_000_000_000
    edit = f'edit() {{ replace \'s/"NodeCertExpiry":[0-9]*/"NodeCertExpiry":{nanoseconds}/\'; }}'
    yield on(
        me.name, f"{UPDATE_SWARM}{edit}\nupdate_swarm ''", "setting how long certificates are valid"
    )
