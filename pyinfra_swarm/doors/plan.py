"""Ways to root, and in, that nobody has declared; and jobs that could undo what is declared."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from pyinfra_swarm.access.plan import Account
from pyinfra_swarm.doors import accounts, engine_doors, jobs, listening
from pyinfra_swarm.doors.seen import Doors
from pyinfra_swarm.run.findings import Finding

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Host, Settings


def plan(
    settings: Settings,
    host: Host,
    seen: Doors,
    *,
    effective: Mapping[str, Mapping[str, str]],
    root: Account | None,
    ssh_ports: Collection[int],
) -> list[Finding]:
    """What is neither declared nor named in the settings as meant.

    effective: user to keyword to value, as sshd has them; root: its account, with its keys;
    ssh_ports: where sshd listens.
    """
    people = _people(settings, host)
    return [
        *accounts.plan(people, seen),
        *accounts.plan_logins(people, seen, effective, root),
        *listening.plan(_ports(settings, ssh_ports), seen),
        *engine_doors.plan(_engine(settings), seen),
        *jobs.plan(jobs.Wanted(settings.access.jobs, settings.firewall.enabled), seen),
    ]


def _people(settings: Settings, host: Host) -> accounts.Wanted:
    access = settings.access
    return accounts.Wanted(
        admins=[admin.name for admin in settings.admins(host)],
        root_equals=access.root_equals,
        passwords=access.passwords,
        root_keys=access.root_keys,
        sshd=access.sshd,
        login_files=access.login_files,
    )


def _ports(settings: Settings, ssh_ports: Collection[int]) -> listening.Wanted:
    firewall = settings.firewall
    openings = [("tcp", port, port) for port in firewall.web_ports]
    for opening in firewall.open:
        first, _, last = opening.port.partition("-")
        openings.append((opening.protocol, int(first), int(last or first)))
    access = settings.access
    accepted = list(access.listening)
    if access.vpn:  # opened by the firewall, and the kernel's own with WireGuard
        openings.append(("udp", access.vpn_port, access.vpn_port))
        accepted += {"tailscale": ["tailscaled"], "netbird": ["netbird"]}.get(access.vpn, [])
    reach: listening.Reach = "closed"
    if not firewall.enabled:
        reach = "unmanaged"
    elif firewall.inbound == "accept":
        reach = "open"
    return listening.Wanted(
        openings=openings,
        data_path=settings.swarm.data_path_port,
        ssh_ports=ssh_ports,
        accepted=accepted,
        reach=reach,
    )


def _engine(settings: Settings) -> engine_doors.Wanted:
    return engine_doors.Wanted(api=settings.docker.api, trusted=settings.docker.trusted)
