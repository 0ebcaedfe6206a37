"""What is up: the running lab as other programs see it.

`read` is all an inventory or a test needs; nothing here starts or changes anything.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lab import lock, places


@dataclass(frozen=True)
class Host:
    """One host.

    name: its hostname
    address: its IPv4 address, as the other hosts see it
    address6: its IPv6 address
    role: `manager` or `worker`
    ssh_host: where this machine reaches its SSH server
    ssh_port: and at which port
    user: the login user
    iptables: its back end, `nft` or `legacy`
    userland: the system that it is, or stands for, as `lab.userland` names it
    architecture: dpkg's name of it, `amd64` or `arm64`
    """

    name: str
    address: str
    address6: str
    role: str
    ssh_host: str
    ssh_port: int
    user: str
    iptables: str
    userland: str
    architecture: str


@dataclass(frozen=True)
class Client:
    """A machine in the internet.

    namespace: the network namespace to run its programs in
    """

    namespace: str
    address: str
    address6: str


@dataclass(frozen=True)
class PrivateRegistry:
    """A registry that wants a password.

    host: what names of images begin with
    """

    host: str
    user: str
    password: str


@dataclass(frozen=True)
class Description:
    """The running lab.

    ssh_key: private key of the login user
    known_hosts: the hosts' keys, in OpenSSH's format
    docker_key_fingerprint: of the key that signs the lab's Docker repository
    docker_versions: engine versions to be had there, oldest first
    namespace: network namespace of bridge and gateway
    bridge: the LAN, for packet captures
    clients: by name; "cloudflare" is inside of Cloudflare's published ranges
    web_image: tar of a web server for `docker import`, on this machine
    web_image_url: the same, for hosts with amd64; the registries' images run on the others as well
    web_image_command: what a container of it should run
    registry: a registry that is open to all, as names of images begin; its images are in
        `lab.images`
    private_registry: one that wants a password
    console_folder: where each host's console is, as `<name>.console`
    started: ISO 8601 time of ``pyinfra-swarm lab up``
    supervisor: process number of the supervisor
    """

    hosts: tuple[Host, ...]
    ssh_key: str
    known_hosts: str
    docker_key_fingerprint: str
    docker_versions: tuple[str, ...]
    namespace: str
    bridge: str
    clients: Mapping[str, Client]
    web_image: str
    web_image_url: str
    web_image_command: tuple[str, ...]
    registry: str
    private_registry: PrivateRegistry
    console_folder: str
    started: str
    supervisor: int

    def host(self, name: str) -> Host:
        """The host of that name.

        Raises KeyError: naming those there are.
        """
        for host in self.hosts:
            if host.name == name:
                return host
        there = ", ".join(host.name for host in self.hosts)
        raise KeyError(f'the lab has no host "{name}"\n    instead: one of {there}')


def path() -> Path:
    """Where the description of the running lab is."""
    return places.state() / "lab.json"


def read() -> Description | None:
    """The running lab; None when there is none, even if a crashed one left its files."""
    try:
        found = json.loads(path().read_text())
    except (OSError, ValueError):
        return None
    return _parse(found) if lock.is_held() else None


def write(description: Description) -> None:
    """Publish a description, at once and whole."""
    unfinished = path().with_suffix(".new")
    unfinished.write_text(json.dumps(asdict(description), indent=2) + "\n")
    unfinished.chmod(0o644)
    unfinished.rename(path())


def _parse(found: dict[str, Any]) -> Description:
    return Description(
        **{
            **found,
            "hosts": tuple(Host(**host) for host in found["hosts"]),
            "docker_versions": tuple(found["docker_versions"]),
            "web_image_command": tuple(found.get("web_image_command", ())),
            "private_registry": PrivateRegistry(**found["private_registry"]),
            "clients": {name: Client(**client) for name, client in found["clients"].items()},
        }
    )
