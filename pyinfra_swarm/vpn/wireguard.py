"""WireGuard on a host: its files, and what is in them.

The configuration is brought up by ``wg-quick@.service``, which the distribution's wireguard-tools
bring. Its private key is not among the text here: the host puts it in by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings

FOLDER = "/etc/wireguard"
MARK = "# Written by pyinfra-swarm from cluster.toml; changes here are overwritten."
"""The first line of a configuration of ours."""

PLACES = "/run/pyinfra-swarm-vpn-"
"""With an interface's name behind it: where its connected peers were before it was changed."""

WANTS = "/etc/systemd/system/multi-user.target.wants"


def config_path(interface: str) -> str:
    """The configuration, with the private key in it."""
    return f"{FOLDER}/{interface}.conf"


def key_path(interface: str) -> str:
    """The private key alone, which outlives the configuration."""
    return f"{FOLDER}/{interface}.key"


def unit(interface: str) -> str:
    """The distribution's unit that brings it up."""
    return f"wg-quick@{interface}.service"


def link(interface: str) -> str:
    """The link by which systemd starts that at boot."""
    return f"{WANTS}/{unit(interface)}"


@dataclass(frozen=True)
class Peer:
    """A computer that may come in. address: its only one in the VPN."""

    name: str
    public_key: str
    address: str


@dataclass(frozen=True)
class Wanted:
    """WireGuard as one host is to have it.

    address: the host's own in the VPN, with the length of the network's prefix.
    """

    interface: str
    address: str
    port: int
    peers: tuple[Peer, ...]

    @property
    def head(self) -> str:
        """The configuration up to the private key."""
        return f"{MARK}\n[Interface]"

    @property
    def body(self) -> str:
        """The configuration behind it."""
        lines = [f"Address = {self.address}", f"ListenPort = {self.port}"]
        for peer in self.peers:
            lines += [
                "",
                f"# {peer.name}",
                "[Peer]",
                f"PublicKey = {peer.public_key}",
                f"AllowedIPs = {peer.address}/32",
            ]
        return "\n".join(lines)

    @property
    def sum(self) -> str:
        """The SHA-256 of the configuration without the line of the private key."""
        return sha256(f"{self.head}\n{self.body}\n".encode()).hexdigest()


def wanted(settings: Settings, name: str) -> Wanted | None:
    """WireGuard on the host of this name; ``None`` where it is not declared."""
    access = settings.access
    if access.vpn != "wireguard":
        return None
    declared = access.wireguard
    prefix = declared.network.partition("/")[2]
    return Wanted(
        interface=declared.interface,
        address=f"{settings.host(name).vpn_address}/{prefix}",
        port=declared.port,
        peers=tuple(
            Peer(peer.name, peer.public_key, peer.address)
            for peer in sorted(declared.peers, key=lambda peer: peer.name)
        ),
    )
