"""The installed package, from a project elsewhere: it sees the same cluster as the clone does."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.description import Description
from tests.scenarios.conftest import SITE, Run, changes_in, environment, settings_without
from tests.unit.project.test_package import Installed, done, installed

pytestmark = pytest.mark.lifecycle

__all__ = ["installed"]  # a fixture: the wheel in a virtual environment

PYINFRA = Callable[..., Run]


@pytest.fixture(scope="module")
def project(
    converged: Description, installed: Installed, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("elsewhere") / "home"
    done(installed.command, "init", folder, cwd=folder.parent)
    settings_without(folder / "cluster.toml")
    return folder


def run(*command: str | Path, project: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    return subprocess.run(
        [str(word) for word in command],
        cwd=project,
        env=environment({"PATH": path, **variables}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def pyinfra_there(installed: Installed, project: Path, *arguments: str) -> Any:
    ran = run(installed.python, "-P", "-m", "pyinfra", *arguments, project=project)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_a_dry_run_plans_what_the_clone_plans_and_nothing_is_to_be_done(
    installed: Installed, project: Path, pyinfra: PYINFRA
) -> None:
    plan = pyinfra_there(installed, project, "--dry", "--json", *SITE)
    assert changes_in(plan) == []
    here = pyinfra("--dry", "--json", *SITE)
    assert here.returncode == 0, here.stderr
    assert [one["name"] for one in plan["plan"]] == [one["name"] for one in here.json["plan"]]


def test_every_host_calls_every_operation_in_one_order(
    installed: Installed, project: Path, converged: Description
) -> None:
    debugged = pyinfra_there(installed, project, *SITE, "--debug-operations", "--json")
    everyone = sorted(host.name for host in converged.hosts)
    order = [operation["op_hash"] for operation in debugged["op_order"]]
    assert all(operation["hosts"] == everyone for operation in debugged["op_order"])
    assert all(list(called) == order for called in debugged["operations"].values())


def test_a_fact_can_be_asked_for_by_its_short_name(
    installed: Installed, project: Path, converged: Description
) -> None:
    said = pyinfra_there(installed, project, "--json", "inventory.py", "fact", "facts.swarm.State")
    [by_host] = said.values()
    assert {*by_host} == {host.name for host in converged.hosts}


def test_a_check_from_there_finds_everything_as_declared(
    installed: Installed, project: Path
) -> None:
    ran = run(installed.command, "drift", "--json", project=project)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert json.loads(ran.stdout)["exit_code"] == 0
