"""How long something did not answer the last time, kept from run to run on this computer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from pyinfra_swarm.run import plain_file
from pyinfra_swarm.run.context import current_host, state

_AT_MOST = 1 << 20


def last(what: str, hosts: Iterable[str]) -> float | None:
    """The longest of the last times on these hosts, in seconds; None where none is known.

    what: what did not answer, as a person calls it (``Docker``); hosts: their names.
    """
    known = _known().get(what, {})
    return max((known[_machine(name)] for name in hosts if _machine(name) in known), default=None)


def keep(what: str, seconds: float) -> None:
    """Remember how long it was on this host now. A disk that takes nothing ends no run."""
    known = {key: dict(values) for key, values in _known().items()}
    known.setdefault(what, {})[_machine(current_host().name)] = round(seconds, 1)
    path = _path()
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        plain_file.write(path, json.dumps(known), mode=0o600)


def _machine(name: str) -> str:
    """How a host is reached: names are the same in many clusters."""
    data = state().inventory.get_host(name).data
    return f"{data.get('ssh_hostname') or name}:{data.get('ssh_port') or 22}"


def _path() -> Path:
    return plain_file.state_folder() / "durations.json"


def _known() -> Mapping[str, Mapping[str, float]]:
    """What is remembered; nothing where the file is not as we write it."""
    with suppress(OSError, ValueError, AttributeError, TypeError):
        read = json.loads(plain_file.content(_path(), _AT_MOST))
        return {
            str(what): {
                str(machine): float(seconds)
                for machine, seconds in machines.items()
                if 0 <= float(seconds) < 1e6
            }
            for what, machines in read.items()
        }
    return {}
