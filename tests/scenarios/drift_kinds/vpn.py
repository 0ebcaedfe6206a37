"""Drift of the part `vpn` where none is declared; with one: test_wireguard_lockout.py."""

from __future__ import annotations

from pyinfra_swarm.vpn.wireguard import MARK
from tests.scenarios.drift_kinds.kind import Kind

_PROGRAM = "/usr/bin/tailscale"
_SOCKET = "/run/tailscale/tailscaled.sock"


def _tailscale(preferences: str) -> str:
    """Its daemon's socket, and a program that says what its own would of its preferences."""
    return (
        f"systemd-run --quiet --unit=tailscaled --socket-property=ListenStream={_SOCKET} "
        f"/bin/true; printf '#!/bin/sh\\necho '\\''{preferences}'\\''\\n' > {_PROGRAM}; "
        f"chmod 755 {_PROGRAM}"
    )


_NO_TAILSCALE = f"rm {_PROGRAM}; systemctl stop tailscaled.socket; rm -rf /run/tailscale"

KINDS = (
    Kind(
        "a VPN that is not declared any more",
        *("vpn", "wg0", "is not declared any more"),
        "mkdir -p -m 700 /etc/wireguard; umask 077; "
        f"printf '%s\\n[Interface]\\n' '{MARK}' > /etc/wireguard/wg0.conf",
    ),
    Kind(
        "a Tailscale that puts its rules first",
        *("vpn", "Tailscale netfilter mode", "above the managed ones whenever it starts"),
        _tailscale('{"NetfilterMode": 2, "RunSSH": false}'),
        kind="notice",
        undo=_NO_TAILSCALE,
        group="together",
    ),
    Kind(
        "a Tailscale that answers in place of sshd",
        *("vpn", "Tailscale SSH", "the tailnet's own policies decide"),
        _tailscale('{"NetfilterMode": 1, "RunSSH": true}'),
        kind="notice",
        undo=_NO_TAILSCALE,
        group="together",
    ),
)
