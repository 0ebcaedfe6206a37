"""Names and addresses: the hosts' network, the gateway, and the clients outside.

Outside addresses are from the ranges reserved for documentation (RFC 5737, RFC 3849).
"""

from dataclasses import dataclass

NAMESPACE = "swarmlab"
BRIDGE = "br0"
USER = "debian"

GATEWAY = "192.168.77.1"
GATEWAY6 = "fd00:77::1"

FIRST_SSH_PORT = 42201
"""Forwards of the hosts' SSH ports listen on 127.0.0.1 from here on, one port each."""

MOST_HOSTS = 32


@dataclass(frozen=True)
class Node:
    """One host of the lab.

    number: 1, 2, …
    role: what the lab's description suggests, `manager` or `worker`
    """

    number: int
    role: str

    @property
    def name(self) -> str:
        """Its hostname."""
        return f"node{self.number}"

    @property
    def address(self) -> str:
        """Its IPv4 address on the LAN."""
        return f"192.168.77.{10 + self.number}"

    @property
    def address6(self) -> str:
        """Its IPv6 address on the LAN."""
        return f"fd00:77::{10 + self.number}"

    @property
    def mac(self) -> str:
        """Its Ethernet address."""
        return f"02:00:77:00:00:{10 + self.number:02x}"

    @property
    def tap(self) -> str:
        """Its cable's end in the lab's namespace."""
        return f"tap{self.number}"


@dataclass(frozen=True)
class Client:
    """A machine somewhere in the internet, in a namespace of its own.

    name: what it stands for
    network: its IPv4 network, without the last number
    network6: its IPv6 network, without the last number
    """

    name: str
    network: str
    network6: str

    @property
    def namespace(self) -> str:
        """Its network namespace."""
        return f"{NAMESPACE}-{self.name}"

    @property
    def address(self) -> str:
        """Its IPv4 address."""
        return f"{self.network}.10"

    @property
    def address6(self) -> str:
        """Its IPv6 address."""
        return f"{self.network6}::10"

    @property
    def link(self) -> str:
        """The gateway's interface towards it."""
        return f"to-{self.name}"


CLIENTS = (
    Client("cloudflare", "192.0.2", "2001:db8:cf"),
    Client("stranger", "198.51.100", "2001:db8:bad"),
    Client("admin", "203.0.113", "2001:db8:ad"),
)

# Names the gateway answers for.
DISTRIBUTION_HOST = "deb.lab.example"
DOWNLOAD_HOST = "download.lab.example"
DOCKER_HOST = "download.docker.com"
CLOUDFLARE_HOST = "www.cloudflare.com"
CLOUDFLARE_API_HOST = "api.cloudflare.com"
REGISTRY_HOST = "registry.lab.example"
PRIVATE_REGISTRY_HOST = "private.lab.example"
TIME_HOSTS = (
    *(f"{number}.debian.pool.ntp.org" for number in range(4)),
    "ntp.ubuntu.com",
)
WEB_HOSTS = (
    DOCKER_HOST,
    CLOUDFLARE_HOST,
    CLOUDFLARE_API_HOST,
    DISTRIBUTION_HOST,
    DOWNLOAD_HOST,
    REGISTRY_HOST,
    PRIVATE_REGISTRY_HOST,
)


def nodes(managers: int, workers: int) -> tuple[Node, ...]:
    """The hosts of a lab, managers first."""
    return tuple(
        Node(number, "manager" if number <= managers else "worker")
        for number in range(1, managers + workers + 1)
    )
