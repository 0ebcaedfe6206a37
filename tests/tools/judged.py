"""What outside judges look at on a finished host, and why a finding of theirs stays.

``python -m tests.tools.judged write`` writes the tables into docs/judged.md.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from pyinfra_swarm.settings.paths import ROOT

PAGE = ROOT / "docs" / "judged.md"


@dataclass(frozen=True)
class Check:
    """A check of docker-bench-security: a command of a root shell that ends with 0 if it holds.

    number, title: of docker-bench-security 1.6.0, which follows the CIS Docker Benchmark 1.6.0.
    shell: empty where it is not a matter of a command.
    reason: why it does not hold, or need not; empty where it holds.
    before: it held as well on a host made before this was looked at.
    """

    number: str
    title: str
    shell: str = ""
    reason: str = ""
    before: bool = True

    @property
    def holds(self) -> bool:
        return not self.reason


def _daemon(key: str, value: str) -> str:
    """The running daemon has read this key with this value (JSON)."""
    return f"tr -d ' \\n' < /run/pyinfra-swarm/daemon.json | grep -qF '\"{key}\":{value}'"


def _info(template: str, expected: str) -> str:
    return f"docker info --format '{{{{{template}}}}}' | grep -qE '{expected}'"


_AUDIT = (
    "auditd is not installed: its rules for Docker's files log each start of a container, to the "
    "card of a small board, where nobody reads them. Whoever is in group docker is named by a check"
)

CHECKS = (
    Check(
        "1.1.1",
        "a separate partition for containers",
        "mountpoint -q /var/lib/docker",
        "Disks are the owner's: the preflight looks at the space and the inodes of the file "
        "systems of /var/lib/docker and /var/lib/containerd, whichever they are",
    ),
    Check(
        "1.1.2",
        "only trusted users control the daemon",
        '[ "$(getent group docker | cut -d: -f4)" = "$(id -nu 1000)" ]',
    ),
    Check("1.1.3 to 1.1.18", "auditing of Docker's files", "command -v auditctl", _AUDIT),
    Check(
        "1.2.1",
        "the host has been hardened",
        reason="A matter of judgement: ssh-audit, above",
    ),
    Check(
        "1.2.2",
        "the version of Docker is up to date",
        reason="docker.version is declared; upgrade.py brings it, and a check names versions that "
        "a swarm should not have",
    ),
    Check(
        "2.1",
        "the daemon runs as a non-root user",
        _info(".SecurityOptions", "rootless"),
        "Rootless Docker has no overlay networks, so no swarm",
    ),
    Check(
        "2.2",
        "no traffic between containers on the default bridge",
        _daemon("icc", "false"),
        before=False,
    ),
    Check("2.3", "the logging level is info", "! grep -q log-level /etc/docker/daemon.json"),
    Check("2.4", "Docker may change iptables", _daemon("iptables", "true")),
    Check("2.5", "no insecure registries", "! grep -q insecure-reg /etc/docker/daemon.json"),
    Check("2.6", "no aufs", "! " + _info(".Driver", "aufs")),
    Check(
        "2.7",
        "TLS for the daemon, where it listens on TCP",
        "! ss -Hltnp | grep dockerd | grep -qE ':(2375|2376) '",
    ),
    Check(
        "2.8",
        "a default ulimit is configured",
        _daemon("default-ulimits", ""),
        "Docker's own limits hold (1024 open files from 29.0 on): another number fits some image, "
        "and not all. docker.daemon takes default-ulimits",
    ),
    Check(
        "2.9",
        "user namespaces",
        _info(".SecurityOptions", "userns"),
        "userns-remap breaks volumes that exist, and engines from 29 on turn their image store off "
        "with it. docker.daemon takes userns-remap, for a new cluster",
    ),
    Check("2.10", "the default cgroup", "! grep -q cgroup-parent /etc/docker/daemon.json"),
    Check("2.11", "the base device size", "! grep -q dm.basesize /etc/docker/daemon.json"),
    Check(
        "2.12",
        "authorization for the client's commands",
        "grep -q authorization-plugins /etc/docker/daemon.json",
        "It takes a plugin by a third party, which decides on each call of the engine's API, and "
        "without which no engine starts",
    ),
    Check(
        "2.13",
        "centralized and remote logging",
        reason="Logs stay on the node, rotated (docker.log_max_size, docker.log_max_files), so "
        "that `docker service logs` works; where they are collected is the owner's choice",
    ),
    Check(
        "2.14",
        "containers acquire no new privileges",
        _daemon("no-new-privileges", "true"),
        before=False,
    ),
    Check(
        "2.15",
        "live restore",
        _info(".LiveRestoreEnabled", "true"),
        "Does not work in a swarm (Docker's documentation says so); nodes are drained before their "
        "engines are restarted",
    ),
    Check(
        "2.16",
        "no userland proxy",
        _daemon("userland-proxy", "false"),
        "Engines from 29.8 on serve IPv6 of the routing mesh by it; docker.userland_proxy = false "
        "turns it off",
    ),
    Check(
        "2.17",
        "a custom seccomp profile, where needed",
        "! " + _info(".SecurityOptions", "unconfined"),
    ),
    Check("2.18", "nothing experimental", _info(".ExperimentalBuild", "false")),
    Check("7.1", "swarm mode only where it is needed", _info(".Swarm.LocalNodeState", "active")),
    Check(
        "7.2",
        "the minimum number of managers",
        '[ "$(docker node ls --filter role=manager -q | wc -l)" = 3 ]',
    ),
    Check(
        "7.3",
        "swarm listens on one interface",
        "! ss -Hltn | grep -qE '(\\*|\\[::\\]|0\\.0\\.0\\.0):2377 '",
        "It listens on all; the firewall lets in the other nodes' addresses alone, on whichever "
        "interface they come. A node that binds to an address does not start before it has it",
    ),
    Check(
        "7.4",
        "every overlay network is encrypted",
        "! docker network ls -f driver=overlay -q | xargs docker network inspect "
        "--format '{{.Options}}' | grep -v encrypted",
    ),
    Check(
        "7.5",
        "secrets are Docker's",
        reason="`[[secrets]]` makes them; whether a cluster has any is the owner's",
    ),
    Check(
        "7.6",
        "managers lock themselves",
        "docker swarm unlock-key -q | grep -q .",
        "swarm.autolock = true; by default a board comes back by itself after a power cut",
    ),
    Check(
        "7.7",
        "the unlock key is rotated",
        reason="deploys/rotate_unlock_key.py; a matter of habit",
    ),
    Check(
        "7.8",
        "node certificates are rotated",
        reason="Every 90 days, by themselves (swarm.certificate_expiry); a check reports those "
        "that were not renewed. The benchmark wants 2 days, after which a board that was off for a "
        "weekend has to join again",
    ),
    Check(
        "7.9",
        "the root CA is rotated",
        reason="deploys/rotate_ca.py; a matter of habit",
    ),
    Check(
        "7.10",
        "management and data traffic are separated",
        reason="Home networks are one network; swarm.data_path_port and the firewall keep the data "
        "path among the nodes, and all of it is encrypted",
    ),
)


def tables() -> list[str]:
    """The lines of docs/judged.md that follow from what is here."""
    lines = ["| Check | What | Before | Now | Why |", "|---|---|---|---|---|"]
    for check in CHECKS:
        now = "holds" if check.holds else "finding"
        before = "holds" if check.holds and check.before else "finding"
        lines.append(
            f"| {check.number} | {check.title} | {before} | {now} | {check.reason or '–'} |"
        )
    return lines


_MARKS = {"docker-bench": tables}


def page(text: str) -> str:
    """The page with its tables as they are here."""
    for mark, lines in _MARKS.items():
        begin, end = f"<!-- {mark} -->\n", f"<!-- end of {mark} -->"
        before, rest = text.split(begin)
        text = before + begin + "\n".join(["", *lines(), "", ""]) + end + rest.split(end)[1]
    return text


if __name__ == "__main__" and sys.argv[1:] == ["write"]:
    PAGE.write_text(page(PAGE.read_text()))
