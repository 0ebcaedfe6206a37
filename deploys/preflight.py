"""Whether the hosts can become an encrypted swarm; changes nothing."""

from cluster.settings import load
from operations import preflight

preflight.checked(load(), name="Preflight: every host can be part of the swarm")
