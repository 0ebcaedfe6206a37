"""A run that was ended anywhere is completed by the next: nothing is repaired by hand between."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from types import ModuleType

import pytest

from tests.scenarios.conftest import ROOT, Run, environment, pyinfra_argv

pytestmark = pytest.mark.lifecycle

SITE = ("-y", "-v", "inventory.py", "deploys/site.py")
"""With -v, since a run else holds a line back for a moment, in which it goes on."""

HOSTS = ("node1", "node2", "node3", "node4")


def begin_and_wait_for(words: str, then: float, timeout: int = 400) -> subprocess.Popen[str]:
    """Start the site's deploy; return some seconds after it has printed the words."""
    process = subprocess.Popen(
        pyinfra_argv(*SITE),
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    deadline = time.monotonic() + timeout
    printed = []
    for line in process.stderr:
        printed.append(line)
        if words in line:
            time.sleep(then)
            return process
        if time.monotonic() > deadline:
            break
    process.kill()
    raise AssertionError(f"never printed {words!r}:\n{''.join(printed[-30:])}")


def kill(process: subprocess.Popen[str]) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def nodes(lab: ModuleType) -> dict[str, tuple[str, str]]:
    """What `docker node ls` says: name to status and manager status."""
    said = lab.run(
        "node1",
        "sudo docker node ls --format '{{.Hostname}} {{.Status}} {{or .ManagerStatus \"worker\"}}'",
    ).stdout
    rows = [line.split() for line in said.splitlines()]
    assert all(len(row) >= 3 for row in rows), f"an entry has no name:\n{said}"
    assert len({row[0] for row in rows}) == len(rows), f"an entry is there twice:\n{said}"
    return {row[0]: (row[1], row[2]) for row in rows}


def assert_whole(lab: ModuleType) -> None:
    """Three managers and a worker, the ingress network encrypted, every package whole."""
    found = nodes(lab)
    assert {name: status for name, (status, _) in found.items()} == dict.fromkeys(HOSTS, "Ready")
    assert sorted(role for _, role in found.values()) == [
        "Leader",
        "Reachable",
        "Reachable",
        "worker",
    ]
    options = lab.run("node1", "sudo docker network inspect ingress --format '{{.Options}}'").stdout
    assert "encrypted" in options
    for host in HOSTS:
        assert lab.run(host, "dpkg --audit").stdout == ""
        assert "armed" not in lab.run(host, "ls /var/lib/pyinfra-swarm/rollback/* || true").stdout


@pytest.fixture
def fresh(lab: ModuleType) -> ModuleType:
    lab.reset()
    return lab


class TestAKilledController:
    """Each point is met by one and the same cluster on its way up."""

    @pytest.mark.parametrize(
        ("words", "then"),
        [
            pytest.param("SSH | keys only", 1.0, id="while sshd is changed"),
            pytest.param("the key checked first", 0.5, id="while the repository is set up"),
            pytest.param("installing Docker", 12.0, id="while packages are installed"),
            pytest.param("initialising the swarm", 0.5, id="while the swarm is founded"),
            pytest.param("replacing the ingress", 0.3, id="while the ingress is replaced"),
            pytest.param("joining through", 0.5, id="while hosts join"),
            pytest.param("promoting:", 0.3, id="while a manager is promoted"),
        ],
    )
    def test_leaves_something_that_the_next_run_can_go_on_from(
        self, lab: ModuleType, words: str, then: float, request: pytest.FixtureRequest
    ) -> None:
        if "sshd" in request.node.callspec.id:
            lab.reset()
        kill(begin_and_wait_for(words, then))

    def test_is_made_good_by_the_last_run(
        self, lab: ModuleType, pyinfra: Callable[..., Run]
    ) -> None:
        run = pyinfra(*SITE)
        assert run.returncode == 0, run.output
        assert_whole(lab)
        again = pyinfra(*SITE)
        assert "Nothing was changed" in again.output


class TestAPowerCut:
    def test_of_the_worker_while_it_installs_is_made_good_by_the_next_run(
        self, fresh: ModuleType, pyinfra: Callable[..., Run]
    ) -> None:
        process = begin_and_wait_for("installing Docker", 15.0)
        fresh.power_cut("node4", wait=False)
        rest = process.communicate(timeout=600)[1]
        assert process.returncode == 1
        assert "not done: node4" in rest
        assert "3 of 4 hosts are done: node1, node2, node3" in rest
        fresh.power_on("node4")
        run = pyinfra(*SITE)
        assert run.returncode == 0, run.output
        assert_whole(fresh)

    @pytest.mark.parametrize(
        ("words", "then"),
        [
            pytest.param("initialising the swarm", 1.0, id="when it has just founded the swarm"),
            pytest.param("replacing the ingress", 1.0, id="while it replaces the ingress"),
            pytest.param("joining through", 1.0, id="while the others join through it"),
        ],
    )
    def test_of_the_founder_is_made_good_by_the_next_run(
        self, lab: ModuleType, pyinfra: Callable[..., Run], words: str, then: float
    ) -> None:
        for host in HOSTS:
            lab.run(host, "sudo docker swarm leave --force || true")
        process = begin_and_wait_for(words, then)
        lab.power_cut("node1", wait=False)
        rest = process.communicate(timeout=600)[1]
        assert process.returncode == 1, rest
        assert "not done: node1" in rest
        lab.power_on("node1")
        run = pyinfra(*SITE)
        assert run.returncode == 0, run.output
        assert_whole(lab)
