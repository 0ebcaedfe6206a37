"""Hosts on which sudo wants a password: a run asks for none, and says what to do instead."""

from __future__ import annotations

from dataclasses import dataclass, field

from pyinfra.api import Host

from pyinfra_swarm.run import pyinfra_commands
from pyinfra_swarm.run.context import state, this_run


@dataclass
class _WithoutSudo:
    """hosts: what to do, by the host's name."""

    hosts: dict[str, str] = field(default_factory=dict)


def ask_for_no_passwords() -> None:
    """From now on, a command fails where sudo wants a password, and says what to do about it."""
    pyinfra_commands.never_ask_for_sudo_passwords(_wants_a_password)


def without_a_password(name: str) -> str:
    """What to do about a host on which sudo wants a password; "" for any other."""
    return this_run(_WithoutSudo).hosts.get(name, "")


def _wants_a_password(host: Host) -> str:
    login = state().inventory.get_host(host.name).data
    user = login.get("ssh_user") or "USER"
    said = (
        f"sudo on {host.name} wants a password, and a run never asks for one. Let {user} use sudo "
        f"without a password. Type there: echo '{user} ALL=(ALL:ALL) NOPASSWD: ALL' | "
        f"sudo tee /etc/sudoers.d/{user}"
    )
    this_run(_WithoutSudo).hosts[host.name] = said
    return said
