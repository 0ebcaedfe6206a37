"""What a host says of VPNs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pyinfra_swarm.run.observation import Observation

PRIVATE = "600 root"
"""The mode and the owner of a file that only root reads."""


@dataclass(frozen=True)
class Config(Observation):
    """A configuration of ours.

    sum: the SHA-256 of all but the line of the private key. access: its mode and its owner.
    own_key: the private key in it is the host's own.
    """

    sum: str
    access: str
    own_key: bool


@dataclass(frozen=True)
class Key(Observation):
    """A private key, which itself stays on the host.

    access: its mode and its owner, empty where it is a link that leads nowhere. public: empty where
    it is no key.
    """

    access: str
    public: str


@dataclass(frozen=True)
class Running(Observation):
    """A WireGuard interface that is up.

    port: where it listens; peers: public key to the networks that it may send from.
    """

    public_key: str
    port: int
    peers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Tailscale(Observation):
    """What Tailscale's daemon says of itself; ``None`` where it does not say.

    netfilter: ``off``, ``nodivert`` or ``on``; ssh: it answers SSH itself, in place of sshd.
    """

    netfilter: str | None
    ssh: bool | None


@dataclass(frozen=True)
class Vpns(Observation):
    """What a host says of VPNs.

    tools: wireguard-tools are installed; kernel: it has WireGuard; userspace: the program
    wireguard-go is there in place of it.
    configs: ours, by interface: they bear our mark. Nothing else says that an interface and its key
    are ours: people keep keys of their own in that folder, and move a configuration away for a
    while. foreign: interfaces with a configuration that is not ours.
    keys: by interface; starts: the interfaces that wg-quick brings up at boot; running: by
    interface, as WireGuard itself says.
    addresses: interface to its addresses, with the length of the prefix.
    login_from, login_by: where this login comes from, and the interface by which it is answered.
    tailscale: ``None`` where it does not run.
    unconfirmed: a change waits for its confirmation or its rollback.
    """

    tools: bool = False
    kernel: bool = False
    userspace: bool = False
    configs: Mapping[str, Config] = field(default_factory=dict)
    foreign: tuple[str, ...] = ()
    keys: Mapping[str, Key] = field(default_factory=dict)
    starts: tuple[str, ...] = ()
    running: Mapping[str, Running] = field(default_factory=dict)
    addresses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    login_from: str = ""
    login_by: str = ""
    tailscale: Tailscale | None = None
    unconfirmed: bool = False
