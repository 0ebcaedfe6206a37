"""Checks whether the hosts can become an encrypted swarm; changes nothing.

Says as well what of this has run on hosts like these.
"""

from pyinfra_swarm.deploys import preflight

preflight()
