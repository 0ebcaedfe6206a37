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
    settings_with,
    wait_for,
)
from tests.scenarios.drift_cluster import PYINFRA, SEED, Cluster, converged, settled
from tests.scenarios.drift_kinds.doors import DECLARED
from tests.scenarios.test_create import names

SHOP = """
services:
  web:
    image: {image}
    networks: [front]
    ports: ["80:80"]
    secrets: [db_password]
    healthcheck:
      test: ["CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1/"]
      interval: 10s
      timeout: 10s
      start_period: 30s
      start_interval: 1s
      retries: 2
    deploy:
      mode: global
      update_config: {{order: start-first, failure_action: rollback, monitor: 5s}}
      rollback_config: {{order: start-first}}
      resources: {{limits: {{memory: 64M}}}}
networks:
  front:
    driver: overlay
    driver_opts: {{encrypted: "true"}}
secrets:
  db_password:
    external: true
"""

EVERYTHING = """
[exposure]
address = "192.168.77.9"

[[secrets]]
name = "db_password"
env = "LAB_DB_PASSWORD"

[[stacks]]
name = "shop"
files = ["shop.yml"]
"""
"""Beside admins, labels and a network: what else a check looks at."""


@pytest.fixture(scope="module")
def cluster(
    lab: ModuleType, pyinfra: PYINFRA, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("settings")
    image = f"{description_of_the_lab().registry}/{images.WEB}:1"
    (folder / "shop.yml").write_text(SHOP.format(image=image))
    settings = settings_with(folder / "cluster.toml", EVERYTHING)
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
