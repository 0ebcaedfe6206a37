# A policy that forgets SSH, carried out by the real operation: what a mistake in a plan would do.
from dataclasses import replace as _replace

from cluster.settings import load
from operations import firewall

_policy = firewall._policy
firewall._policy = lambda *given, **named: _replace(_policy(*given, **named), ssh_ports=())

firewall.applied(load(), name="A firewall without a door for SSH")
