"""Cloudflare's published ranges: those shipped here, and the list each host keeps for itself.

A host starts from the shipped ranges. A timer then has it refresh its own list:
``onhost/refresh_web_ranges.sh``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_network

from pyinfra_swarm.firewall.policy import Family
from pyinfra_swarm.run.observation import Observation

URLS: dict[Family, str] = {
    "ipv4": "https://www.cloudflare.com/ips-v4",
    "ipv6": "https://www.cloudflare.com/ips-v6",
}

SHIPPED: dict[Family, tuple[str, ...]] = {
    "ipv4": (
        "173.245.48.0/20",
        "103.21.244.0/22",
        "103.22.200.0/22",
        "103.31.4.0/22",
        "141.101.64.0/18",
        "108.162.192.0/18",
        "190.93.240.0/20",
        "188.114.96.0/20",
        "197.234.240.0/22",
        "198.41.128.0/17",
        "162.158.0.0/15",
        "104.16.0.0/13",
        "104.24.0.0/14",
        "172.64.0.0/13",
        "131.0.72.0/22",
    ),
    "ipv6": (
        "2400:cb00::/32",
        "2606:4700::/32",
        "2803:f800::/32",
        "2405:b500::/32",
        "2405:8100::/32",
        "2a06:98c0::/29",
        "2c0f:f248::/32",
    ),
}
"""What https://www.cloudflare.com/ips published when this version was made."""


def covered(networks: Iterable[str]) -> int:
    """How many addresses these networks hold; one that is named twice counts twice."""
    return sum(ip_network(text).num_addresses for text in networks)


@dataclass(frozen=True)
class WebRanges(Observation):
    """The ranges that may reach the web ports, as a host has them.

    ranges: family to networks; empty where the host has no list, or a damaged one.
    age: seconds since the older of the two lists was last confirmed by Cloudflare; ``None`` where
        that never happened.
    last_result: what the last refresh said: ``ok``, or why not, by family.
    refused: the last refresh got a list that it did not use, since it cannot be right.
    last_try: seconds since the last refresh, whatever its result; ``None`` where there was none.
    """

    ranges: dict[Family, tuple[str, ...]]
    age: int | None = None
    last_result: str = ""
    last_try: int | None = None
    refused: bool = False

    @property
    def known(self) -> bool:
        """The host has a list, for any family."""
        return any(self.ranges.values())
