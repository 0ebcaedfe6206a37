"""Docker's installation on a host, as it was seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyinfra_swarm.engine.versions import engine_version
from pyinfra_swarm.run.observation import Observation

PACKAGES = (
    "docker-ce",
    "docker-ce-cli",
    "containerd.io",
    "docker-buildx-plugin",
    "docker-compose-plugin",
)
"""What is installed and held. The first two carry the engine's version."""


@dataclass(frozen=True)
class Package(Observation):
    """An installed package: its version, and whether apt would leave it alone."""

    version: str
    held: bool


@dataclass(frozen=True)
class Engine(Observation):
    """Docker's installation on a host.

    distribution, codename, architecture: as apt names them (``debian``, ``trixie``, ``amd64``).
    packages: those of :data:`PACKAGES` that are completely installed.
    sources, keyring: the content of the managed files, empty where absent.
    stale: other apt files that name Docker's repository, and keyrings only they use; shared: old
    keyrings that other sources name as well.
    daemon_json: the file's content, ``None`` where absent; loaded_json: what the running daemon
    has read, ``None`` where it did not say.
    drop_in: the content of the unit's managed drop-in; reload_needed: systemd has not read it yet.
    running, enabled: the docker service; changed_since_start: daemon.json is younger than the
    running daemon (used only where loaded_json is unknown).
    group: the members of group ``docker``.
    forwarding: the kernel forwards IPv4 packets, which the daemon turns on when it starts.
    """

    distribution: str
    codename: str
    architecture: str
    curl: bool
    packages: Mapping[str, Package]
    sources: str
    keyring: str
    stale: tuple[str, ...]
    daemon_json: str | None
    loaded_json: str | None
    drop_in: str
    running: bool
    enabled: bool
    reload_needed: bool
    changed_since_start: bool
    group: tuple[str, ...]
    forwarding: bool = True
    shared: tuple[str, ...] = ()

    @property
    def version(self) -> str | None:
        """The installed engine's version, such as ``28.5.2``."""
        package = self.packages.get("docker-ce")
        return engine_version(package.version) if package else None

    @property
    def complete(self) -> bool:
        """All packages are installed."""
        return all(name in self.packages for name in PACKAGES)
