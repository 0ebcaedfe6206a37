"""What listens on a host beyond its own loopback, and was declared by nobody."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

from pyinfra_swarm.doors.seen import Doors, Listener
from pyinfra_swarm.run.findings import Finding, Notice
from pyinfra_swarm.run.printable import setting
from pyinfra_swarm.run.wording import listed, verb

Reach = Literal["closed", "open", "unmanaged"]
"""What the declared firewall does with a port that is not declared: shut it, let it through, or it
is not the project's."""

_ENGINE = {"dockerd", "docker-proxy", "rootlesskit"}
_SSH = {"sshd", "systemd", "sshd-session", "sshd-auth"}

ORDINARY = {
    ("udp", 68): {"dhclient", "dhcpcd", "systemd-network", "NetworkManager", "udhcpc", "connmand"},
    ("udp", 546): {"dhclient", "dhcpcd", "systemd-network", "NetworkManager", "udhcpc", "connmand"},
    ("udp", 123): {"ntpd", "chronyd", "openntpd", "ntpsec"},
}
"""What every host has: DHCP's clients, and time services (updates.time_sync takes any of them)."""


@dataclass(frozen=True)
class Wanted:
    """What is declared of ports.

    openings: protocol, first and last port; data_path: the swarm's port for VXLAN, which is the
        kernel's own; where its engine listens, no port has to be declared.
    ssh_ports: where sshd listens by its configuration.
    accepted: ``PORT/tcp``, ``PORT/udp``, or names of processes.
    reach: what becomes of all others.
    """

    openings: Collection[tuple[str, int, int]] = ()
    data_path: int = 4789
    ssh_ports: Collection[int] = (22,)
    accepted: Collection[str] = ()
    reach: Reach = "closed"


def plan(wanted: Wanted, seen: Doors) -> list[Finding]:
    """Other SSH servers, and listeners that nobody has declared: each port once."""
    servers = dict(_other_ssh_servers(wanted, seen))
    ports: dict[tuple[str, int], list[Listener]] = {}
    for listener in seen.listeners:
        key = (listener.protocol, listener.port)
        if key not in servers and not _known(wanted, seen, listener):
            ports.setdefault(key, []).append(listener)
    return [*servers.values(), *(_undeclared(wanted, listeners) for listeners in ports.values())]


def _known(wanted: Wanted, seen: Doors, listener: Listener) -> bool:
    port, protocol = listener.port, listener.protocol
    names = {*listener.processes}
    first, last = seen.ephemeral
    return (
        listener.loopback
        # A program that asks something over UDP waits for the answer at such a port, at another one
        # each time; the firewall lets in answers only.
        or (protocol == "udp" and first <= port <= last and bool(names))
        or f"{port}/{protocol}" in wanted.accepted
        or (bool(names) and names <= {*wanted.accepted})
        or any(protocol == one and low <= port <= high for one, low, high in wanted.openings)
        or (port in wanted.ssh_ports and protocol == "tcp" and bool(names) and names <= _SSH)
        or (port == wanted.data_path and protocol == "udp" and not names)
        or (bool(names) and names <= _ENGINE)  # published ports are the firewall's and the lint's
        or (bool(names) and names <= ORDINARY.get((protocol, port), set()))
    )


def _undeclared(wanted: Wanted, listeners: list[Listener]) -> Finding:
    one = listeners[0]
    name = f"{one.port}/{one.protocol}"
    at = listed(list(dict.fromkeys(f"{_shown(other.address)}" for other in listeners)))
    reached = {
        "closed": "the firewall shuts it to the outside; containers on this host reach it",
        "open": "the firewall lets it through (firewall.inbound), so everybody reaches it",
        "unmanaged": "no firewall of this project is there (firewall.enabled), so others decide "
        "who reaches it",
    }[wanted.reach]
    return Notice(
        f"listening {name}",
        f"{_who(listeners)} there, which is not declared; {reached}",
        found=at,
        remedy="Stop it, have it listen at 127.0.0.1 only, or name it in access.listening: "
        f"{setting(name)}" + ("" if wanted.reach != "closed" else "; firewall.open opens it"),
    )


def _who(listeners: list[Listener]) -> str:
    names = list(dict.fromkeys(name for one in listeners for name in one.processes))
    if not names:
        return "the kernel, or a process that is not seen, listens"
    return f"{listed(names)} {verb(names, 'listens', 'listen')}"


def _shown(address: str) -> str:
    return {"0.0.0.0": "all IPv4 addresses", "*": "all addresses", "::": "all IPv6 addresses"}.get(
        address, address
    )


def _other_ssh_servers(wanted: Wanted, seen: Doors) -> Iterator[tuple[tuple[str, int], Finding]]:
    """Servers beside the one that is managed, on loopback as well: a tunnel leads there."""
    commands = dict(seen.ssh_servers)
    for listener in seen.listeners:
        serving = [commands[pid] for pid in listener.pids if pid in commands]
        serving = [command for command in serving if not _is_session(command)]
        name = f"{listener.port}/{listener.protocol}"
        if (
            not serving
            or (listener.port in wanted.ssh_ports and not serving[0].startswith("dropbear"))
            or name in wanted.accepted
        ):
            continue
        yield (
            (listener.protocol, listener.port),
            Notice(
                f"SSH server at {name}",
                "another SSH server listens, with settings and keys that nobody looks at here",
                found=f"{serving[0]} at {_shown(listener.address)}",
                remedy="Stop it, and what starts it, or name it in access.listening: "
                f"{setting(name)}",
            ),
        )


def _is_session(command: str) -> bool:
    """A login that forwards a port: it is called by its user's name."""
    return command.startswith("sshd") and "listener" not in command and ": " in command
