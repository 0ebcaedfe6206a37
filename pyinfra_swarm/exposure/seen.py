"""What is seen of how the world reaches the services, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pyinfra_swarm.run.observation import Observation


@dataclass(frozen=True)
class Published(Observation):
    """A port that a service publishes. mode: ``ingress`` or ``host``."""

    service: str
    port: int
    protocol: str
    mode: str


@dataclass(frozen=True)
class NodeKind(Observation):
    """A node, and what its programs are made for. architecture: as ``amd64`` or ``arm64``."""

    hostname: str
    architecture: str


@dataclass(frozen=True)
class Doors(Observation):
    """Where services can be reached, as a manager tells it.

    published: all ports that services publish. connectors: the names of the nodes on which a
    connector of the tunnel is up; ``None`` where the tunnel is not deployed. platforms: the
    architectures that its image is made for; empty where the engine does not know. nodes: those
    that take tasks. problem: why this host cannot say, in words.
    """

    published: tuple[Published, ...] = ()
    connectors: tuple[str, ...] | None = None
    platforms: tuple[str, ...] = ()
    nodes: tuple[NodeKind, ...] = ()
    problem: str = ""

    def to_json(self) -> dict[str, Any]:
        """As it is: nothing in it is secret."""
        return {
            "problem": self.problem,
            "published": [vars(one) for one in self.published],
            "connectors": None if self.connectors is None else list(self.connectors),
            "platforms": list(self.platforms),
            "nodes": [vars(one) for one in self.nodes],
        }


@dataclass(frozen=True)
class Uplink(Observation):
    """How a host reaches the internet.

    address: the IPv4 address that Cloudflare sees, "" where it gave no answer. next_hop: who
    answers behind the router, the second on the way out; "" where nobody does.
    """

    address: str = ""
    next_hop: str = ""


Uplinks = Mapping[str, Uplink | None]
"""By host; ``None`` for one that gave no answer."""


@dataclass(frozen=True)
class Handshake:
    """How a proxy has answered one request.

    certificate: a client certificate was shown. outcome: ``served``, ``refused`` for want of a
    good client certificate, or ``unclear``. words: of the program that asked, where it is unclear.
    """

    host: str
    certificate: bool
    outcome: Literal["served", "refused", "unclear"]
    words: str = ""


@dataclass(frozen=True)
class PullCertificate:
    """The client certificate of origin pulls, and the one that has signed it.

    ends, ca_ends: in seconds since 1970, ``None`` where there is no such file. signed: by that CA;
    ``None`` where one of the two is not declared. problem: why a file cannot be read.
    """

    ends: float | None = None
    ca_ends: float | None = None
    signed: bool | None = None
    problem: str = ""


Handshakes = Sequence[Handshake]
