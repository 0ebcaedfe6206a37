"""The swarm is initialised, where there is none."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

from pyinfra_swarm.engine.api import API
from pyinfra_swarm.nodes import measures
from pyinfra_swarm.nodes.membership import Observed
from pyinfra_swarm.nodes.observing import memberships
from pyinfra_swarm.run import records
from pyinfra_swarm.run.converge import Commands, converges, progress, script, this_host
from pyinfra_swarm.swarm.stage_operations import to_do
from pyinfra_swarm.swarm.stages import INIT

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Host, Settings


@converges("swarm")
def initialised(settings: Settings) -> Commands:
    """Find the swarm that declared hosts are in; initialise one only if there is none for certain.

    + settings: the cluster's settings.
    """
    me = this_host(settings)
    observed = memberships()
    _measure(settings, observed, me)
    if not to_do(settings, INIT, observed):
        return
    progress("initialising the swarm")
    body = {
        "ListenAddr": "0.0.0.0:2377",
        "AdvertiseAddr": me.address,
        "DataPathPort": settings.swarm.data_path_port,
        "DefaultAddrPool": list(settings.swarm.address_pool),
        "SubnetSize": settings.swarm.subnet_size,
        "Spec": {
            "CAConfig": {
                "NodeCertExpiry": settings.swarm.certificate_expiry_seconds * 1_000_000_000
            }
        },
    }
    yield script(
        f"{API}api --data-binary @- http://localhost/swarm/init", stdin=json.dumps(body), timeout=90
    )


MEASURES = {
    "nodes": measures.nodes,
    "managers": measures.managers,
    "networks": measures.networks,
}


def _measure(settings: Settings, observed: Observed, me: Host) -> None:
    """What a report shows of the swarm besides its differences."""
    for what, of in MEASURES.items():
        records.measure("swarm", what, partial(of, settings, observed))
    own = observed[me.name]
    if own is not None and own.certificate_expires is not None:
        records.measure("swarm", "certificate expires", own.certificate_expires, host=me.name)
