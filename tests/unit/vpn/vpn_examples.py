"""A cluster with WireGuard, and a host of it as it should be."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from typing import Any

from pyinfra_swarm.settings import Settings
from pyinfra_swarm.vpn import wireguard
from pyinfra_swarm.vpn.state import PRIVATE, Config, Key, Running, Vpns
from tests.builders import declared


def key(number: int) -> str:
    """A public key, of the right shape."""
    return b64encode(bytes([number]) * 32).decode()


LAPTOP = {"name": "laptop", "public_key": key(1), "address": "10.202.0.100"}
PHONE = {"name": "phone", "public_key": key(2), "address": "10.202.0.101"}
OWN = key(77)


def settings(**differing: Any) -> Settings:
    """Four hosts with WireGuard and two peers; differing: of `[access.wireguard]`."""
    hosts: dict[str, Any] = {f"rk{n}": {"vpn_address": f"10.202.0.{n}"} for n in (1, 2, 3, 4)}
    access = {"vpn": "wireguard", "wireguard": {"peers": [LAPTOP, PHONE], **differing}}
    return declared(access=access, **hosts)


SETTINGS = settings()
WANTED = wireguard.wanted(SETTINGS, "rk1")
assert WANTED is not None
CONVERGED = Vpns(
    tools=True,
    kernel=True,
    configs={"wg0": Config(WANTED.sum, PRIVATE, own_key=True)},
    keys={"wg0": Key(PRIVATE, OWN)},
    starts=("wg0",),
    running={"wg0": Running(OWN, 51820, {key(1): "10.202.0.100/32", key(2): "10.202.0.101/32"})},
    addresses={"lo": ("127.0.0.1/8",), "eth0": ("192.168.1.11/24",), "wg0": ("10.202.0.1/24",)},
    login_from="192.168.1.50",
    login_by="eth0",
)


def running(**differing: Any) -> Vpns:
    """The host with another state of its interface."""
    return replace(CONVERGED, running={"wg0": replace(CONVERGED.running["wg0"], **differing)})


def config(**differing: Any) -> Vpns:
    """The host with another configuration."""
    return replace(CONVERGED, configs={"wg0": replace(CONVERGED.configs["wg0"], **differing)})
