"""Docker brought to the declared version, one node at a time."""

from pyinfra_swarm.rolling import upgrade_operations as upgrade
from pyinfra_swarm.settings import load

upgrade.fetched(load(), name="Upgrade: fetched and judged on all, before any is touched")
upgrade.unfinished(load(), name="Upgrade: what an earlier run has left")
upgrade.managers(load(), name="Upgrade: managers but the leader")
upgrade.leader(load(), name="Upgrade: the leader")
upgrade.workers(load(), name="Upgrade: workers")
