"""What a host says of its ways to root, and in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pyinfra_swarm.run.observation import Observation

Password = Literal["none", "set", "empty"]
"""``none``: none that lets anybody in (no hash, or locked); ``empty``: no word is asked for."""


@dataclass(frozen=True)
class Account(Observation):
    """A local account. gid: its primary group's number."""

    name: str
    uid: int
    gid: int
    home: str
    shell: str
    password: Password

    @property
    def logs_in(self) -> bool:
        """Its shell lets somebody work."""
        return not self.shell.endswith(("/nologin", "/false", "/sync"))


@dataclass(frozen=True)
class Group(Observation):
    """A group whose members are as good as root. members: also those whose primary group it is."""

    name: str
    members: tuple[str, ...]


@dataclass(frozen=True)
class Listener(Observation):
    """A socket that waits for packets.

    address: ``*`` for all of both families; processes: their names, none for the kernel's own.
    """

    protocol: Literal["tcp", "udp"]
    address: str
    port: int
    processes: tuple[str, ...] = ()
    pids: tuple[int, ...] = ()

    @property
    def loopback(self) -> bool:
        return self.address.startswith("127.") or self.address in ("::1", "::ffff:127.0.0.1")


@dataclass(frozen=True)
class Socket(Observation):
    """A Unix socket of the engine's. mode: as ``stat`` prints it, in octal digits."""

    path: str
    mode: int
    owner: str
    group: str


@dataclass(frozen=True)
class Container(Observation):
    """A running container that is as good as root on its host.

    name: its service's, else its own; held: the path of the host through which it has the engine's
    socket, "" where it has not.
    """

    name: str
    privileged: bool
    held: str


@dataclass(frozen=True)
class Job(Observation):
    """A line of a job, or of a script that a job names."""

    path: str
    line: str
    script: bool = False


@dataclass(frozen=True)
class Agent(Observation):
    """Another configuration tool's service. state: ``running``, or ``enabled`` (at boot)."""

    unit: str
    state: str


@dataclass(frozen=True)
class Doors(Observation):
    """What a host says of its ways to root, and in.

    sudoers: account to what sudo lets it run, for accounts that are not declared.
    login_files: files that sshd runs, or takes variables from, at a login.
    ephemeral: the first and the last of the ports that programs get without asking for one.
    ssh_servers: process number to the words that started it, of SSH servers that listen.
    running_hosts, next_hosts: where the engine listens beside its own sockets, as ``dockerd``
        names it: now, and when it is started the next time.
    """

    accounts: tuple[Account, ...] = ()
    groups: tuple[Group, ...] = ()
    sudoers: tuple[tuple[str, tuple[str, ...]], ...] = ()
    login_files: tuple[str, ...] = ()
    ephemeral: tuple[int, int] = (32768, 60999)
    listeners: tuple[Listener, ...] = ()
    ssh_servers: tuple[tuple[int, str], ...] = ()
    running_hosts: tuple[str, ...] = ()
    next_hosts: tuple[str, ...] = ()
    sockets: tuple[Socket, ...] = ()
    containers: tuple[Container, ...] = ()
    jobs: tuple[Job, ...] = ()
    agents: tuple[Agent, ...] = ()
