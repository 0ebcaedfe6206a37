"""Admin access by VPN: ``pyinfra inventory.py deploys/vpn.py``."""

from pyinfra_swarm.deploys import vpn

vpn()
