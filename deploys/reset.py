"""Takes the whole cluster apart: the swarm ends, and what was set on the hosts goes.

With ``--data purge=docker`` it removes Docker's packages as well. docs/removing.md says what stays.
"""

from pyinfra_swarm.deploys import reset

reset()
