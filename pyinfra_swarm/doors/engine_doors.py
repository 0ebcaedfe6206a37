"""Ways to the engine, which is as good as root: its API, its socket, containers that hold it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from pyinfra_swarm.doors.seen import Container, Doors
from pyinfra_swarm.run.findings import Finding, Notice
from pyinfra_swarm.run.printable import quoted, setting


@dataclass(frozen=True)
class Wanted:
    """What is declared: hosts at which the API may listen, and names of services and containers
    that are as good as root on purpose."""

    api: Collection[str] = ()
    trusted: Collection[str] = ()


def plan(wanted: Wanted, seen: Doors) -> list[Finding]:
    """The API over the network, loose sockets, and containers that are as good as root."""
    return [*_api(wanted, seen), *_sockets(seen), *_containers(wanted, seen)]


def _api(wanted: Wanted, seen: Doors) -> list[Finding]:
    found: list[Finding] = []
    for host in dict.fromkeys((*seen.running_hosts, *seen.next_hosts)):
        if host in wanted.api:
            continue
        running, to_come = host in seen.running_hosts, host in seen.next_hosts
        reason = "the engine answers there: whoever reaches it is root on this host"
        if not running:
            reason = "the engine will answer there when it is started the next time: whoever "
            reason += "reaches it will be root on this host"
        elif not to_come:
            reason += " (until it is restarted: its files do not say so any more)"
        found.append(
            Notice(
                "the engine's API over TCP",
                reason,
                found=host,
                expected="its socket only",
                remedy="Take it out of /etc/docker/daemon.json, and out of the files that "
                "`systemctl cat docker.service docker.socket` names (a docker context with ssh:// "
                f"does the same). If it is meant, name it in docker.api: {setting(host)}",
            )
        )
    return found


def _sockets(seen: Doors) -> list[Finding]:
    found: list[Finding] = []
    for socket in seen.sockets:
        group = "docker" if socket.path == "/run/docker.sock" else "root"
        everybody = socket.mode & 0o002
        by_group = socket.mode & 0o020 and socket.group not in ("root", group)
        if not (everybody or by_group or socket.owner != "root"):
            continue
        found.append(
            Notice(
                socket.path,
                "more than root and the group docker can write to the engine's socket, and whoever "
                "can is as good as root"
                if group == "docker"
                else "more than root can write to this socket, and whoever can is as good as root",
                expected=f"root:{group} 660",
                found=f"{socket.owner}:{socket.group} {socket.mode:o}",
                remedy=f"`sudo chown root:{quoted(group)} {quoted(socket.path)}`, "
                f"`sudo chmod 660 {quoted(socket.path)}`, and look who has changed it: a unit, or "
                "a job",
            )
        )
    return found


def _containers(wanted: Wanted, seen: Doors) -> list[Finding]:
    return [
        Notice(
            f"container {container.name}",
            _why(container),
            remedy="Let it do without (a proxy that lets through what it needs, single "
            "capabilities), or name it in docker.trusted: "
            f"{setting(container.name)}. To look at it: `docker ps --filter "
            f"name={quoted(container.name)}`",
        )
        for container in seen.containers
        if container.name not in wanted.trusted
    ]


def _why(container: Container) -> str:
    said = []
    if container.privileged:
        said.append("is privileged")
    if container.held:
        said.append(f"holds the engine's socket (by {container.held})")
    return f"{' and '.join(said)}, so that it is as good as root on this host"
