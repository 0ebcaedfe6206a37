"""Drift of the part `vpn` where none is declared; with one: test_wireguard_lockout.py."""

from __future__ import annotations

from pyinfra_swarm.vpn.wireguard import MARK
from tests.scenarios.drift_kinds.kind import Kind

KINDS = (
    Kind(
        "a VPN that is not declared any more",
        *("vpn", "wg0", "is not declared any more"),
        "mkdir -p -m 700 /etc/wireguard; umask 077; "
        f"printf '%s\\n[Interface]\\n' '{MARK}' > /etc/wireguard/wg0.conf",
    ),
)
