"""SSH for the VPN alone: whatever happens on the way there, the owner gets in.

On one host of the lab. Where its kernel has no WireGuard, `wireguard-go` stands in for it, which
wg-quick starts by itself (`pyinfra-swarm lab kernel` builds one that has it). All else is the
distribution's.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from pyinfra_swarm.vpn.wireguard import key_path
from tests.netns.wireguard_host import why_not
from tests.scenarios.conftest import ROOT, description_of_the_lab, environment, wait_for
from tests.scenarios.vpn_client import Laptop, read
from tests.tools import must_run

pytestmark = pytest.mark.lifecycle

HOST = "node4"
VPN, FIREWALL = "deploys/vpn.py", "deploys/firewall.py"
ROLLBACK = "/var/lib/pyinfra-swarm/rollback"
HAS_WIREGUARD = "modprobe -nq wireguard"


@pytest.fixture(scope="module")
def laptop(lab: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    if why := why_not():
        must_run.give_up(why)
    lab.reset([HOST])
    made = Laptop(description_of_the_lab(), tmp_path_factory.mktemp("laptop"), HOST)
    yield made
    made.disconnect()
    lab.reset([HOST])


@pytest.fixture(scope="module")
def open_to_all(laptop: Laptop) -> Path:
    """Settings with SSH open everywhere, by the host's own address."""
    return laptop.settings("open")


@pytest.fixture(scope="module")
def shut(laptop: Laptop) -> Path:
    """Settings with SSH for the VPN alone, by the host's address there."""
    return laptop.settings("shut", through=True, ssh_sources=["vpn"])


@pytest.fixture(scope="module")
def connected(laptop: Laptop, open_to_all: Path) -> Laptop:
    """The host has WireGuard and the firewall, SSH is open, the laptop is connected."""
    install = "apt-get -qq update && apt-get -qqy install wireguard-go"
    assert laptop.ssh(laptop.lan, f"{HAS_WIREGUARD} || {{ {install}; }}", 200) is not None
    for deploy in (VPN, FIREWALL):
        run = laptop.run(open_to_all, deploy)
        assert run.returncode == 0, run.output
    asked = subprocess.run(
        laptop.command("--json", "--limit", HOST, "inventory.py", "fact", "facts.vpn.State"),
        cwd=ROOT,
        env=environment({"SWARM_SETTINGS": str(open_to_all)}),
        capture_output=True,
        text=True,
        timeout=60,
    )
    [by_host] = json.loads(asked.stdout).values()
    public_key = by_host[HOST]["keys"]["wg0"]["public"]
    laptop.connect(read(open_to_all), public_key)
    wait_for(lambda: laptop.ssh(laptop.vpn) is not None, "a login through the VPN", 60)
    return laptop


def in_a_while(laptop: Laptop, address: str, seconds: float = 90) -> None:
    wait_for(lambda: laptop.ssh(address) is not None, f"a way in at {address}", seconds)


def unlocked(laptop: Laptop, open_to_all: Path) -> None:
    """SSH is open everywhere again, however it was."""
    if laptop.ssh(laptop.lan) is None:
        through = laptop.settings("through", through=True)
        run = laptop.run(through, FIREWALL)
        assert run.returncode == 0, run.output
    run = laptop.run(open_to_all, VPN, FIREWALL)
    assert run.returncode == 0, run.output
    assert laptop.ssh(laptop.lan) is not None
    in_a_while(laptop, laptop.vpn)


def test_a_kernel_without_wireguard_is_refused_in_words(laptop: Laptop, open_to_all: Path) -> None:
    if laptop.ssh(laptop.lan, HAS_WIREGUARD) is not None:
        pytest.skip("this kernel has it")
    run = laptop.run(open_to_all, VPN)
    assert run.returncode == 1
    assert "this host's kernel does not have it" in run.output
    assert "apt install wireguard-go" in run.output


def test_a_second_run_changes_nothing(connected: Laptop, open_to_all: Path) -> None:
    run = connected.run(open_to_all, VPN, FIREWALL)
    assert run.returncode == 0, run.output
    assert "Nothing was changed" in run.output


DRIFT = {
    "wg set wg0 peer '{laptop}' remove": "is declared, and cannot come in yet",
    "wg set wg0 peer '{stranger}' allowed-ips 10.202.0.66/32": "not declared may come in",
    "wg set wg0 listen-port 51999": "it listens elsewhere",
    "systemctl --quiet disable wg-quick@wg0": "is not started at boot",
    f"chmod 644 {key_path('wg0')}": "others may read this host's private key",
}
"""What somebody does to it by hand, and what is said of that."""


def test_drift_is_found_and_mended(connected: Laptop, open_to_all: Path) -> None:
    names = {"laptop": connected.keys.public, "stranger": connected.others.public}
    done = "set -e\n" + "\n".join(script.format_map(names) for script in DRIFT)
    assert connected.ssh(connected.lan, done) is not None
    run = connected.run(open_to_all, VPN)
    assert run.returncode == 0, run.output
    assert [said for said in DRIFT.values() if said not in run.output] == []
    assert "Nothing was changed" in connected.run(open_to_all, VPN).output
    assert connected.ssh(connected.lan, f"stat -c %a {key_path('wg0')}") == "600"
    in_a_while(connected, connected.vpn)


def test_from_outside_of_the_vpn_it_is_refused_before_anything_changes(
    connected: Laptop,
) -> None:
    before = connected.ssh(connected.lan, "iptables-save | grep -v '^#' | sed 's/ .*\\[.*//'")
    run = connected.run(connected.settings("outside", ssh_sources=["vpn"]), FIREWALL)
    assert run.returncode == 1
    assert "this run does not come through the VPN, but from 192.168.77.1 by " in run.output
    after = connected.ssh(connected.lan, "iptables-save | grep -v '^#' | sed 's/ .*\\[.*//'")
    assert before == after


def test_through_the_vpn_it_is_shut_to_the_rest_and_stays_so_over_a_power_cut(
    connected: Laptop, shut: Path, open_to_all: Path, lab: ModuleType
) -> None:
    run = connected.run(shut, VPN, FIREWALL)
    assert run.returncode == 0, run.output
    assert connected.ssh(connected.vpn) is not None
    assert connected.ssh(connected.lan) is None
    assert "Nothing was changed" in connected.run(shut, VPN, FIREWALL).output
    lab.power_cut(HOST, wait=False)
    in_a_while(connected, connected.vpn, 180)
    assert connected.ssh(connected.lan) is None
    unlocked(connected, open_to_all)


def armed(laptop: Laptop, subject: str) -> bool:
    return laptop.any_way(f"test -e {ROLLBACK}/{subject}/armed") is not None


def test_a_controller_that_dies_before_it_has_proven_the_vpn_leaves_ssh_open(
    connected: Laptop, shut: Path
) -> None:
    with connected.running(shut, "tests/scenarios/deploys/firewall_unconfirmed.py"):
        wait_for(lambda: armed(connected, "firewall"), "the change", 60)
        wait_for(lambda: connected.ssh(connected.lan) is None, "SSH to be shut", 30)
    in_a_while(connected, connected.lan)


def test_so_does_a_power_cut(connected: Laptop, lab: ModuleType) -> None:
    slow = connected.settings("slow", through=True, ssh_sources=["vpn"], rollback_after=600)
    with connected.running(slow, "tests/scenarios/deploys/firewall_unconfirmed.py"):
        wait_for(lambda: armed(connected, "firewall"), "the change", 60)
        connected.any_way("sync")
        lab.power_cut(HOST, wait=False)
    in_a_while(connected, connected.lan, 180)


@pytest.fixture(scope="class")
def alone(connected: Laptop, shut: Path, open_to_all: Path) -> Iterator[Laptop]:
    """SSH is open to the VPN alone."""
    run = connected.run(shut, VPN, FIREWALL)
    assert run.returncode == 0, run.output
    yield connected
    unlocked(connected, open_to_all)


class TestChangesThatGoThroughTheVpn:
    """SSH is open to it alone all the while."""

    def test_another_peer_is_let_in(self, alone: Laptop) -> None:
        more = alone.settings("more", through=True, peers=("laptop", "phone"), ssh_sources=["vpn"])
        run = alone.run(more, VPN)
        assert run.returncode == 0, run.output
        peers = alone.ssh(alone.vpn, "wg show wg0 peers")
        assert peers is not None
        assert alone.others.public in peers

    def test_the_laptop_itself_taken_out_is_put_back(self, alone: Laptop) -> None:
        without = alone.settings("without", through=True, peers=("phone",), ssh_sources=["vpn"])
        run = alone.run(without, VPN)
        assert run.returncode == 1
        assert "put back what was there before; a new login confirmed it" in run.output
        in_a_while(alone, alone.vpn)
        peers = alone.ssh(alone.vpn, "wg show wg0 peers")
        assert peers is not None
        assert alone.keys.public in peers

    def test_a_controller_that_dies_after_taking_the_laptop_out(self, alone: Laptop) -> None:
        without = alone.settings("without", through=True, peers=("phone",), ssh_sources=["vpn"])
        with alone.running(without, "tests/scenarios/deploys/vpn_unconfirmed.py"):
            wait_for(lambda: alone.ssh(alone.vpn) is None, "the laptop to be shut out", 60)
        in_a_while(alone, alone.vpn)

    def test_a_power_cut_after_it(self, alone: Laptop, lab: ModuleType) -> None:
        without = alone.settings(
            "without", through=True, peers=("phone",), ssh_sources=["vpn"], rollback_after=600
        )
        with alone.running(without, "tests/scenarios/deploys/vpn_unconfirmed.py"):
            wait_for(lambda: alone.ssh(alone.vpn) is None, "the laptop to be shut out", 60)
            lab.power_cut(HOST, wait=False)
        in_a_while(alone, alone.vpn, 180)

    def test_taking_it_away_is_refused(self, alone: Laptop) -> None:
        none = alone.settings("none", through=True)
        none.write_text(none.read_text().replace('vpn = "wireguard"', 'vpn = ""'))
        run = alone.run(none, VPN)
        assert run.returncode == 1
        assert "is not declared any more, and this run comes through it" in run.output
        assert alone.ssh(alone.vpn) is not None


AFTER = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.0)
"""Seconds after the change has been armed."""


@pytest.mark.parametrize("cut", [False, True], ids=["killed", "power cut"])
def test_ended_at_any_moment_there_is_a_way_in(
    connected: Laptop, shut: Path, open_to_all: Path, lab: ModuleType, cut: bool
) -> None:
    """All the way: the change, the proof, the confirmation; then somebody gets in, and goes on."""
    for after in AFTER[::3] if cut else AFTER:
        unlocked(connected, open_to_all)
        with connected.running(shut, FIREWALL) as process:
            wait_for(
                lambda: armed(connected, "firewall") or process.poll() is not None, "a change", 60
            )
            time.sleep(after)
            if cut:
                lab.power_cut(HOST, wait=False)
        wait_for(lambda: connected.any_way() is not None, f"a way in, {after} s after", 180)
        wait_for(lambda: not armed(connected, "firewall"), "the end of the change", 60)
        assert connected.any_way() is not None
