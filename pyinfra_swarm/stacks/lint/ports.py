"""S2: published ports, and whether anybody can reach them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from contextlib import suppress

from pyinfra_swarm.stacks.compose import Merged
from pyinfra_swarm.stacks.lint.context import Context, Firewall
from pyinfra_swarm.stacks.lint.issue import Issue, notice, refusal
from pyinfra_swarm.stacks.lint.rules import PORTS
from pyinfra_swarm.stacks.lint.services import Port, Service, services


def ports(stack: Merged, context: Context) -> Iterator[Issue]:
    """What is wrong with the ports that services publish."""
    seen: dict[tuple[int, str], tuple[Service, Port]] = {}
    for service in services(stack):
        told: set[int] = set()
        for port in service.ports:
            if port.address and port.place.line not in told:
                yield _address(port)
                told.add(port.place.line)
            if port.published == 0:
                yield _chosen(port)
                continue
            yield from _owned(port, context)
            yield from _twice(service, port, seen, context)
            if not port.address:  # who names one does not want what opening the port would do
                yield from _closed(port, context)
            yield from _mode(service, port)


def _address(port: Port) -> Issue:
    return refusal(
        PORTS,
        port.place,
        port.path,
        f"names the address {port.address}, which docker stack ignores: the port is published on "
        "every address of every node",
        "leave the address out; to reach a service from its own stack only, publish no port",
    )


def _chosen(port: Port) -> Issue:
    return notice(
        PORTS,
        port.place,
        port.path,
        f"publishes {port.target} at a port that Swarm chooses, from 30000 up, another one in "
        "each cluster, which no firewall can have open",
        f"name the port: {port.target}:{port.target}; or publish none, if only services of this "
        "stack need it",
    )


def _owned(port: Port, context: Context) -> Iterator[Issue]:
    owner = ""
    if port.protocol == "tcp" and port.published in context.ssh_ports:
        owner = "SSH's"
    elif (port.published, port.protocol) in (
        *((2377, "tcp"), (7946, "tcp"), (7946, "udp")),
        (context.data_path_port, "udp"),
    ):
        owner = "the swarm's own"
    if owner:
        yield refusal(
            PORTS,
            port.place,
            port.path,
            f"{port.published}/{port.protocol} is {owner} port on every node: the routing mesh "
            "would take its traffic away, and you would be locked out"
            if owner == "SSH's"
            else f"{port.published}/{port.protocol} is {owner} port on every node",
            "publish another port",
        )


def _twice(
    service: Service,
    port: Port,
    seen: dict[tuple[int, str], tuple[Service, Port]],
    context: Context,
) -> Iterator[Issue]:
    key = (port.published, port.protocol)
    before = seen.get(key)
    if before is None:
        seen[key] = (service, port)
    elif before[0] is service or "ingress" in (port.mode, before[1].mode):
        whose = "this service" if before[0] is service else f"the service {before[0].name}"
        yield refusal(
            PORTS,
            port.place,
            port.path,
            f"{port.published}/{port.protocol} is published by {whose} already, in line "
            f"{before[1].place.line}, and the engine refuses a second one",
            "publish another port",
        )
    other = context.taken.get(key)
    if other and port.mode == "ingress" and not other.startswith(f"{context.stack}_"):
        yield refusal(
            PORTS,
            port.place,
            port.path,
            f"{port.published}/{port.protocol} is published by the service {other} already, and "
            "the engine refuses a second one",
            f"publish another port, or remove {other} first",
        )


def _closed_web(firewall: Firewall) -> tuple[str, str]:
    """What closes the web ports, and what to do instead."""
    if not firewall.mode:
        return (
            'firewall.web = "closed"',
            'set firewall.web = "cloudflare" in cluster.toml; or publish no port, and let a '
            "tunnel connect outward",
        )
    instead = 'set exposure.mode = "ports" in cluster.toml; or publish no port'
    if firewall.mode == "tunnel":
        instead += ", and have the tunnel reach the service in its network"
    return f'exposure.mode = "{firewall.mode}" closes it', instead


def _closed(port: Port, context: Context) -> Iterator[Issue]:
    firewall = context.firewall
    if firewall is None or firewall.opens(port.published, port.protocol):
        return
    number = f"{port.published}/{port.protocol}"
    if port.protocol == "tcp" and port.published in firewall.web_ports:
        closes, instead = _closed_web(firewall)
        reason = f"{number} is a web port, and {closes}: nobody reaches it"
        yield refusal(PORTS, port.place, port.path, reason, instead)
        return
    protocol = "" if port.protocol == "tcp" else f', protocol = "{port.protocol}"'
    yield refusal(
        PORTS,
        port.place,
        port.path,
        f"{number} is not open in the hosts' firewall: nobody reaches it",
        f'add {{ port = {port.published}{protocol}, sources = ["{_home(context)}"] }} to '
        'firewall.open in cluster.toml, with the networks that are to reach it ("cluster": the '
        "hosts alone; without sources: everybody); or publish no port",
    )


def _home(context: Context) -> str:
    """The network that the hosts are most probably in, or the one that is everybody's example."""
    for node in context.nodes or ():
        with suppress(ValueError):
            address = ipaddress.IPv4Address(node.address or "")
            if address.is_private:
                return str(ipaddress.ip_network(f"{address}/24", strict=False))
    return "192.168.1.0/24"


def _mode(service: Service, port: Port) -> Iterator[Issue]:
    if port.mode == "ingress" and service.text("deploy", "endpoint_mode") == "dnsrr":
        yield refusal(
            PORTS,
            port.place,
            port.path,
            "is published in the routing mesh, which endpoint_mode: dnsrr switches off: the "
            "engine refuses that",
            "write the port with mode: host, or leave endpoint_mode out",
        )
    if port.mode == "host" and not service.is_global and not service.constraints:
        yield notice(
            PORTS,
            port.place,
            port.path,
            "is published in host mode, so it answers only on the node where a task happens to "
            "run, and that may be another one after each update",
            "add a placement constraint; or mode: global; or leave mode: host out",
        )
