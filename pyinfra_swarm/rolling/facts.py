"""What rolling jobs ask: what runs on a host since when, and how complete services are."""

from __future__ import annotations

import json
import re
import time

from pyinfra_swarm.engine.api import ENGINE_STATE
from pyinfra_swarm.host.packages import REBOOT
from pyinfra_swarm.rolling import jobs, services
from pyinfra_swarm.run.answer import Sections
from pyinfra_swarm.run.fact import SubjectFact
from pyinfra_swarm.run.onhost import program

_TICKS = 100
"""Per second, in what /proc says of processes: the same on every architecture (USER_HZ)."""


class Running(SubjectFact[jobs.Running]):
    """What runs on this host since when, and whether it waits for a reboot.

    Gives a :class:`rolling.jobs.Running`.
    """

    def script(self) -> str:
        return program(__file__, "running.sh") + REBOOT + "exit 0\n"

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


class Replicas(SubjectFact[tuple[services.Replicas, ...]]):
    """How many tasks of each service run, as this manager knows; jobs that end are left out.

    Gives :class:`rolling.services.Replicas`. Asked of the engine's command line, whose
    templates leave out what a service's definition may hold of secrets.
    """

    def script(self) -> str:
        return program(__file__, "replicas.sh", using=[ENGINE_STATE])

    def parse(self, said: Sections) -> tuple[services.Replicas, ...]:
        return parse_replicas(said)


def parse_replicas(said: Sections) -> tuple[services.Replicas, ...]:
    """Read what :class:`Replicas` prints.

    Raises ``ValueError`` where the host could not say: no services and no answer are two things.
    """
    if "error" in said:
        raise ValueError("; ".join(said["error"]))
    stuck = [json.loads(line.split(" ", 1)[0]) for line in said.get("stuck", [])]
    found = []
    for line in said["services"]:
        match = re.match(r'\S+ ("(?:[^"\\]|\\.)*") (\d+)/(\d+)(.*)', line)
        if match is None:
            raise ValueError(f"not a service: {line!r}")
        if match[4].endswith("job"):
            continue
        name = json.loads(match[1])
        # A task is called after its service and its slot, or the node where it runs.
        own = sum(task.rpartition(".")[0] == name for task in stuck)
        found.append(services.Replicas(name, int(match[3]), int(match[2]), own))
    return tuple(found)
