"""The lab's network: a bridge with one cable per host, a gateway, and clients outside.

Everything lives in network namespaces of its own; nothing leads out of them.
"""

import contextlib
from collections.abc import Iterable
from pathlib import Path

from lab import addresses
from lab.addresses import BRIDGE, CLIENTS, NAMESPACE, Client, Node
from lab.commands import run
from lab.errors import LabError


def create(nodes: Iterable[Node]) -> None:
    """Set up namespaces, bridge, cables, addresses and routes. None of them may exist."""
    for namespace in _namespaces():
        run(["ip", "netns", "add", namespace])
    _batch(
        NAMESPACE,
        "link set lo up",
        f"link add {BRIDGE} type bridge forward_delay 0 stp_state 0 mcast_snooping 0",
        f"addr add {addresses.GATEWAY}/24 dev {BRIDGE}",
        f"addr add {addresses.GATEWAY6}/64 dev {BRIDGE} nodad",
        f"link set {BRIDGE} up",
    )
    for node in nodes:
        _batch(
            NAMESPACE,
            f"tuntap add {node.tap} mode tap",
            f"link set {node.tap} master {BRIDGE} up",
        )
    _set_in_namespace(
        NAMESPACE,
        {"net/ipv4/ip_forward": "1", "net/ipv6/conf/all/forwarding": "1"},
    )
    for client in CLIENTS:
        _connect(client)


def destroy() -> None:
    """Remove all of it; nothing need exist."""
    present = run(["ip", "netns", "list"])
    names = {line.split()[0] for line in present.splitlines() if line.strip()}
    for namespace in _namespaces():
        if namespace in names:
            with contextlib.suppress(LabError):
                run(["ip", "netns", "delete", namespace])


def inside(namespace: str, argv: Iterable[str | Path]) -> list[str]:
    """The command line that runs `argv` in a namespace, as the very same process."""
    return ["ip", "netns", "exec", namespace, *(str(word) for word in argv)]


def _namespaces() -> list[str]:
    return [client.namespace for client in CLIENTS] + [NAMESPACE]


def _connect(client: Client) -> None:
    """A cable from the gateway to a client, whose default route it is."""
    near, near6 = f"{client.network}.1", f"{client.network6}::1"
    _batch(
        NAMESPACE,
        f"link add {client.link} type veth peer name uplink netns {client.namespace}",
        f"addr add {near}/24 dev {client.link}",
        f"addr add {near6}/64 dev {client.link} nodad",
        f"link set {client.link} up",
    )
    _batch(
        client.namespace,
        "link set lo up",
        f"addr add {client.address}/24 dev uplink",
        f"addr add {client.address6}/64 dev uplink nodad",
        "link set uplink up",
        f"route add default via {near}",
        f"-6 route add default via {near6}",
    )


def _batch(namespace: str, *commands: str) -> None:
    for command in commands:
        words = command.split()
        if words[0] == "-6":
            run(["ip", "-6", "-n", namespace, *words[1:]])
        else:
            run(["ip", "-n", namespace, *words])


def _set_in_namespace(namespace: str, settings: dict[str, str]) -> None:
    for path, value in settings.items():
        run(inside(namespace, ["sh", "-c", f"echo {value} > /proc/sys/{path}"]))
