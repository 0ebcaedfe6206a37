"""Roles that change on a cluster at work: the firewall is in place, and the quorum is kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import ModuleType

import pytest

from lab.description import Description
from pyinfra_swarm.settings.lab import as_settings
from tests.scenarios.conftest import SITE, Run, description_of_the_lab

pytestmark = pytest.mark.lifecycle


def declared(**roles: str) -> dict[str, str]:
    """The lab's hosts as settings, some in other roles."""
    hosts = as_settings(description_of_the_lab())["hosts"]
    return {
        "SWARM_HOSTS": json.dumps(
            [{**host, "role": roles.get(host["name"], host["role"])} for host in hosts]
        )
    }


def listed(lab: ModuleType, at: str) -> dict[str, str]:
    """What the managers say of each node: ``Leader``, ``Reachable``, or nothing for a worker."""
    said = lab.run(at, "sudo docker node ls --format '{{.Hostname}}={{.ManagerStatus}}'").stdout
    return dict(line.split("=") for line in said.split())


def door(lab: ModuleType, host: str) -> str:
    """Where the firewall sends who knocks at the managers' port."""
    rules = str(lab.run(host, "sudo iptables -S SWARM-INPUT").stdout).splitlines()
    (rule,) = [line for line in rules if "--dport 2377" in line]
    return rule.split()[-1]


def test_the_leader_and_the_worker_change_places_and_back(
    lab: ModuleType, converged: Description, pyinfra: Callable[..., Run]
) -> None:
    nodes = listed(lab, "node1")
    leader = next(name for name, status in nodes.items() if status == "Leader")
    worker = next(name for name, status in nodes.items() if not status)
    other = next(name for name in nodes if name not in (leader, worker))
    for roles, low in (({leader: "worker", worker: "manager"}, leader), ({}, worker)):
        settings = declared(**roles)
        run = pyinfra("-y", *SITE, env=settings)
        assert run.returncode == 0, run.output
        now = listed(lab, other)
        assert [name for name, status in now.items() if not status] == [low]
        assert sorted(filter(None, now.values())) == ["Leader", "Reachable", "Reachable"]
        again = pyinfra("--dry", *SITE, env=settings)
        assert again.closing == "All 4 hosts are as declared. Nothing was changed.", again.output
        doors = {name: door(lab, name) for name in now}
        assert doors == {name: "DROP" if name == low else "SWARM-PEERS" for name in now}
