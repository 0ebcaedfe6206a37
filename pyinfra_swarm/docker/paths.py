"""The files on a host that are Docker's configuration here."""

from __future__ import annotations

SOURCES = "/etc/apt/sources.list.d/docker.sources"
KEYRING = "/etc/apt/keyrings/docker.asc"
DAEMON_JSON = "/etc/docker/daemon.json"
UNIT_DROP_IN = "/etc/systemd/system/docker.service.d/pyinfra-swarm.conf"

LOADED_JSON = "/run/pyinfra-swarm/daemon.json"
"""What the running daemon has read; gone after a reboot."""

FILES = {
    SOURCES: "is removed with the packages",
    KEYRING: "is removed with the packages",
    DAEMON_JSON: "Docker runs with its defaults afterwards",
    UNIT_DROP_IN: "Docker's service is as its package has it afterwards",
}
"""All that this room writes and that stays after a reboot, and what a reset says of its removal."""
