"""Units of this project that the units of other rooms wait for."""

from __future__ import annotations

FIREWALL = "pyinfra-swarm-firewall.service"
"""Loads the firewall's rules at boot, before Docker starts."""
