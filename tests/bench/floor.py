"""The floor: the least that has to happen on the hosts, done by plain parallel ssh.

No checks, no reasons, no guard against lock-outs, nothing that could be repeated safely: only the
work itself, one cold connection (a new ``ssh`` process) a host and step.
"""

from __future__ import annotations

import importlib
import json
import shlex
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lab import api
from lab.description import Description
from pyinfra_swarm.docker.installation import PACKAGES
from tests.bench.remote_commands import Asked

_PORT = 2377


class Failed(Exception):
    """A step of the floor failed, which makes its time meaningless."""


@dataclass(frozen=True)
class Step:
    """A step of the floor and the seconds it took."""

    name: str
    seconds: float


def everywhere(scripts: Mapping[str, str]) -> tuple[dict[str, str], float]:
    """Run a script on each host as root, all at once, over new connections.

    Returns what each printed, and the seconds until the last was done.
    """
    begun = time.monotonic()
    running = {
        host: subprocess.Popen(
            [*api.ssh_command(host), "sudo -n sh"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for host in scripts
    }
    for host, process in running.items():
        assert process.stdin is not None
        process.stdin.write(scripts[host])
        process.stdin.close()
        process.stdin = None
    said = {}
    for host, process in running.items():
        output, errors = process.communicate(timeout=900)
        if process.returncode != 0:
            raise Failed(f"{host}: {errors[-2000:]}")
        said[host] = output
    return said, time.monotonic() - begun


def create(lab: Description, ingress_subnet: str) -> list[Step]:
    """A swarm of all hosts with an encrypted ingress network, from fresh hosts.

    Docker's key and repository, the five packages, then init, ingress and joins. Promotions,
    hardening, updates and everything that makes it safe are not in it.
    """
    names = [host.name for host in lab.hosts]
    steps = []
    _, seconds = everywhere(dict.fromkeys(names, _REPOSITORY))
    steps.append(Step("key, repository, apt-get update", seconds))
    _, seconds = everywhere(dict.fromkeys(names, _INSTALL))
    steps.append(Step("the five packages", seconds))
    first, *others = lab.hosts
    said, seconds = everywhere(
        {first.name: _FOUND.format(address=first.address, subnet=ingress_subnet)}
    )
    steps.append(Step("init, encrypted ingress", seconds))
    token = said[first.name].split()[-1]
    _, seconds = everywhere(
        {
            host.name: f"docker swarm join --advertise-addr {host.address} --token {token} "
            f"{first.address}:{_PORT}"
            for host in others
        }
    )
    steps.append(Step("joins, all at once", seconds))
    return steps


_REPOSITORY = """\
set -e
. /etc/os-release
url=https://download.docker.com/linux/$ID
mkdir -p /etc/apt/keyrings
curl -fsSL $url/gpg -o /etc/apt/keyrings/docker.asc
echo "deb [signed-by=/etc/apt/keyrings/docker.asc] $url $VERSION_CODENAME stable" \
  > /etc/apt/sources.list.d/docker.list
apt-get -q update
"""

_INSTALL = f"""\
export DEBIAN_FRONTEND=noninteractive
apt-get -q install -y --no-install-recommends {" ".join(PACKAGES)}
"""

_FOUND = """\
set -e
docker swarm init --advertise-addr {address} >/dev/null
yes | docker network rm ingress >/dev/null
while docker network ls -q --filter name=^ingress$ | grep -q .; do sleep 0.2; done
until docker network create --driver overlay --ingress --opt encrypted --subnet {subnet} ingress \
  >/dev/null 2>&1; do sleep 0.2; done
docker network inspect ingress | grep -q encrypted
docker swarm join-token -q worker
"""


def probes(asked: Iterable[Asked]) -> dict[str, str]:
    """The fact scripts that a run sent to each host, as one script a host."""
    scripts: dict[str, list[str]] = {}
    for one in asked:
        module, _, name = one.fact.rpartition(".")
        fact = getattr(importlib.import_module(module), name)()
        text = fact.command(**dict(one.arguments))
        # pyinfra starts a shell for each as well; several of them end with `exit`.
        scripts.setdefault(one.host, []).append(f"sh -c {shlex.quote(text)}\n")
    return {host: "".join(texts) for host, texts in scripts.items()}


def verify(lab: Description) -> None:
    """The floor has to have built what it is compared with."""
    first = lab.hosts[0].name
    nodes = api.run(first, "sudo docker node ls --format '{{json .}}'").stdout.splitlines()
    ready = [json.loads(line)["Hostname"] for line in nodes if '"Ready"' in line]
    if sorted(ready) != sorted(host.name for host in lab.hosts):
        raise Failed(f"only {', '.join(ready)} are ready in the floor's swarm")


def total(steps: Sequence[Step]) -> float:
    """The seconds of all steps."""
    return sum(step.seconds for step in steps)
