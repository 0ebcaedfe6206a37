"""A network, as the engine's API describes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyinfra_swarm.run.onhost import program

IS_ATTACHED = program(__file__, "is_attached.sh")
"""Shell: ``is_attached``, of ``onhost/is_attached.sh``."""


def encrypted(network: Mapping[str, Any]) -> bool:
    """Whether it is encrypted: the engine looks at the option's key, and never at its value.

    (moby, ``drivers/overlay/ov_network.go``: ``encrypted: "false"`` is encrypted as well.)
    """
    return "encrypted" in (network.get("Options") or {})


def subnets(network: Mapping[str, Any]) -> list[str]:
    """Its subnets, in CIDR notation."""
    return [pool["Subnet"] for pool in (network.get("IPAM") or {}).get("Config") or []]


def attached(ingress: Mapping[str, Any]) -> bool:
    """Whether the engine that describes the ingress network so is attached to it.

    As ``onhost/is_attached.sh`` has it, which says why the peers count.
    """
    return "ingress-sbox" in (ingress.get("Containers") or {}) and bool(ingress.get("Peers"))
