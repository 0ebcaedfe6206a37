"""The file of the current versions' names, on this computer: ``--data names=FILE``."""

from __future__ import annotations

from collections.abc import Mapping

from pyinfra.api import Host, State

from pyinfra_swarm.run import reporting
from pyinfra_swarm.run.findings import Finding, Refusal
from pyinfra_swarm.secrets.names import WriteNames, plan_names
from pyinfra_swarm.secrets.objects import Key
from pyinfra_swarm.settings.paths import from_user


def planned(path: str, names: Mapping[Key, str]) -> list[Finding]:
    """What becomes of the file; nothing where none is asked for.

    names: what the engine calls the current versions, when this run is done.
    """
    if not path:
        return []
    place = from_user(path)
    try:
        there = place.read_text(encoding="utf-8") if place.exists() else None
    except (OSError, ValueError) as error:
        return [_unusable(path, error)]
    if not place.parent.is_dir():
        return [_unusable(path, f"there is no folder {place.parent}")]
    return plan_names(path, there, names)


def _unusable(path: str, why: object) -> Refusal:
    return Refusal(
        f"file {path}",
        f"cannot be written: {why}",
        remedy="Name another: --data names=FILE",
    )


def write(state: State, host: Host, step: WriteNames) -> bool:
    """Write the file whole: beside it first."""
    place = from_user(step.path)
    beside = place.with_name(f".{place.name}.new")
    try:
        beside.write_text(step.text, encoding="utf-8")
        beside.replace(place)
    except OSError as error:
        reporting.failed(host, f"{step.path} could not be written: {error}")
        return False
    return True
