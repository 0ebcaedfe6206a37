"""Facts for ad-hoc use: every host answers explicitly, with Docker or without, and never fails.

One host of a converged cluster is flashed anew, so that each question is put to hosts of both
kinds at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from lab.description import Description
from tests.scenarios.conftest import Run

PYINFRA = Callable[..., Run]


@pytest.fixture(scope="module")
def manager(converged: Description) -> str:
    """A host on which everything is as declared."""
    return next(host.name for host in converged.hosts if host.role == "manager")


@pytest.fixture(scope="module")
def worker(converged: Description) -> str:
    """The host that is flashed anew."""
    return next(host.name for host in converged.hosts if host.role == "worker")


@pytest.fixture(scope="module")
def ask(
    converged: Description, worker: str, lab: ModuleType, pyinfra: PYINFRA
) -> Callable[[str], dict[str, Any]]:
    """Ask all hosts for a fact, as a user and as a program; the answers by host."""
    lab.reset([worker])

    def answers(fact: str) -> dict[str, Any]:
        shown = pyinfra("inventory.py", "fact", fact)
        assert shown.returncode == 0, shown.output
        run = pyinfra("--json", "inventory.py", "fact", fact)
        assert run.returncode == 0, run.output
        [by_host] = run.json.values()
        assert sorted(by_host) == sorted(host.name for host in converged.hosts)
        for host, answer in by_host.items():
            assert isinstance(answer, dict), host
            assert answer, host
            # What a user is shown is the same answer, as readable JSON.
            assert f'"{host}": {{' in shown.output
            assert json.dumps(next(iter(answer))) in shown.output
        for trouble in ("Traceback", "could not load fact", "FactProcessError"):
            assert trouble not in shown.output + run.output
        return dict(by_host)

    return answers


Ask = Callable[[str], dict[str, Any]]


def test_sshd_tells_its_effective_configuration(ask: Ask, manager: str, worker: str) -> None:
    answers = ask("facts.ssh.Effective")
    hardened, fresh = answers[manager]["effective"], answers[worker]["effective"]
    assert hardened["root"]["passwordauthentication"] == "no"
    assert fresh["root"]["passwordauthentication"] == "yes"


def test_docker_info_is_told_or_docker_is_absent(ask: Ask, manager: str, worker: str) -> None:
    answers = ask("facts.docker.Info")
    assert answers[manager]["engine"] == "running"
    assert answers[manager]["Swarm"]["LocalNodeState"] == "active"
    assert answers[worker] == {"engine": "absent"}


def test_the_ingress_network_is_told_with_its_encryption(
    ask: Ask, manager: str, worker: str
) -> None:
    answers = ask("facts.docker.IngressNetwork")
    assert answers[manager]["exists"] is True
    assert answers[manager]["encrypted"] is True
    assert answers[manager]["subnets"]
    assert answers[worker] == {"engine": "absent"}


def test_all_overlay_networks_are_told_with_their_encryption(
    ask: Ask, manager: str, worker: str, lab: ModuleType
) -> None:
    lab.run(manager, "sudo docker network create --driver overlay clear-text")
    try:
        answers = ask("facts.docker.OverlayNetworks")
    finally:
        lab.run(manager, "sudo docker network rm clear-text")
    assert answers[manager]["ingress"]["encrypted"] is True
    assert answers[manager]["clear-text"]["encrypted"] is False
    assert answers[worker] == {"engine": "absent"}


def test_a_manager_tells_all_nodes(
    ask: Ask, manager: str, worker: str, converged: Description
) -> None:
    answers = ask("facts.swarm.Nodes")
    nodes = answers[manager]["nodes"]
    assert {name: node["role"] for name, node in nodes.items()} == {
        host.name: host.role for host in converged.hosts
    }
    assert sum(node["leader"] for node in nodes.values()) == 1
    assert answers[worker]["engine"] == "absent"
    assert answers[worker]["nodes"] == {}


def test_each_host_tells_whether_it_has_joined(ask: Ask, manager: str, worker: str) -> None:
    answers = ask("facts.swarm.JoinState")
    assert (answers[manager]["state"], answers[manager]["role"]) == ("active", "manager")
    assert (answers[worker]["engine"], answers[worker]["state"]) == ("absent", "inactive")


def test_each_kernel_tells_what_it_can_do(ask: Ask, converged: Description) -> None:
    for answer in ask("facts.kernel.Capabilities").values():
        assert answer["esp"] is True
        assert answer["vxlan"] is True
        assert {"esp4", "vxlan", "ip_vs"} <= {module["name"] for module in answer["modules"]}


def test_iptables_are_told_in_both_families(ask: Ask, manager: str, worker: str) -> None:
    answers = ask("facts.firewall.Tables")
    for family in ("ipv4", "ipv6"):
        assert "DOCKER-USER" in answers[manager][family]["filter"]
        assert "DOCKER-USER" not in answers[worker][family].get("filter", {})
        assert answers[worker][family]["backend"] in ("nft", "legacy")


@pytest.mark.parametrize(
    "fact",
    ["facts.host.Host", "facts.access.Accounts", "facts.updates.Updates"],
)
def test_the_other_parts_facts_answer_too(ask: Ask, fact: str) -> None:
    ask(fact)
