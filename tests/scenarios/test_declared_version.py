"""A declared version of Docker that is not the newest: on every host, held, and kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

from tests.scenarios.conftest import SITE, Run, description_of_the_lab, on_each

pytestmark = pytest.mark.lifecycle

OLDER = "26.1.5"
DECLARED = {"SWARM_DOCKER__VERSION": OLDER}


@pytest.fixture
def fresh(lab: ModuleType) -> Iterator[ModuleType]:
    lab.reset()
    yield lab
    lab.reset()


def test_an_older_version_is_built_with_whole_and_the_next_run_keeps_it(
    fresh: ModuleType, pyinfra: Callable[..., Run]
) -> None:
    assert OLDER in description_of_the_lab().docker_versions
    run = pyinfra("-y", *SITE, env=DECLARED)
    assert run.returncode == 0, run.output
    hosts = ("node1", "node2", "node3", "node4")
    running = "docker version --format '{{.Server.Version}}'; apt-mark showhold | grep -c docker"
    assert on_each(hosts, running) == dict.fromkeys(hosts, f"{OLDER}\n4\n")
    listed = fresh.run("node1", "sudo docker node ls --format '{{.Status}} {{.EngineVersion}}'")
    assert listed.stdout.splitlines() == [f"Ready {OLDER}"] * 4
    again = pyinfra("-y", *SITE, env=DECLARED)
    assert again.closing == "All 4 hosts are as declared. Nothing was changed."
    undeclared = pyinfra("--dry", *SITE)  # what the cluster runs is what it is to run
    assert undeclared.closing == "All 4 hosts are as declared. Nothing was changed."
