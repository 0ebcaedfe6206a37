"""Declared stacks: pulled from a registry that wants a password, and never flipped back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from lab import images
from lab.description import Description
from tests.scenarios.conftest import Run, settings_with, wait_for
from tests.scenarios.test_secrets import assert_none_is_lost
from tests.scenarios.visitor import a_visitor

pytestmark = pytest.mark.lifecycle

STACKS = ("-y", "inventory.py", "deploys/stacks.py")
SECRETS = ("-y", "inventory.py", "deploys/secrets.py")

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

SHOP_SETTINGS = """
[[secrets]]
name = "db_password"
env = "LAB_DB_PASSWORD"

[[stacks]]
name = "shop"
files = ["shop.yml"]
"""


@pytest.fixture
def shop(lab: ModuleType, converged: Description, tmp_path: Path) -> Iterator[Path]:
    """Settings with a stack whose image wants a password."""
    closed = converged.private_registry.host
    (tmp_path / "shop.yml").write_text(SHOP.format(image=f"{closed}/{images.WEB}:1"))
    yield settings_with(tmp_path / "cluster.toml", SHOP_SETTINGS)
    lab.run("node1", "sudo docker stack rm shop", check=False)
    wait_for(lambda: lab.run("node1", "sudo docker service ls -q").stdout == "", "no service", 60)
    every = "sudo docker {0} ls -q | xargs -r sudo docker {0} rm"
    for kind in ("secret", "config"):
        lab.run("node1", every.format(kind), check=False)
    for host in converged.hosts:
        lab.run(host.name, f"sudo docker logout {closed}", check=False)


def env(settings: Path, value: str) -> dict[str, str]:
    return {"SWARM_SETTINGS": str(settings), "LAB_DB_PASSWORD": value}


def answers(lab: ModuleType, found: Description) -> set[str]:
    """What the stack's tasks were given, asked through every node."""
    urls = [f"http://{host.address}/cgi-bin/secrets" for host in found.hosts]
    ask = ["curl", "-fsS", "--max-time", "8"]
    return {lab.in_namespace("cloudflare", [*ask, url]).stdout.strip() for url in urls}


def test_a_stack_is_pulled_with_the_password_by_every_node_and_a_rotation_is_not_flipped_back(
    lab: ModuleType, converged: Description, pyinfra: Callable[..., Run], shop: Path
) -> None:
    closed = converged.private_registry
    made = pyinfra(*SECRETS, env=env(shop, "first"))
    assert made.returncode == 0, made.output
    for host in converged.hosts:  # whichever of them acts
        if host.role == "manager":
            login = f"sudo docker login --username {closed.user} --password-stdin {closed.host}"
            lab.run(host.name, login, stdin=closed.password)
    run = pyinfra(*STACKS, env=env(shop, "first"))
    assert run.returncode == 0, run.output
    running = "sudo docker service ps shop_web --format '{{.Node}} {{.CurrentState}}'"
    rows = [row.split()[:2] for row in lab.run("node1", running).stdout.splitlines()]
    assert {node for node, state in rows if state == "Running"} == {h.name for h in converged.hosts}
    assert answers(lab, converged) == {told("first")}
    targets = {host.name: f"http://{host.address}/" for host in converged.hosts}
    with a_visitor(converged, targets) as requests:
        rotated = pyinfra(*SECRETS, env=env(shop, "second"))
        assert rotated.returncode == 0, rotated.output
    assert_none_is_lost(requests, "a rotation of a secret of a declared stack")
    assert answers(lab, converged) == {told("second")}
    again = pyinfra(*STACKS, env=env(shop, "second"))
    assert again.returncode == 0, again.output
    assert "Nothing was changed" in again.output
    assert answers(lab, converged) == {told("second")}
    assert closed.password not in run.output + rotated.output + again.output


def told(value: str) -> str:
    return f"{hashlib.sha256(value.encode()).hexdigest()}  db_password"
