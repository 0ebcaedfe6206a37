"""Preflight on real hosts: each refusal is provoked and names host, finding and remedy."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.scenarios.conftest import lines_with

pytestmark = pytest.mark.lifecycle

HOST = "node3"
"""The host that is broken and mended here; it stays usable for what comes after."""


@contextmanager
def broken(lab: Any, how: str, mend: str) -> Iterator[None]:
    lab.run(HOST, how)
    try:
        yield
    finally:
        lab.run(HOST, mend)


def preflight(pyinfra: Callable[..., Any]) -> Any:
    return pyinfra("--dry", "inventory.py", "deploys/preflight.py")


def test_sound_hosts_pass(pyinfra: Callable[..., Any]) -> None:
    run = preflight(pyinfra)
    assert run.returncode == 0, run.stderr
    assert "✗" not in run.stderr
    assert len(lines_with(run.stderr, ("tested", "[node"))) == 4, run.stderr


REFUSALS = {
    "a blocked module": (
        "echo 'install esp4 /bin/true' | sudo tee /etc/modprobe.d/mitigation.conf",
        "sudo rm /etc/modprobe.d/mitigation.conf",
        ["kernel module esp4", "/etc/modprobe.d/mitigation.conf:1: install esp4 /bin/true"],
    ),
    "a clock that certificates do not bear": (
        "sudo systemctl stop systemd-timesyncd; sudo date -s '-5 hours'",
        "sudo date -s '+5 hours'; sudo systemctl start systemd-timesyncd",
        ["clock", "5 hours behind this computer's", "timedatectl"],
    ),
    "a full disk": (
        "sudo fallocate -l $(df --output=avail -B1 /var | tail -1 | awk '{print $1 - 2^28}')"
        " /var/full",
        "sudo rm /var/full",
        ["disk space on /var", "MiB free", "`sudo du -xhd1 / |"],
    ),
    "another tool's daemon.json": (
        "sudo mkdir -p /etc/docker;"
        ' echo \'{"_comment": "Ansible managed"}\' | sudo tee /etc/docker/daemon.json',
        "sudo rm /etc/docker/daemon.json",
        ["/etc/docker/daemon.json", "Ansible manages it"],
    ),
    "another distribution": (
        "sudo cp --remove-destination /usr/lib/os-release /etc/os-release;"
        " sudo sed -i s/^VERSION_ID=.*/VERSION_ID=11/ /etc/os-release",
        "sudo ln -sf ../usr/lib/os-release /etc/os-release",
        ["distribution", "Debian 12 or Debian 13"],
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_host_is_refused_for(name: str, lab: Any, pyinfra: Callable[..., Any]) -> None:
    how, mend, words = REFUSALS[name]
    with broken(lab, how, mend):
        run = preflight(pyinfra)
    assert run.returncode != 0
    [line] = lines_with(run.stderr, ("✗ preflight",))
    assert HOST in line
    for word in words:
        assert word in line
    assert f"not done: {HOST}" in run.stderr
    [left_out] = lines_with(run.stderr, ("not done: ",))
    assert f"not done: {HOST}: refused" in left_out


def test_a_route_within_the_address_pool_is_refused_before_the_swarm_is_founded(
    lab: Any, pyinfra: Callable[..., Any]
) -> None:
    founded = lab.run(HOST, "sudo test -s /var/lib/docker/swarm/docker-state.json", check=False)
    with broken(
        lab,
        "sudo ip link add wg0 type dummy; sudo ip link set wg0 up;"
        " sudo ip route add 10.200.7.0/24 dev wg0",
        "sudo ip link del wg0",
    ):
        run = preflight(pyinfra)
    line, *_ = [line for line in run.stderr.splitlines() if "overlaps 10.200.7.0/24" in line]
    assert "swarm.address_pool" in line
    if founded.returncode == 0:
        assert "!" in line  # the pool of a swarm cannot change: only reported
        assert run.returncode == 0
    else:
        assert "✗" in line
        assert run.returncode != 0


def test_duplicate_machine_ids_stop_every_host(lab: Any, pyinfra: Callable[..., Any]) -> None:
    other = lab.run("node4", "cat /etc/machine-id").stdout.strip()
    own = lab.run(HOST, "cat /etc/machine-id").stdout.strip()
    with broken(
        lab,
        f"echo {other} | sudo tee /etc/machine-id",
        f"echo {own} | sudo tee /etc/machine-id",
    ):
        run = preflight(pyinfra)
    assert run.returncode != 0
    assert "node3 and node4 have the same machine id" in run.stderr
    for name in ("node1", "node2", "node3", "node4"):
        assert f"not done: {name}: refused" in run.stderr


@pytest.mark.parametrize(
    ("fact", "key"),
    [
        ("facts.host.Host", "kernel"),
        ("facts.kernel.Capabilities", "esp"),
        ("facts.firewall.Tables", "ipv4"),
        ("facts.updates.Updates", "configuration"),
    ],
)
def test_facts_answer_on_every_host(fact: str, key: str, pyinfra: Callable[..., Any]) -> None:
    run = pyinfra("--json", "inventory.py", "fact", fact)
    assert run.returncode == 0, run.stderr
    [answers] = json.loads(run.stdout).values()
    assert sorted(answers) == ["node1", "node2", "node3", "node4"]
    assert all(key in answer for answer in answers.values())
