"""Drift of the part `docker`."""

from __future__ import annotations

from pyinfra_swarm.docker.daemon import FORWARDING
from pyinfra_swarm.docker.paths import KEYRING, SOURCES, UNIT_DROP_IN
from tests.scenarios.drift_kinds.kind import Kind

RESTARTED = (
    "systemctl restart docker; until docker network inspect ingress | grep -q ingress-sbox; do "
    "sleep 1; done; until docker info | grep -q 'Swarm: active'; do sleep 1; done; sleep 5"
)

KINDS = (
    Kind(
        "a held package released",
        *("docker", "Docker's packages", "not held"),
        "apt-mark unhold docker-ce",
    ),
    Kind(
        "a changed daemon.json",
        *("docker", "daemon.json", "differs from what is declared"),
        "echo '{\"debug\": true}' > /etc/docker/daemon.json",
    ),
    Kind(
        "an engine that was made before daemon.json was hardened",
        *("docker", "daemon.json", "lacks what new nodes have"),
        "cp /etc/docker/daemon.json /root; sed -i '/\"icc\"/d' /etc/docker/daemon.json; "
        + RESTARTED,
        kind="notice",
        undo="mv /root/daemon.json /etc/docker/daemon.json; " + RESTARTED,
    ),
    Kind(
        "Docker not started at boot",
        *("docker", "docker.service", "does not start at boot"),
        "systemctl disable docker.service",
    ),
    Kind(
        "our drop-in for Docker's unit gone",
        *("docker", "docker.service", "does not record"),
        f"rm {UNIT_DROP_IN}; systemctl daemon-reload",
    ),
    Kind(
        "a sysctl changed",
        *("docker", FORWARDING, "switched off"),
        f"sysctl -w {FORWARDING}=0",
    ),
    Kind(
        "Docker's repository edited",
        *("docker", "Docker's apt repository", "differs from what is declared"),
        f"sed -i 's/stable/test/' {SOURCES}",
    ),
    Kind(
        "another key for Docker's repository",
        *("docker", "Docker's apt key", "is not the pinned one"),
        f"echo 'no key' > {KEYRING}",
    ),
    Kind(
        "an older entry for Docker's repository",
        *("docker", "apt sources", "conflicts with the managed one"),
        "echo 'deb https://download.docker.com/linux/debian trixie stable' "
        "> /etc/apt/sources.list.d/old.list",
    ),
    Kind(
        "an admin out of the group docker",
        *("docker", "group docker", "lacks declared admins"),
        "gpasswd -d $LOGIN docker",
    ),
    Kind(
        "a user added to the group docker",
        *("docker", "group docker", "as good as root"),
        "useradd -M guest; usermod -aG docker guest",
        kind="notice",
        undo="userdel guest",
    ),
    Kind(
        "Docker stopped on a manager",
        *("docker", "docker.service", "is not running"),
        "systemctl stop docker.socket docker.service",
        on="manager",
        group="absent",
    ),
)
