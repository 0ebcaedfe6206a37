"""Autolock through a real reboot of all managers, and off again.

What came of it is looked up at the engines, never through the product's facts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import pytest

from lab.description import Description
from tests.scenarios.conftest import SITE, Run, on_each

pytestmark = pytest.mark.lifecycle

UNLOCK = ("inventory.py", "deploys/unlock.py")
STATE = "docker info --format '{{.Swarm.LocalNodeState}}'"


@pytest.fixture
def declared(
    converged: Description, pyinfra: Callable[..., Run], tmp_path: Path
) -> Iterator[dict[str, str]]:
    """The variables that declare autolock; afterwards it is off."""
    place = {"SWARM_SWARM__UNLOCK_KEY_FILE": str(tmp_path / "unlock-key")}
    yield {**place, "SWARM_SWARM__AUTOLOCK": "true"}
    pyinfra("-y", *UNLOCK, env=place)
    run = pyinfra("-y", *SITE, env={**place, "SWARM_SWARM__AUTOLOCK": "false"})
    assert run.returncode == 0, run.output


def test_rebooted_managers_are_locked_and_one_run_brings_them_back(
    converged: Description,
    lab: ModuleType,
    pyinfra: Callable[..., Run],
    declared: dict[str, str],
    tmp_path: Path,
) -> None:
    managers = [host.name for host in converged.hosts if host.role == "manager"]
    run = pyinfra("-y", *SITE, env=declared)
    assert run.returncode == 0, run.output
    assert (tmp_path / "unlock-key").stat().st_mode & 0o777 == 0o600
    with ThreadPoolExecutor(len(managers)) as pool:
        list(pool.map(lab.reboot, managers))
    assert {name: text.strip() for name, text in on_each(managers, STATE).items()} == dict.fromkeys(
        managers, "locked"
    )
    run = pyinfra("-y", *SITE, env=declared)
    assert run.returncode == 1
    assert "deploys/unlock.py" in run.closing
    run = pyinfra("-y", *UNLOCK, env=declared)
    assert run.returncode == 0, run.output
    listed = lab.run(
        managers[0], "sudo docker node ls --format '{{.Hostname}} {{.Status}} {{.ManagerStatus}}'"
    ).stdout.splitlines()
    assert len(listed) == len(converged.hosts)
    assert all(" Ready" in line for line in listed), listed
    assert sum(line.endswith((" Leader", " Reachable")) for line in listed) == len(managers)
    ends = on_each(managers, "docker network inspect ingress --format '{{json .Containers}}'")
    assert all("ingress-sbox" in text for text in ends.values()), ends
    run = pyinfra("-y", *SITE, env=declared)
    assert run.returncode == 0, run.output
