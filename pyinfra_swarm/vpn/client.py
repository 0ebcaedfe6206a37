"""What a computer needs to come in through WireGuard, and what to declare of it."""

from __future__ import annotations

import ipaddress
import json
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings

_CLIENTS = 100
"""Where the addresses of clients begin, in a network with room: hosts have those before."""


@dataclass(frozen=True)
class KeyPair:
    """A private key, which is shown in no representation, and its public half."""

    private: str
    public: str

    def __repr__(self) -> str:
        return f"KeyPair(public={self.public!r})"


def key_pair() -> KeyPair:
    """A new one, as `wg genkey` makes it."""
    private = X25519PrivateKey.generate()
    return KeyPair(
        b64encode(private.private_bytes_raw()).decode(),
        b64encode(private.public_key().public_bytes_raw()).decode(),
    )


def free_address(settings: Settings) -> str:
    """The next address in the VPN that nobody has; "" where all are taken."""
    wireguard = settings.access.wireguard
    taken = {host.vpn_address for host in settings.hosts}
    taken |= {peer.address for peer in wireguard.peers}
    network = ipaddress.IPv4Network(wireguard.network)
    first = int(network.network_address)
    numbers = range(first + 1, int(network.broadcast_address))
    for number in [*numbers[_CLIENTS - 1 :], *numbers[: _CLIENTS - 1]]:
        address = str(ipaddress.IPv4Address(number))
        if address not in taken:
            return address
    return ""


def public_keys(output: str, interface: str) -> dict[str, str]:
    """The hosts' public keys by name, out of what ``pyinfra --json … fact facts.vpn.State`` prints.

    A host that did not answer, or has no key yet, is left out. So is what is no key: a host may say
    anything, and what it says is printed.
    """
    try:
        [by_host] = json.loads(output).values()
        said = {
            host: ((value or {}).get("keys", {}).get(interface) or {}).get("public", "")
            for host, value in by_host.items()
        }
    except (ValueError, AttributeError, TypeError):
        return {}
    return {
        host: key
        for host, key in said.items()
        if isinstance(key, str) and re.fullmatch(r"[A-Za-z0-9+/]{43}=", key)
    }


def configuration(
    settings: Settings, name: str, address: str, private_key: str, public_keys: Mapping[str, str]
) -> str:
    """The client's configuration: each host of which the public key is known is a peer.

    private_key: "" for a client that has it already; public_keys: of the hosts, by name.
    """
    wireguard = settings.access.wireguard
    lines = ["[Interface]", f"# {name}"]
    lines.append(f"PrivateKey = {private_key}" if private_key else "# PrivateKey = (yours)")
    lines.append(f"Address = {address}/32")
    for host in settings.hosts:
        if host.name not in public_keys:
            continue
        endpoint = host.vpn_endpoint or f"{host.address}:{wireguard.port}"
        lines += [
            "",
            "[Peer]",
            f"# {host.name}",
            f"PublicKey = {public_keys[host.name]}",
            f"Endpoint = {endpoint}",
            f"AllowedIPs = {host.vpn_address}/32",
        ]
    return "\n".join(lines) + "\n"


def declaration(name: str, address: str, public_key: str) -> str:
    """The lines of cluster.toml that let the client in."""
    return (
        "[[access.wireguard.peers]]\n"
        f'name = "{name}"\n'
        f'public_key = "{public_key}"\n'
        f'address = "{address}"\n'
    )
