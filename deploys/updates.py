"""Security updates by themselves, without Docker and without reboots; the time kept right."""

from pyinfra_swarm.settings import load
from pyinfra_swarm.updates import operations as updates

updates.unattended(load(), name="Updates: security updates by themselves, the time kept right")
