"""Takes the whole cluster apart: the swarm ends, what we have set on the hosts goes.

``--data purge=docker`` removes Docker's packages, too. docs/removing.md says what stays.
"""

from pyinfra_swarm.firewall import operations as firewall
from pyinfra_swarm.reset import operations as reset
from pyinfra_swarm.settings import load

reset.planned(load(), name="Reset: what it ends, and the owner's word")
reset.workers_left(load(), name="Reset: the workers leave", _timeout=120)
reset.managers_left(load(), name="Reset: the managers leave", _serial=True, _timeout=120)
reset.leader_left(load(), name="Reset: the leader leaves, last", _serial=True, _timeout=120)
firewall.removed(load(), name="Reset: the firewall taken off")
reset.settings_removed(load(), name="Reset: Docker's and apt's settings gone", _timeout=900)
reset.ssh_released(load(), name="Reset: sshd without our file", _timeout=300)
reset.sudo_released(load(), name="Reset: sudo without our rule", _timeout=300)
reset.guard_removed(load(), name="Reset: the guard gone")
