"""A network, as the engine's API describes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def encrypted(network: Mapping[str, Any]) -> bool:
    """Whether it is encrypted."""
    options = network.get("Options") or {}
    return "encrypted" in options and options["encrypted"] != "false"


def subnets(network: Mapping[str, Any]) -> list[str]:
    """Its subnets, in CIDR notation."""
    return [pool["Subnet"] for pool in (network.get("IPAM") or {}).get("Config") or []]
