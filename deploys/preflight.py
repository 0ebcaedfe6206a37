"""Whether the hosts can become an encrypted swarm; changes nothing."""

from pyinfra_swarm.preflight import operations as preflight
from pyinfra_swarm.settings import load

preflight.checked(load(), name="Preflight: every host can be part of the swarm")
