"""The report for others, on this computer: ``--data report=FILE``."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

from pyinfra_swarm.firewall import facts as firewall_facts
from pyinfra_swarm.host import facts as host_facts
from pyinfra_swarm.proof.machine_report import Machine, Tools, machine_report
from pyinfra_swarm.proof.verdict import Proof
from pyinfra_swarm.run import clock
from pyinfra_swarm.run.converge import observe_all, progress
from pyinfra_swarm.run.findings import Finding, Refusal
from pyinfra_swarm.settings.paths import from_user

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings


class Unwritable(Exception):
    """The report could not be written; the message says why."""


def planned(path: str) -> Sequence[Finding]:
    """What keeps the report from being written; nothing where none is asked for."""
    if not path:
        return ()
    place = from_user(path)
    if place.exists():
        why = "it is there already, and a report overwrites nothing"
    elif not place.parent.is_dir():
        why = f"there is no folder {place.parent}"
    else:
        return ()
    return [
        Refusal(
            f"file {path}", f"cannot be written: {why}", remedy="Name another: --data report=FILE"
        )
    ]


def write(settings: Settings, path: str, proof: Proof, seconds: float) -> None:
    """Ask the hosts for the rest, and write the report.

    seconds: that the proof took. Raises :class:`Unwritable`.
    """
    progress("asking the hosts what the report says of them")
    taken = {"proof": seconds}
    begun = clock.now()
    systems = observe_all(host_facts.Host)
    taken["system"], begun = clock.now() - begun, clock.now()
    firewalls = observe_all(firewall_facts.State)
    taken["firewall"] = clock.now() - begun
    machines = {
        host.name: Machine(host.role, systems.get(host.name), firewalls.get(host.name))
        for host in settings.hosts
    }
    tools = Tools(version("pyinfra-swarm"), version("pyinfra"), platform.python_version())
    report = machine_report(datetime.now(UTC).date().isoformat(), tools, machines, proof, taken)
    text = json.dumps(report, indent=2) + "\n"
    try:
        with from_user(path).open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise Unwritable(f"{path} could not be written: {error.strerror}") from error
