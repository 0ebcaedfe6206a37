"""Admin access by VPN: WireGuard, set up on the hosts; Tailscale and NetBird, recognised.

A host's private key is made on the host and never leaves it. Whether SSH is open to the VPN alone
is the firewall's to decide (``firewall.ssh_sources``).
"""
