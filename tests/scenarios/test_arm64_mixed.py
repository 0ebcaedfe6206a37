"""Both architectures in one cluster: two quick hosts with amd64 and an emulated board with arm64.

The board is a worker, is upgraded with the others, becomes a manager and a worker again, and is
taken out. One story, in the order of this file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from lab import api, description, images
from lab.description import Description
from tests.scenarios.conftest import (
    SITE,
    Run,
    changes_in,
    description_of_the_lab,
    lines_with,
    on_each,
    settings_without,
    wait_for,
)
from tests.scenarios.test_arm64 import PATIENCE, SLOW, answer
from tests.scenarios.test_removing import OURS, nodes, states
from tests.scenarios.test_roles import declared
from tests.scenarios.test_userlands import checked
from tests.tools import must_run

pytestmark = pytest.mark.lifecycle

PYINFRA = Callable[..., Run]
ARCHITECTURES = {"node1": "amd64", "node2": "amd64", "node3": "arm64"}
HOSTS, BOARD = tuple(ARCHITECTURES), "node3"


@pytest.fixture(scope="session")
def lab() -> Iterator[ModuleType]:
    """A lab of two quick hosts and a board."""
    up = description.read()
    if up is not None:
        if {host.name: host.architecture for host in up.hosts} != ARCHITECTURES:
            must_run.give_up("another lab is up on this machine: `pyinfra-swarm lab down`")
        yield api
        return
    api.up(1, 1, 2048, arm64=1)
    yield api
    api.down()


@pytest.fixture(scope="module")
def older(lab: ModuleType) -> dict[str, str]:
    """Settings, with the oldest engine that there is."""
    return {**SLOW, "SWARM_DOCKER__VERSION": description_of_the_lab().docker_versions[0]}


@pytest.fixture(scope="module")
def newer(lab: ModuleType) -> dict[str, str]:
    """Settings, with the newest engine that there is."""
    return {**SLOW, "SWARM_DOCKER__VERSION": description_of_the_lab().docker_versions[-1]}


@pytest.fixture(scope="module")
def built(lab: ModuleType, pyinfra: PYINFRA, older: dict[str, str]) -> Run:
    return pyinfra("-y", *SITE, env=older, timeout=PATIENCE)


@pytest.fixture(scope="module")
def found(built: Run) -> Description:
    return description_of_the_lab()


def test_one_run_makes_one_cluster_of_both(
    built: Run, lab: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        print(f"\n  empty disks to a cluster: {built.seconds:.0f} s")
    assert built.returncode == 0, built.output
    ask = "sudo docker node inspect -f '{{.Description.Platform.Architecture}}' " + " ".join(HOSTS)
    said = lab.run("node1", ask).stdout.split()
    assert said == ["x86_64", "x86_64", "aarch64"]


def test_a_second_run_changes_nothing(built: Run, pyinfra: PYINFRA, older: dict[str, str]) -> None:
    run = pyinfra("-y", "--json", *SITE, env=older, timeout=PATIENCE)
    assert run.returncode == 0, run.stderr
    assert changes_in(run.json) == []


def proven(pyinfra: PYINFRA) -> Run:
    return pyinfra("-y", "inventory.py", "deploys/prove.py", env=SLOW, timeout=PATIENCE)


def test_the_encryption_is_proven_between_the_architectures(built: Run, pyinfra: PYINFRA) -> None:
    run = proven(pyinfra)
    assert run.returncode == 0, run.output
    assert "6 of 6" in run.output


def greets(lab: ModuleType, found: Description) -> bool:
    asked = [answer(lab, "cloudflare", host.address, 80) for host in found.hosts]
    return asked == ["hello from the lab\n"] * len(HOSTS)


def test_a_service_runs_on_both_and_every_node_leads_to_it(
    lab: ModuleType, found: Description
) -> None:
    image = f"{found.registry}/{images.WEB}:1"
    create = f"docker service create -q -d --name web --mode global --publish 80:80 {image}"
    lab.run("node1", f"sudo {create}", timeout=300)
    running = "sudo docker service ps web -f desired-state=running --format '{{.Node}}'"
    wait_for(lambda: greets(lab, found), "every node to answer", 600)
    assert sorted(lab.run("node1", running).stdout.split()) == list(HOSTS)
    # Some answers have crossed from one architecture to the other: the mesh takes tasks in turn.
    url = f"http://{found.host('node1').address}/cgi-bin/hostname"
    ask = ["curl", "-fs", "--max-time", "30", url]

    def answering() -> set[str]:
        return {str(lab.in_namespace("cloudflare", ask).stdout).strip() for _ in range(9)} - {""}

    wait_for(lambda: len(answering()) == len(HOSTS), "node1 to lead to all tasks", 120)


def test_they_are_upgraded_one_after_the_other(
    lab: ModuleType, found: Description, pyinfra: PYINFRA, newer: dict[str, str]
) -> None:
    if found.docker_versions[0] == found.docker_versions[-1]:
        must_run.give_up("the machine's archives have one engine only")
    accepted = ("--data", "interruption=accepted")  # there is one manager
    upgrade = ("inventory.py", "deploys/upgrade.py", *accepted)
    run = pyinfra("-y", *upgrade, env=newer, timeout=PATIENCE)
    assert run.returncode == 0, run.output
    ask = "sudo docker node ls --format '{{.Hostname}} {{.Status}} {{.EngineVersion}}'"
    assert sorted(lab.run("node1", ask).stdout.splitlines()) == [
        f"{name} Ready {found.docker_versions[-1]}" for name in HOSTS
    ]
    wait_for(lambda: greets(lab, found), "every node to answer", 600)
    wait_for(lambda: checked().code == 0, "the hosts to be in sync", 300)


def test_a_board_becomes_a_manager_and_a_worker_again(
    lab: ModuleType, found: Description, pyinfra: PYINFRA, newer: dict[str, str]
) -> None:
    for role in ("manager", "worker"):
        settings = {**newer, **declared(node2=role, node3=role)}
        run = pyinfra("-y", *SITE, env=settings, timeout=PATIENCE)
        assert run.returncode == 0, run.output
        assert nodes(lab, "node1") == {"node1": "manager", "node2": role, BOARD: role}
        again = pyinfra("--dry", *SITE, env=settings, timeout=PATIENCE)
        assert "Nothing was changed" in again.closing, again.output


def test_the_encryption_is_proven_after_all_that(found: Description, pyinfra: PYINFRA) -> None:
    run = proven(pyinfra)
    assert run.returncode == 0, run.output
    assert "6 of 6" in run.output


def test_a_board_is_taken_out(
    lab: ModuleType, found: Description, pyinfra: PYINFRA, newer: dict[str, str], tmp_path: Path
) -> None:
    without = {
        **newer,
        "SWARM_SETTINGS": str(settings_without(tmp_path / "cluster.toml", BOARD)),
    }
    data = ("--data", f"host={BOARD}", "--data", f"confirm={BOARD}")
    run = pyinfra("-y", *data, "inventory.py", "deploys/remove.py", env=newer, timeout=PATIENCE)
    assert run.returncode == 0, run.output
    assert set(nodes(lab, "node1")) == {"node1", "node2"}
    assert states([BOARD]) == {"inactive"}
    run = pyinfra("-y", *SITE, env=without, timeout=PATIENCE)
    assert run.returncode == 0, run.output
    assert found.host(BOARD).address not in lab.run("node1", "sudo iptables-save").stdout


def test_everything_is_taken_apart(
    lab: ModuleType, found: Description, pyinfra: PYINFRA, newer: dict[str, str]
) -> None:
    """The board as well, which is in no swarm any more, and has what was put on it."""
    refused = pyinfra("-y", "inventory.py", "deploys/reset.py", env=newer, timeout=PATIENCE)
    assert refused.returncode == 1, refused.output
    [word] = {
        words.split("--data confirm=")[1].split()[0]
        for words in lines_with(refused.closing, ("--data confirm=",))
    }
    confirmed = ("-y", "--data", f"confirm={word}", "inventory.py", "deploys/reset.py")
    run = pyinfra(*confirmed, env=newer, timeout=PATIENCE)
    assert run.returncode == 0, run.output
    assert states(HOSTS) == {"inactive"}
    assert on_each(HOSTS, OURS, timeout=300) == dict.fromkeys(HOSTS, "")
