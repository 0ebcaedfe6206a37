"""The drift check on a healthy cluster with everything declared: no false alarm."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from lab import images
from tests.scenarios.conftest import (
    SITE,
    description_of_the_lab,
    on_each,
    wait_for,
)
from tests.scenarios.drift_cluster import PYINFRA, SEED, Cluster, converged, settled
from tests.scenarios.drift_kinds.doors import DECLARED
from tests.scenarios.shop import settings_with_the_shop
from tests.scenarios.test_create import names

EXPOSED = """
[exposure]
address = "192.168.77.9"
"""
"""Beside admins, labels, a network and a stack with its secret: what else a check looks at."""


@pytest.fixture(scope="module")
def cluster(
    lab: ModuleType, pyinfra: PYINFRA, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("settings")
    image = f"{description_of_the_lab().registry}/{images.WEB}:1"
    settings = settings_with_the_shop(folder, image, EXPOSED)
    more = {**DECLARED, "SWARM_SETTINGS": str(settings), "LAB_DB_PASSWORD": "a-canary"}
    made = converged(lab, pyinfra, tmp_path_factory.mktemp("keys"), admins=["grace"], more=more)
    yield next(made)
    lab.run("node1", "sudo docker stack rm shop", check=False)
    wait_for(lambda: lab.run("node1", "sudo docker service ls -q").stdout == "", "no service", 60)
    every = "sudo docker secret ls -q | xargs -r sudo docker secret rm"
    lab.run("node1", every, check=False)
    next(made, None)
    assert pyinfra("-y", *SITE).returncode == 0, "the address is given back"


CHECKS = int(os.environ.get("DRIFT_CHECKS", "100"))


@pytest.fixture
def quiet(cluster: Cluster, tmp_path: Path) -> Callable[[int], None]:
    """Check so many times; whatever is reported is a false alarm."""
    state = tmp_path / "state.json"

    def check(many: int) -> None:
        for number in range(many):
            checked = cluster.check("--since", str(state))
            assert (checked.code, checked.found) == (0, []), f"check {number + 1} of {many}"
            assert [host["state"] for host in checked.report["hosts"]] == ["in sync"] * 4

    return check


@pytest.mark.lifecycle
def test_alarm_none_on_an_untouched_cluster(quiet: Callable[[int], None]) -> None:
    quiet(CHECKS * 2 // 10)


@pytest.mark.lifecycle
def test_alarm_none_after_reboots(cluster: Cluster, quiet: Callable[[int], None]) -> None:
    for name in random.Random(SEED).sample(names(cluster.found), 2):
        cluster.lab.reboot(name)
        settled(cluster)
        quiet(CHECKS // 10)


@pytest.mark.lifecycle
def test_alarm_none_after_docker_restarts(cluster: Cluster, quiet: Callable[[int], None]) -> None:
    for name in random.Random(SEED).sample(names(cluster.found), 2):
        cluster.lab.run(name, "sudo systemctl restart docker")
        settled(cluster)
        quiet(CHECKS // 10)


@pytest.mark.lifecycle
def test_alarm_none_after_leader_changes(cluster: Cluster, quiet: Callable[[int], None]) -> None:
    for _ in range(2):
        leader = cluster.lab.run(
            cluster.acting(),
            "sudo docker node ls --filter role=manager --format '{{.Hostname}} {{.ManagerStatus}}'"
            " | awk '$2 == \"Leader\" {print $1}'",
        ).stdout.strip()
        cluster.lab.run(leader, "sudo systemctl restart docker")
        settled(cluster)
        quiet(CHECKS // 10)


@pytest.mark.lifecycle
def test_alarm_none_after_range_refreshes(cluster: Cluster, quiet: Callable[[int], None]) -> None:
    for _ in range(2):
        on_each(names(cluster.found), "systemctl start pyinfra-swarm-web-ranges.service")
        quiet(CHECKS // 10)
