"""The drift check on a healthy cluster with everything declared: no false alarm."""

from __future__ import annotations

import os
import random
import statistics
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest

from lab import images
from pyinfra_swarm.deploys import states
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
"""In all; of each kind of event it is a share, and one at least."""

PARTS = {*states.__all__} - {"site"}
"""Of the job: each is looked at by each check, on every host."""


@pytest.fixture
def quiet(
    cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[[int], None]]:
    """Check so many times; whatever is reported, or not looked at, is a false alarm."""
    state = tmp_path / "state.json"
    took: list[float] = []

    def check(many: int) -> None:
        for number in range(max(many, 1)):
            checked = cluster.check("--since", str(state))
            which = f"check {number + 1} of {many}, seed {SEED}"
            assert (checked.code, checked.found) == (0, []), which
            assert [host["state"] for host in checked.report["hosts"]] == ["in sync"] * 4, which
            assert all({*host["parts"]} == PARTS for host in checked.report["hosts"]), which
            took.append(checked.seconds)

    yield check
    if took:
        middle, most = statistics.median(took), max(took)
        with capsys.disabled():
            print(f"\n  {len(took)} checks, {middle:.1f} s each, the slowest {most:.1f} s")


def leader(cluster: Cluster, asked: str) -> str:
    """The manager that leads, as another one says; empty where it does not know."""
    said = cluster.lab.run(
        asked,
        "sudo docker node ls --filter role=manager --format '{{.Hostname}} {{.ManagerStatus}}'"
        " | awk '$2 == \"Leader\" {print $1}'",
        check=False,
    )
    return str(said.stdout.strip())


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
        before = leader(cluster, asked=cluster.acting())
        other = cluster.acting(but=before)
        cluster.lab.run(before, "sudo systemctl stop docker.socket docker")
        wait_for(partial(leads_no_more, cluster, before, other), f"another leader than {before}")
        cluster.lab.run(before, "sudo systemctl start docker")
        settled(cluster)
        quiet(CHECKS // 10)


def leads_no_more(cluster: Cluster, before: str, other: str) -> bool:
    return leader(cluster, asked=other) not in ("", before)


@pytest.mark.lifecycle
def test_alarm_none_after_range_refreshes(cluster: Cluster, quiet: Callable[[int], None]) -> None:
    for _ in range(2):
        on_each(names(cluster.found), "systemctl start pyinfra-swarm-web-ranges.service")
        quiet(CHECKS // 10)
