"""How long the nodes' certificates are valid."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pyinfra_swarm.engine.operations import on
from pyinfra_swarm.keys.certificates import SetCertificateExpiry, plan_certificates
from pyinfra_swarm.keys.swarm_update import UPDATE
from pyinfra_swarm.nodes.facts import State
from pyinfra_swarm.run.converge import (
    Commands,
    converges,
    observe_all,
    report,
    this_host,
)
from pyinfra_swarm.run.findings import changes
from pyinfra_swarm.run.onhost import program

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings


@converges("swarm")
def as_declared(settings: Settings) -> Commands:
    """New certificates valid for as long as declared; those that were not renewed are reported.

    + settings: of them ``swarm.certificate_expiry``
    """
    me = this_host(settings)
    observed = observe_all(State)
    findings = plan_certificates(settings, observed, me, now=time.time())
    report("swarm", findings)
    for change in changes(findings):
        match change:
            case SetCertificateExpiry(seconds=seconds):
                expiry = program(
                    __file__, "set_certificate_expiry.sh", using=[UPDATE], seconds=str(seconds)
                )
                yield on(me.name, expiry, "setting how long certificates are valid")
