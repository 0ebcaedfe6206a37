"""The end of a cluster's life: a host taken out, replaced, and everything taken apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType

import pytest

from lab.description import Description
from tests.scenarios.conftest import SITE, Run, changes_in, lines_with, on_each, settings_without

pytestmark = pytest.mark.lifecycle

OURS = """\
ls -d /etc/docker/daemon.json /etc/systemd/system/docker.service.d/pyinfra-swarm*.conf \
  /etc/apt/apt.conf.d/90pyinfra-swarm /etc/ssh/sshd_config.d/00-pyinfra-swarm.conf \
  /etc/systemd/system/pyinfra-swarm* /usr/local/lib/pyinfra-swarm /var/lib/pyinfra-swarm \
  2>/dev/null
iptables-save | grep SWARM-; ip6tables-save | grep SWARM-; apt-mark showhold; true
"""
"""Shell: all that the project has put on a host and that a reset has to take off."""


def job(pyinfra: Callable[..., Run], name: str, *data: str, how: str = "-y", **more: object) -> Run:
    given = [word for one in data for word in ("--data", one)]
    return pyinfra(how, "inventory.py", f"deploys/{name}.py", *given, **more)


def nodes(lab: ModuleType, at: str) -> dict[str, str]:
    """Hostname to role, as a manager lists them."""
    said = lab.run(at, "sudo docker node ls --format '{{.Hostname}} {{.ManagerStatus}}'").stdout
    rows = [line.split() for line in said.splitlines()]
    return {row[0]: "manager" if row[1:] else "worker" for row in rows}


def states(names: Iterable[str]) -> set[str]:
    said = on_each(names, "docker info --format '{{.Swarm.LocalNodeState}}'")
    return {line.strip() for line in said.values()}


def test_a_worker_is_taken_out_and_its_firewall_hole_goes(
    converged: Description, lab: ModuleType, pyinfra: Callable[..., Run], tmp_path: Path
) -> None:
    [worker] = [host.name for host in converged.hosts if host.role == "worker"]
    at, address = converged.hosts[0].name, converged.host(worker).address
    # Taken out of the file only, it is still in the swarm, and must not be shut out.
    env = {"SWARM_SETTINGS": str(settings_without(tmp_path / "cluster.toml", worker))}
    run = pyinfra("-y", *SITE, env=env)
    assert run.returncode == 0, run.stderr
    assert address in lab.run(at, "sudo iptables -S SWARM-PEERS").stdout
    run = job(pyinfra, "remove", f"host={worker}", f"confirm={worker}")
    assert run.returncode == 0, run.stderr
    assert worker not in nodes(lab, at)
    assert states([worker]) == {"inactive"}
    # Gone from the swarm and from the file, the others forget it.
    run = pyinfra("-y", *SITE, env=env)
    assert run.returncode == 0, run.stderr
    assert address not in lab.run(at, "sudo iptables-save").stdout
    run = pyinfra("-y", *SITE)  # declared again, it comes back
    assert run.returncode == 0, run.stderr
    assert nodes(lab, at)[worker] == "worker"


def test_a_managers_hardware_is_replaced(
    converged: Description, lab: ModuleType, pyinfra: Callable[..., Run]
) -> None:
    at, old = converged.hosts[0].name, converged.hosts[1].name
    run = job(pyinfra, "replace", f"host={old}", f"confirm={old}")
    assert run.returncode == 0, run.stderr
    assert "none may fail" in run.output
    assert old not in nodes(lab, at)
    lab.reset([old])  # an empty disk, under the same name and address
    run = pyinfra("-y", *SITE)
    assert run.returncode == 0, run.stderr
    assert nodes(lab, at)[old] == "manager"
    assert len(nodes(lab, at)) == len(converged.hosts)


def test_everything_is_taken_apart_and_built_again(
    converged: Description, lab: ModuleType, pyinfra: Callable[..., Run]
) -> None:
    everybody = [host.name for host in converged.hosts]
    assert all(on_each(everybody, OURS).values()), "there is something to take off"
    planned = job(pyinfra, "reset", how="--dry")
    assert planned.returncode == 0, planned.stderr
    refused = job(pyinfra, "reset")
    assert refused.returncode == 1
    assert lines_with(refused.closing, ("--data confirm=",))
    assert states(everybody) == {"active"}
    [word] = {
        words.split("--data confirm=")[1].split()[0]
        for words in lines_with(refused.closing, ("--data confirm=",))
    }
    run = job(pyinfra, "reset", f"confirm={word}")
    left = on_each(everybody, OURS)
    assert states(everybody) == {"inactive"}
    # The lab's login user has sudo by a rule of its own, so ours may go.
    assert run.returncode == 0, run.stderr
    assert left == dict.fromkeys(everybody, "")
    again = pyinfra("-y", "--json", "inventory.py", "deploys/reset.py")
    assert again.returncode == 0, again.stderr
    assert not changes_in(again.json)
    run = pyinfra("-y", *SITE)
    assert run.returncode == 0, run.stderr
    assert len(nodes(lab, everybody[0])) == len(everybody)
