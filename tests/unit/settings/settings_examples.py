"""The reference cluster's settings, with a value changed, and what is wrong with them."""

from __future__ import annotations

import base64
import copy
from typing import Any

import pytest

from pyinfra_swarm.settings import Problem, Settings, SettingsError


def four_boards() -> dict[str, Any]:
    """The reference cluster: three managers, one worker."""
    return {
        "cluster": {"name": "home"},
        "hosts": [
            {
                "name": f"rk{number}",
                "address": f"192.168.1.{10 + number}",
                "role": "worker" if number == 4 else "manager",
            }
            for number in (1, 2, 3, 4)
        ],
    }


def put(path: str, value: Any, into: dict[str, Any] | None = None) -> dict[str, Any]:
    """The reference cluster with one value changed: `hosts.2.address`, `swarm.subnet_size`."""
    data = copy.deepcopy(into or four_boards())
    here: Any = data
    *parents, last = path.split(".")
    for part in parents:
        here = here[int(part)] if isinstance(here, list) else here.setdefault(part, {})
    if isinstance(here, list):
        here[int(last)] = value
    else:
        here[last] = value
    return data


def problems(data: dict[str, Any]) -> tuple[Problem, ...]:
    """All that is wrong with these values."""
    with pytest.raises(SettingsError) as caught:
        Settings(**data)
    return caught.value.problems


def the_problem(data: dict[str, Any]) -> Problem:
    """The one thing that is wrong with them."""
    found = problems(data)
    assert len(found) == 1, "\n\n".join(map(str, found))
    return found[0]


def ed25519(inner: str = "ssh-ed25519") -> str:
    """The middle of a public key, of this kind inside."""

    def field(content: bytes) -> bytes:
        return len(content).to_bytes(4, "big") + content

    return base64.b64encode(field(inner.encode()) + field(bytes(32))).decode()
