"""SSH hardening: ``pyinfra inventory.py deploys/ssh.py``."""

from pyinfra_swarm.deploys import ssh

ssh()
