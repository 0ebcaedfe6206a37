"""VPNs that bring rules of their own, Tailscale and NetBird, and where they put them.

Tailscale puts ``ts-input`` first in ``INPUT`` and ``ts-forward`` first in ``FORWARD``, each time
that it starts, hence above ``DOCKER-USER``: what comes in by ``tailscale0`` is accepted there.
NetBird does the same with chains that begin with ``NETBIRD``.
"""

from __future__ import annotations

from pyinfra_swarm.firewall.iptables_rule import parse
from pyinfra_swarm.firewall.policy import Vpn

NAMES = {"tailscale": "Tailscale", "netbird": "NetBird"}
REACH = {"tailscale": "the whole tailnet", "netbird": "whoever NetBird's own policies let in"}
INTERFACES = {"tailscale": "tailscale0", "netbird": "wt0"}

_CHAINS = {"ts-": "tailscale", "NETBIRD": "netbird"}


def mesh_vpn(rule: str) -> str | None:
    """The VPN that a rule belongs to: it leads to one of its chains, or lets its interface in."""
    read = parse(rule)
    for beginning, name in _CHAINS.items():
        if read.target.startswith(beginning):
            return name
    for name, interface in INTERFACES.items():
        if interface in (read.condition("-i"), read.condition("-o")):
            return name
    return None


def trusted(mesh: str | None, vpn: Vpn | None) -> bool:
    """Whether it is declared that everybody who comes through this VPN may reach everything."""
    return mesh is not None and vpn is not None and vpn.reaches_all and vpn.kind == mesh


def advice(mesh: str) -> str:
    """What a person can do about its rules."""
    if mesh == "tailscale":
        return (
            "Tailscale puts its rules first again whenever it starts: `sudo tailscale set "
            "--netfilter-mode=nodivert` leaves the order alone"
        )
    return "NetBird puts its rules first again whenever it starts"
