# A policy that forgets SSH, carried out by the real operation: what a mistake in a plan would do.
from dataclasses import replace as _replace

from pyinfra_swarm.firewall import operations as firewall
from pyinfra_swarm.firewall import wanted as _wanted
from pyinfra_swarm.settings import load

_policy = _wanted.policy
_wanted.policy = lambda *given, **named: _replace(_policy(*given, **named), ssh_ports=())

firewall.applied(load(), name="A firewall without a door for SSH")
