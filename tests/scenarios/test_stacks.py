"""Declared stacks: pulled from a registry that wants a password, never flipped back, and cheap."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from lab import images
from lab.description import Description
from tests.scenarios.conftest import SITE, Run, settings_with, wait_for
from tests.scenarios.rotations import assert_none_is_lost
from tests.scenarios.shop import settings_with_the_shop
from tests.scenarios.visitor import a_visitor

pytestmark = pytest.mark.lifecycle

STACKS = ("-y", "inventory.py", "deploys/stacks.py")
SECRETS = ("-y", "inventory.py", "deploys/secrets.py")


@pytest.fixture
def shop(lab: ModuleType, converged: Description, tmp_path: Path) -> Iterator[Path]:
    """Settings with a stack whose image wants a password."""
    closed = converged.private_registry.host
    yield settings_with_the_shop(tmp_path, f"{closed}/{images.WEB}:1")
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


# What it costs
# -------------

MANY_SECRETS, MANY_STACKS, SERVICES_EACH = 50, 20, 5
DEARER = 1.3
"""How many times as long a rerun may take with all of it."""


def many_settings(folder: Path, image: str) -> str:
    """Tables of secrets and stacks, whose files are written to the folder."""
    tables = []
    for number in range(MANY_SECRETS):
        file = folder / f"secret{number}"
        file.write_text(f"value {number}")
        tables.append(f'[[secrets]]\nname = "secret{number}"\nfile = "{file.name}"\n')
    for number in range(MANY_STACKS):
        used = [
            f"secret{(number * SERVICES_EACH + n) % MANY_SECRETS}" for n in range(SERVICES_EACH)
        ]
        content = {
            "services": {
                f"s{n}": {
                    "image": image,
                    "networks": ["shared"],
                    "secrets": [used[n]],
                    "deploy": {
                        "replicas": 0,
                        "update_config": {"failure_action": "rollback", "monitor": "5s"},
                        "resources": {"limits": {"memory": "64M"}},
                    },
                }
                for n in range(SERVICES_EACH)
            },
            "networks": {"shared": {"external": True, "name": "shared"}},
            "secrets": {name: {"external": True} for name in used},
        }
        (folder / f"stack{number}.yml").write_text(json.dumps(content))  # JSON is YAML
        tables.append(f'[[stacks]]\nname = "stack{number}"\nfiles = ["stack{number}.yml"]\n')
    return "\n".join(tables)


def test_a_rerun_with_fifty_secrets_and_a_hundred_services_costs_little_more_than_one_without(
    lab: ModuleType, converged: Description, pyinfra: Callable[..., Run], tmp_path: Path
) -> None:
    lab.run("node1", "sudo docker network create -d overlay --opt encrypted shared")
    image = f"{converged.registry}/{images.WEB}:1"
    without = settings_with(tmp_path / "without.toml", "")
    loaded = settings_with(tmp_path / "cluster.toml", many_settings(tmp_path, image))
    try:
        made = pyinfra("-y", *SITE, env={"SWARM_SETTINGS": str(loaded)}, timeout=3000)
        assert made.returncode == 0, made.output
        count = "sudo docker service ls -q | wc -l"
        assert int(lab.run("node1", count).stdout) >= MANY_STACKS * SERVICES_EACH
        times: dict[Path, list[float]] = {without: [], loaded: []}
        for number in range(4):
            for settings, seen in times.items():
                run = pyinfra("-y", *SITE, env={"SWARM_SETTINGS": str(settings)})
                assert run.returncode == 0, run.output
                if settings is loaded:
                    assert "Nothing was changed" in run.output
                if number:  # the first of each warms up
                    seen.append(run.seconds)
        plain, full = min(times[without]), min(times[loaded])
        print(f"a rerun: {plain:.1f} s without, {full:.1f} s with all of it ({full / plain:.2f})")
        assert full <= plain * DEARER
    finally:
        names = " ".join(f"stack{number}" for number in range(MANY_STACKS))
        lab.run("node1", f"sudo docker stack rm {names}", check=False)
        wait_for(
            lambda: lab.run("node1", "sudo docker service ls -q").stdout == "", "no service", 300
        )
        for kind in ("secret", "config"):
            every = f"sudo docker {kind} ls -q | xargs -r sudo docker {kind} rm"
            lab.run("node1", every, check=False)
        lab.run("node1", "sudo docker network rm shared", check=False)
