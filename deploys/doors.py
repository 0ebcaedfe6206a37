"""Checks whether the hosts can become an encrypted swarm; changes nothing."""

from pyinfra_swarm.deploys import doors

doors()
