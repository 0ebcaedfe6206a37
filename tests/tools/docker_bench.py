"""The checks of docker-bench-security's sections 1, 2 and 7 that this project is held to.

Each is a command of our own, under the number and the title that the judge gives it.
"""

from __future__ import annotations

from dataclasses import dataclass

VERSION = "1.6.0"
"""Of docker-bench-security, which follows the CIS Docker Benchmark 1.6.0."""

_AUDITED = (
    *("the Docker daemon", "/run/containerd", "/var/lib/docker", "/etc/docker", "docker.service"),
    *("containerd.sock", "docker.socket", "/etc/default/docker", "/etc/docker/daemon.json"),
    *("/etc/containerd/config.toml", "/etc/sysconfig/docker", "/usr/bin/containerd"),
    *("/usr/bin/containerd-shim", "/usr/bin/containerd-shim-runc-v1"),
    *("/usr/bin/containerd-shim-runc-v2", "/usr/bin/runc"),
)
"""What its numbers from 1.1.3 on want to have audited."""

TITLES = {
    "1.1.1": "a separate partition for containers has been created (Automated)",
    "1.1.2": "only trusted users are allowed to control Docker daemon (Automated)",
    **{
        f"1.1.{number}": f"auditing is configured for {what} (Automated)"
        for number, what in enumerate(_AUDITED, 3)
    },
    "1.2.1": "the container host has been Hardened (Manual)",
    "1.2.2": "the version of Docker is up to date (Manual)",
    "2.1": "Run the Docker daemon as a non-root user, if possible (Manual)",
    "2.2": "network traffic is restricted between containers on the default bridge (Scored)",
    "2.3": "the logging level is set to 'info' (Scored)",
    "2.4": "Docker is allowed to make changes to iptables (Scored)",
    "2.5": "insecure registries are not used (Scored)",
    "2.6": "aufs storage driver is not used (Scored)",
    "2.7": "TLS authentication for Docker daemon is configured (Scored)",
    "2.8": "the default ulimit is configured appropriately (Manual)",
    "2.9": "Enable user namespace support (Scored)",
    "2.10": "the default cgroup usage has been confirmed (Scored)",
    "2.11": "base device size is not changed until needed (Scored)",
    "2.12": "authorization for Docker client commands is enabled (Scored)",
    "2.13": "centralized and remote logging is configured (Scored)",
    "2.14": "containers are restricted from acquiring new privileges (Scored)",
    "2.15": "live restore is enabled (Scored)",
    "2.16": "Userland Proxy is Disabled (Scored)",
    "2.17": "a daemon-wide custom seccomp profile is applied if appropriate (Manual)",
    "2.18": "experimental features are not implemented in production (Scored)",
    "7.1": "the minimum number of manager nodes have been created in a swarm (Automated)",
    "7.2": "swarm services are bound to a specific host interface (Automated)",
    "7.3": "all Docker swarm overlay networks are encrypted (Automated)",
    "7.4": "Docker's secret management commands are used for managing secrets in a swarm "
    "cluster (Manual)",
    "7.5": "swarm manager is run in auto-lock mode (Automated)",
    "7.6": "the swarm manager auto-lock key is rotated periodically (Manual)",
    "7.7": "node certificates are rotated as appropriate (Manual)",
    "7.8": "CA certificates are rotated as appropriate (Manual)",
    "7.9": "management plane traffic is separated from data plane traffic (Manual)",
}
"""All checks of these sections, by the judge's own words behind "Ensure".

``Manual``: it leaves them to a person, whatever it finds.
"""


@dataclass(frozen=True)
class Check:
    """A check: a command of a root shell that ends with 0 if it holds.

    number: as in ``TITLES``; or the first and the last of several.
    shell: empty where no command can tell.
    reason: why it does not hold, or need not; empty where it holds.
    remark: what to know where it holds.
    before: it held as well on a host made before this was looked at.
    """

    number: str
    shell: str = ""
    reason: str = ""
    remark: str = ""
    before: bool = True

    @property
    def holds(self) -> bool:
        return not self.reason

    @property
    def numbers(self) -> list[str]:
        """Those that it stands for."""
        first, _, last = self.number.partition(" to ")
        every = [*TITLES]
        return every[every.index(first) : every.index(last or first) + 1]

    @property
    def title(self) -> str:
        first, *others = self.numbers
        more = f", and for {len(others)} files and folders more" if others else ""
        return TITLES[first].replace(" (Automated)", f"{more} (Automated)")

    @property
    def now(self) -> str:
        if not self.shell:
            return "by hand"
        return "holds" if self.holds else "finding"

    @property
    def then(self) -> str:
        return self.now if self.before else "finding"


def _daemon(key: str, value: str) -> str:
    """The running daemon has read this key with this value (JSON)."""
    return f"tr -d ' \\n' < /run/pyinfra-swarm/daemon.json | grep -qF '\"{key}\":{value}'"


def _not_in_daemon_json(key: str) -> str:
    return f"! grep -q {key} /etc/docker/daemon.json"


def _info(template: str, expected: str) -> str:
    return f"docker info --format '{{{{{template}}}}}' | grep -qE '{expected}'"


_AUDIT = (
    "auditd is not installed: its rules for Docker's files log each start of a container, to the "
    "card of a small board, where nobody reads them. Whoever is in group docker is named by a check"
)

CHECKS = (
    Check(
        "1.1.1",
        "mountpoint -q /var/lib/docker",
        "Disks are the owner's: the preflight looks at the space and the inodes of the file "
        "systems of /var/lib/docker and /var/lib/containerd, whichever they are",
    ),
    Check(
        "1.1.2",
        '[ "$(getent group docker | cut -d: -f4)" = "$(id -nu 1000)" ]',
        remark="The declared admins and nobody else; a check names whoever joins them",
    ),
    Check("1.1.3 to 1.1.18", "command -v auditctl", _AUDIT),
    Check("1.2.1", reason="ssh-audit, on this page"),
    Check(
        "1.2.2",
        reason="docker.version is declared; upgrade.py brings it, and a check names versions that "
        "a swarm should not have",
    ),
    Check(
        "2.1",
        _info(".SecurityOptions", "rootless"),
        "Rootless Docker has no overlay networks, so no swarm",
    ),
    Check("2.2", _daemon("icc", "false"), before=False),
    Check("2.3", _not_in_daemon_json("log-level")),
    Check("2.4", _daemon("iptables", "true")),
    Check("2.5", _not_in_daemon_json("insecure-reg")),
    Check("2.6", "! " + _info(".Driver", "aufs")),
    Check(
        "2.7",
        "! ss -Hltnp | grep dockerd | grep -qE ':(2375|2376) '",
        remark="The engine does not listen on TCP; a check names one that does, or would after "
        "its next start",
    ),
    Check(
        "2.8",
        _daemon("default-ulimits", ""),
        "Docker's own limits hold (1024 open files from 29.0 on): another number fits some image, "
        "and not all. docker.daemon takes default-ulimits",
    ),
    Check(
        "2.9",
        _info(".SecurityOptions", "userns"),
        "userns-remap breaks volumes that exist, and engines from 29 on turn their image store off "
        "with it. docker.daemon takes userns-remap, for a new cluster",
    ),
    Check("2.10", _not_in_daemon_json("cgroup-parent")),
    Check("2.11", _not_in_daemon_json("dm.basesize")),
    Check(
        "2.12",
        "grep -q authorization-plugins /etc/docker/daemon.json",
        "It takes a plugin by a third party, which decides on each call of the engine's API, and "
        "without which no engine starts",
    ),
    Check(
        "2.13",
        "! " + _info(".LoggingDriver", "json-file"),
        "Logs stay on the node, rotated (docker.log_max_size, docker.log_max_files), so "
        "that `docker service logs` works; where they are collected is the owner's choice",
    ),
    Check("2.14", _daemon("no-new-privileges", "true"), before=False),
    Check(
        "2.15",
        _info(".Swarm.LocalNodeState", "active"),
        remark="docker-bench-security passes it in a swarm, where live restore does not work. "
        "Nodes are drained before their engines are restarted",
    ),
    Check(
        "2.16",
        _daemon("userland-proxy", "false"),
        "Engines from 29.8 on serve IPv6 of the routing mesh by it; docker.userland_proxy = false "
        "turns it off",
    ),
    Check(
        "2.17",
        "! " + _info(".SecurityOptions", "unconfined"),
        remark="Docker's own profile is in force. docker-bench-security knows it by an older name, "
        "and says INFO",
    ),
    Check("2.18", _info(".ExperimentalBuild", "false")),
    Check(
        "7.1",
        '[ "$(docker node ls --filter role=manager -q | wc -l)" = 3 ]',
        remark="Three of four hosts: one of them may fail",
    ),
    Check(
        "7.2",
        "! ss -Hltn | grep -qE '(\\*|\\[::\\]|0\\.0\\.0\\.0):2377 '",
        "It listens on all; the firewall lets in the other nodes' addresses alone, on whichever "
        "interface they come. A node that binds to an address does not start before it has it",
    ),
    Check(
        "7.3",
        "! docker network ls -f driver=overlay -q | xargs docker network inspect "
        "--format '{{.Options}}' | grep -v encrypted",
    ),
    Check(
        "7.4",
        "docker secret ls -q | grep -q .",
        "`[[secrets]]` makes them; whether a cluster has any is the owner's",
    ),
    Check(
        "7.5",
        "docker swarm unlock-key -q | grep -q .",
        "swarm.autolock = true; by default a board comes back by itself after a power cut",
    ),
    Check("7.6", reason="deploys/rotate_unlock_key.py; a matter of habit"),
    Check(
        "7.7",
        "docker info | grep -q 'Expiry Duration: 2 days'",
        "Every 90 days, by themselves (swarm.certificate_expiry); a check reports those "
        "that were not renewed. The benchmark wants 2 days, after which a board that was off for a "
        "weekend has to join again",
    ),
    Check("7.8", reason="deploys/rotate_ca.py; a matter of habit"),
    Check(
        "7.9",
        reason="Home networks are one network; swarm.data_path_port and the firewall keep the data "
        "path among the nodes, and all of it is encrypted",
    ),
)
