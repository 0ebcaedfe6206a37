"""What rolling jobs ask: what runs on a host since when, and whether services are whole."""

from __future__ import annotations

import json
import re
import time

from pyinfra_swarm.engine.api import ENGINE_STATE
from pyinfra_swarm.host.packages import REBOOT
from pyinfra_swarm.rolling import jobs, waiting
from pyinfra_swarm.run.answer import Sections
from pyinfra_swarm.run.fact import SubjectFact

_TICKS = 100
"""Per second, in what /proc says of processes: the same on every architecture (USER_HZ)."""


class Running(SubjectFact[jobs.Running]):
    """What runs on this host since when, and whether it waits for a reboot.

    Gives a :class:`rolling.jobs.Running`.
    """

    def script(self) -> str:
        return (
            """\
section boot
while read -r line; do echo "$line"; done < /proc/sys/kernel/random/boot_id
read -r up _ < /proc/uptime; echo "$up"
section engine
[ -f /run/docker.pid ] || ! show pid /run/docker.pid || exit 0
pid=
if [ -f /run/docker.pid ]; then
  read -r pid < /run/docker.pid
  case $pid in ""|*[!0-9]*) odd pid /run/docker.pid "no process's number"; exit 0;; esac
fi
[ -n "$pid" ] && [ -r "/proc/$pid/stat" ] && while read -r line; do echo "$line"; done \
< "/proc/$pid/stat"
section kernel
uname -r
for path in /boot/vmlinuz-*; do
  case $path in *[!A-Za-z0-9/_.+~-]*) continue;; esac
  [ -e "$path" ] && echo "${path#/boot/vmlinuz-}"
done
"""
            + REBOOT
            + "exit 0\n"
        )

    def parse(self, said: Sections) -> jobs.Running:
        return parse_running(said, answered_at=time.time())


def parse_running(found: Sections, *, answered_at: float) -> jobs.Running:
    """Read what :class:`Running` prints.

    answered_at: the controller's clock then, seconds since 1970. Ages are what the host says, so
    that its own clock does not matter.
    """
    boot, up = found["boot"]
    kernel, *kernels = found["kernel"]
    required, *packages = found["reboot"] or [""]
    booted = answered_at - float(up)
    started = None
    if found["engine"]:
        # The process's name, in brackets, may hold spaces; what follows it begins with field 3.
        fields = found["engine"][0].rpartition(")")[2].split()
        started = booted + int(fields[19]) / _TICKS
    return jobs.Running(
        boot=boot,
        booted=booted,
        engine_started=started,
        kernel=kernel,
        kernels=tuple(kernels),
        reboot_required=bool(required),
        reboot_packages=tuple(packages),
    )


class Replicas(SubjectFact[tuple[waiting.Replicas, ...]]):
    """How many tasks of each service run, as this manager knows; jobs that end are left out.

    Gives :class:`rolling.waiting.Replicas`. Asked of the engine's command line, whose
    templates leave out what a service's definition may hold of secrets.
    """

    def script(self) -> str:
        return (
            ENGINE_STATE
            + """\
[ "$(engine_state)" = running ] || { section error; echo "the engine does not run"; exit 0; }
services=$(docker service ls --format '{{.ID}} {{json .Name}} {{.Replicas}} {{.Mode}}' 2>&1) ||
  { section error; echo "$services"; exit 0; }
section services
[ -n "$services" ] || exit 0
echo "$services"
section stuck
docker service ps --no-trunc --filter desired-state=running \
  --format '{{json .Name}} {{.Error}}' $(echo "$services" | cut -d ' ' -f 1) 2>/dev/null |
  grep 'no suitable node' || true
"""
        )

    def parse(self, said: Sections) -> tuple[waiting.Replicas, ...]:
        return parse_replicas(said)


def parse_replicas(found: Sections) -> tuple[waiting.Replicas, ...]:
    """Read what :class:`Replicas` prints.

    Raises ``ValueError`` where the host could not say: no services and no answer are two things.
    """
    if "error" in found:
        raise ValueError("; ".join(found["error"]))
    stuck = [json.loads(line.split(" ", 1)[0]) for line in found.get("stuck", [])]
    services = []
    for line in found["services"]:
        match = re.match(r'\S+ ("(?:[^"\\]|\\.)*") (\d+)/(\d+)(.*)', line)
        if match is None:
            raise ValueError(f"not a service: {line!r}")
        if match[4].endswith("job"):
            continue
        name = json.loads(match[1])
        # A task is called after its service and its slot, or the node where it runs.
        own = sum(task.rpartition(".")[0] == name for task in stuck)
        services.append(waiting.Replicas(name, int(match[3]), int(match[2]), own))
    return tuple(services)
