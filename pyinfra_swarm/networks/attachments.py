"""A node's attachment to an overlay network, as its engine keeps it.

The engine attaches each node to each overlay network that reaches it: every node to the ingress
network, drained ones included, and to any other where a task or a container is on the node. An
attachment is a network namespace with an address, and a host's own tools can be run in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyinfra_swarm.engine.network import IS_ATTACHED
from pyinfra_swarm.run.observation import Observation
from pyinfra_swarm.run.onhost import program

INGRESS = "ingress_sbox"
"""The namespace of the ingress network's attachment, in ``/run/docker/netns``."""

ATTACHED_TO_INGRESS = program(__file__, "attached.sh", using=[IS_ATTACHED])
"""Shell: ``attached_to_ingress``, of ``onhost/attached.sh``."""


@dataclass(frozen=True)
class Attachment(Observation):
    """A node's attachment to an overlay network.

    network: its name; vni: its number in VXLAN frames.
    sandbox: name of the network namespace, in ``/run/docker/netns``.
    address, mac, mtu: of its interface in the network; mtu in bytes.
    """

    network: str
    ingress: bool
    encrypted: bool
    vni: int
    sandbox: str
    address: str
    mac: str
    mtu: int


Attachments = Mapping[str, tuple[Attachment, ...] | None]
"""Each declared host's attachments by its name; ``None`` for a host that gave no answer."""
