"""SSH hardening: ``pyinfra inventory.py deploys/ssh.py``."""

from pyinfra_swarm.settings import load
from pyinfra_swarm.ssh import operations as ssh

ssh.hardened(load(), name="SSH: keys only, judged by the effective configuration")
