"""WireGuard on a host as these deploys set it up, with real packets, and who gets in by it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from pyinfra_swarm.firewall.policy import Opening, Policy, Vpn
from pyinfra_swarm.run.findings import Notice
from pyinfra_swarm.settings import Settings
from pyinfra_swarm.vpn import client, operations
from pyinfra_swarm.vpn.plan import plan, plan_removal
from pyinfra_swarm.vpn.state import Vpns
from pyinfra_swarm.vpn.wireguard import Wanted, config_path, key_path, wanted
from tests.builders import declared
from tests.netns import wireguard_host as wireguard
from tests.netns.conftest import Host, Namespace, namespace
from tests.tools import must_run

ALICE, BOB = client.key_pair(), client.key_pair()
PEERS = {
    "alice": {"name": "alice", "public_key": ALICE.public, "address": "10.202.0.100"},
    "bob": {"name": "bob", "public_key": BOB.public, "address": "10.202.0.101"},
}


def settings(*names: str, port: int = 51820) -> Settings:
    hosts: dict[str, Any] = {f"rk{n}": {"vpn_address": f"10.202.0.{n}"} for n in (1, 2, 3, 4)}
    hosts["rk1"]["vpn_endpoint"] = f"10.1.0.1:{port}"
    peers = [PEERS[name] for name in names]
    return declared(
        access={"vpn": "wireguard", "wireguard": {"peers": peers, "port": port}}, **hosts
    )


def of_rk1(made: Settings) -> Wanted:
    found = wanted(made, "rk1")
    assert found is not None
    return found


BOTH = settings("alice", "bob")


@dataclass
class Lan:
    """A host (rk1), a laptop, and somebody else, each on a wire of their own to it."""

    host: Host
    laptop: Namespace
    stranger: Namespace
    folder: Path

    def changes(self, made: Settings = BOTH) -> list[str]:
        return [one.what for one in plan(made, "rk1", self.seen())]

    def seen(self, login: str = "192.0.2.7 50000 192.0.2.1 22") -> Vpns:
        return wireguard.observed(self.host, self.folder / "host", login)

    def up(self, made: Settings = BOTH, *, restart: bool = True) -> None:
        wireguard.bring_up(self.host, self.folder / "host", of_rk1(made), restart=restart)

    def connect(self, keys: client.KeyPair = ALICE, name: str = "alice") -> None:
        """The laptop, with the configuration that `pyinfra-swarm wireguard add` prints."""
        public = {"rk1": self.host.run(f"wg pubkey < {key_path('wg0')}").stdout.strip()}
        address = PEERS[name]["address"]
        text = client.configuration(BOTH, name, address, keys.private, public)
        self.laptop.run("sh", "-c", "umask 077; cat > /etc/wireguard/home.conf", text=text)
        self.laptop.run("wg-quick up home")


@pytest.fixture
def lan(host: Host, tmp_path: Path) -> Iterator[Lan]:
    if why := wireguard.why_not():
        must_run.give_up(why)
    others = [namespace(), namespace()]
    made = Lan(host, Namespace(others[0].pid), Namespace(others[1].pid), tmp_path)
    try:
        for name, place in {"host": host, "laptop": made.laptop, "other": made.stranger}.items():
            wireguard.prepare(place, tmp_path / name)
        wireguard.joined(host, made.laptop, "10.1.0", "eth0")
        wireguard.joined(host, made.stranger, "10.2.0", "eth1")
        yield made
    finally:
        for place in (host, made.laptop, made.stranger):  # ends wireguard-go, where it runs
            for name in ("wg0", "home"):
                place.run(f"ip link delete dev {name}", check=False)
        for process in others:
            process.kill()
            process.wait()


@pytest.fixture
def ready(lan: Lan) -> Lan:
    """With WireGuard on the host, and both peers declared."""
    wireguard.make_key(lan.host, lan.folder / "host")
    lan.up()
    return lan


nft_only = pytest.mark.parametrize("host", ["nft"], indirect=True)


@nft_only
class TestTheHost:
    def test_a_fresh_one_lacks_all_of_it_and_then_nothing(self, lan: Lan) -> None:
        assert lan.changes() == [
            "WireGuard private key",
            config_path("wg0"),
            "wg0",
            "wg-quick@wg0.service",
        ]
        wireguard.make_key(lan.host, lan.folder / "host")
        lan.up()
        assert lan.changes() == []

    def test_a_private_key_is_for_root_alone_and_no_word_of_any_command(self, lan: Lan) -> None:
        log = lan.folder / "words"
        for name in ("wg", "wg-quick", "cat", "mv", "sed", "sync", "ip", "printf", "sha256sum"):
            stand_in = lan.folder / "host" / name
            stand_in.write_text(
                f'#!/bin/sh\necho "$@" >> {log}\n'
                f'PATH=/usr/sbin:/usr/bin:/sbin:/bin\nexec {name} "$@"\n'
            )
            stand_in.chmod(0o755)
        wireguard.make_key(lan.host, lan.folder / "host")
        lan.up()
        lan.up(restart=False)
        key = lan.host.run(f"cat {key_path('wg0')}").stdout.strip()
        assert len(key) == 44
        assert "syncconf" in log.read_text()
        assert key not in log.read_text()
        for path in (key_path("wg0"), config_path("wg0")):
            assert lan.host.run(f"stat -c '%a %U' {path}").stdout == "600 root\n"
        lan.seen()
        assert key not in repr(lan.seen())

    @pytest.mark.lifecycle
    def test_a_lost_key_is_taken_back_from_the_interface(self, ready: Lan) -> None:
        before = ready.host.run(f"cat {key_path('wg0')}").stdout
        ready.host.run(f"rm {key_path('wg0')}")
        assert ready.changes()[0] == "WireGuard private key"
        wireguard.make_key(ready.host, ready.folder / "host")
        assert ready.host.run(f"cat {key_path('wg0')}").stdout == before
        assert ready.changes() == []

    @pytest.mark.lifecycle
    @pytest.mark.parametrize(
        ("breaks", "found"),
        [
            ("wg set wg0 peer $BOB remove", "wg0 peers"),
            ("wg set wg0 peer $(wg genkey | wg pubkey) allowed-ips 10.202.0.9/32", "wg0 peers"),
            ("wg set wg0 peer $BOB allowed-ips 0.0.0.0/0", "wg0 peers"),
            ("wg set wg0 listen-port 1234", "wg0 port"),
            ("ip addr add 10.202.0.9/24 dev wg0; ip addr del 10.202.0.1/24 dev wg0", "wg0 address"),
            ("ip link delete dev wg0", "wg0"),
            ("chmod 644 /etc/wireguard/wg0.key", key_path("wg0")),
            ("chmod 640 /etc/wireguard/wg0.conf", config_path("wg0")),
            ("echo '# by hand' >> /etc/wireguard/wg0.conf", config_path("wg0")),
            (
                'sed -i "s|^PrivateKey = .*|PrivateKey = $(wg genkey)|" /etc/wireguard/wg0.conf',
                config_path("wg0"),
            ),
            ("rm /etc/systemd/system/*/wg-quick@wg0.service", "wg-quick@wg0.service"),
        ],
    )
    def test_drift_is_found_by_its_kind_and_mended(
        self, ready: Lan, breaks: str, found: str
    ) -> None:
        wireguard.root(ready.host, ready.folder / "host", f"BOB={BOB.public}\n{breaks}")
        assert ready.changes() == [found]
        steps = plan(BOTH, "rk1", ready.seen())
        restart = any(getattr(step, "restart", False) for step in steps)
        ready.host.run(f"chmod 600 {key_path('wg0')}")
        ready.up(restart=restart)
        assert ready.changes() == []

    @pytest.mark.lifecycle
    def test_one_that_was_brought_up_by_hand_is_taken_over(self, ready: Lan) -> None:
        ready.host.run("wg-quick down wg0; rm /run/active-wg0; wg-quick up wg0")
        ready.up(settings("alice"))
        assert ready.changes(settings("alice")) == []

    def test_a_configuration_of_somebody_elses_is_left_alone(self, lan: Lan) -> None:
        lan.host.run("echo '[Interface]' > /etc/wireguard/wg0.conf")
        assert lan.changes() == [config_path("wg0")]
        assert plan_removal(lan.seen()) == []

    def test_it_goes_whole(self, ready: Lan) -> None:
        [step] = plan_removal(ready.seen())
        wireguard.root(ready.host, ready.folder / "host", operations._remove("wg0"))
        assert plan_removal(ready.seen()) == []
        assert step.what == "wg0"
        assert ready.host.run("ip link show wg0", check=False).returncode != 0
        assert ready.host.run("ls /etc/wireguard").stdout == ""

    def test_what_is_left_without_its_configuration_is_its_owners_to_take_off(
        self, ready: Lan
    ) -> None:
        """By the commands that it is named with."""
        ready.host.run(f"rm {config_path('wg0')}")
        [found] = plan_removal(ready.seen())
        assert isinstance(found, Notice)
        assert f"{BOB.public} as 10.202.0.101/32" in found.found
        # Who runs them here is root already.
        down, rm = found.remedy.replace("sudo ", "").split("`")[1::2]
        wireguard.root(ready.host, ready.folder / "host", down)
        assert ready.host.run("ip link show wg0", check=False).returncode != 0
        [alone] = plan_removal(ready.seen())
        assert alone.what == key_path("wg0")
        wireguard.root(ready.host, ready.folder / "host", rm)
        assert plan_removal(ready.seen()) == []
        assert ready.host.run("ls /etc/wireguard").stdout == ""

    def test_a_link_to_what_is_not_mounted_is_a_configuration_of_somebody_elses(
        self, ready: Lan
    ) -> None:
        away = "mv /etc/wireguard/wg0.$one /run/; ln -s /mnt/none/wg0.$one /etc/wireguard/wg0.$one"
        ready.host.run(f"one=conf; {away}")
        assert ready.seen().foreign == ("wg0",)
        assert plan_removal(ready.seen()) == []
        assert ready.changes() == [config_path("wg0")]
        ready.host.run(f"rm {config_path('wg0')}; ip link delete dev wg0; one=key; {away}")
        assert ready.changes() == [key_path("wg0")]

    def test_what_ran_without_a_configuration_comes_back_when_its_change_is_undone(
        self, ready: Lan
    ) -> None:
        ready.host.run(f"rm {config_path('wg0')}; ip addr add 10.202.0.9/32 dev wg0")
        before = ready.seen()
        log, showconf = ready.folder / "words", ready.folder / "host" / "wg"
        showconf.write_text(f'#!/bin/sh\necho "$@" >> {log}\nexec /usr/bin/wg "$@"\n')
        showconf.chmod(0o755)
        wireguard.root(ready.host, ready.folder / "host", operations._write_down("wg0"))
        now = ready.seen()
        assert now.running == before.running
        assert now.configs["wg0"].access == "600 root"
        assert now.configs["wg0"].own_key
        assert ready.host.run(f"cat {key_path('wg0')}").stdout.strip() not in log.read_text()
        ready.host.run(f"cp -a {config_path('wg0')} /run/")
        ready.up(settings("alice"))
        assert ready.seen().running != before.running
        ready.host.run("mv /run/wg0.conf /etc/wireguard/")
        wireguard.root(ready.host, ready.folder / "host", operations.after_restore(["wg0"]))
        after = ready.seen()
        assert (after.running, after.keys) == (before.running, before.keys)
        assert after.addresses["wg0"][:2] == ("10.202.0.1/24", "10.202.0.9/32")


@nft_only
class TestPeers:
    def test_what_the_command_prints_connects(self, ready: Lan) -> None:
        ready.connect()
        assert wireguard.answers(ready.laptop, "10.202.0.1")
        login = "10.202.0.100 50000 10.202.0.1 22"
        assert ready.seen(login).login_by == "wg0"
        assert ready.seen("10.1.0.2 50000 10.1.0.1 22").login_by == "eth0"

    def test_one_that_is_taken_out_is_out_at_once_and_others_notice_nothing(
        self, ready: Lan
    ) -> None:
        ready.connect()
        assert wireguard.answers(ready.laptop, "10.202.0.1")
        index = ready.host.run("ip -o link show wg0").stdout.partition(":")[0]
        ready.up(settings("alice"), restart=False)
        assert wireguard.answers(ready.laptop, "10.202.0.1")
        ready.up(settings("bob"), restart=False)
        assert not wireguard.answers(ready.laptop, "10.202.0.1")
        assert ready.host.run("ip -o link show wg0").stdout.startswith(f"{index}:")

    @pytest.mark.lifecycle
    def test_one_that_is_connected_stays_so_over_a_restart(self, ready: Lan) -> None:
        """By itself it would notice after 15 seconds; waiting for an answer, not at all."""
        ready.connect()
        assert wireguard.answers(ready.laptop, "10.202.0.1")
        ready.up(restart=True)
        begun = time.monotonic()
        assert wireguard.answers(ready.laptop, "10.202.0.1")
        assert time.monotonic() - begun < 4
        assert "persistent keepalive" not in ready.host.run("wg show wg0").stdout

    def test_one_that_is_taken_out_does_not_come_back_by_a_restart(self, ready: Lan) -> None:
        ready.connect()
        assert wireguard.answers(ready.laptop, "10.202.0.1")
        ready.up(settings("bob"), restart=True)
        assert ready.changes(settings("bob")) == []
        assert not wireguard.answers(ready.laptop, "10.202.0.1")

    def test_one_that_was_taken_out_and_is_put_back_is_called(self, ready: Lan) -> None:
        """It waits for an answer, and sends nothing by itself."""
        ready.connect()
        assert wireguard.answers(ready.laptop, "10.202.0.1")
        time.sleep(1.1)  # the time of a handshake is told in seconds
        ready.host.run(f"cp {config_path('wg0')} /run/before")
        ready.up(settings("bob"), restart=False)
        shaken = ready.laptop.run("wg show home latest-handshakes").stdout
        ready.host.run(f"mv /run/before {config_path('wg0')}")
        wireguard.root(
            ready.host, ready.folder / "host", operations.after_restore(["wg0"]), check=False
        )
        begun = time.monotonic()
        while ready.laptop.run("wg show home latest-handshakes").stdout == shaken:
            assert time.monotonic() - begun < 10
            time.sleep(0.2)
        assert wireguard.answers(ready.laptop, "10.202.0.1")

    @pytest.mark.lifecycle
    def test_a_reload_by_anybody_leaves_the_key_in_the_interface(self, ready: Lan) -> None:
        """As the distribution's unit does it."""
        before = ready.host.run("wg show wg0 public-key").stdout
        ready.host.run("bash", "-c", "exec wg syncconf wg0 <(exec wg-quick strip wg0)")
        assert ready.host.run("wg show wg0 public-key").stdout == before


POLICY = Policy(
    peers=("192.168.1.11", "192.168.1.12"),
    manager=True,
    web="closed",
    ssh_sources=("vpn",),
    openings=(Opening("9000", "tcp", ("vpn",)),),
    vpn=Vpn("wireguard", "wg0", 51820),
)


class TestTheFirewall:
    """In both back ends of iptables."""

    @pytest.fixture
    def closed(self, ready: Lan) -> Iterator[Lan]:
        """SSH is open to the VPN alone, and servers run on three ports."""
        servers = [wireguard.listens(ready.host, port) for port in (22, 9000, 9001)]
        ready.host.install(POLICY)
        ready.host.firewall("load")
        yield ready
        for server in servers:
            assert isinstance(server, subprocess.Popen)
            server.kill()
            server.wait()

    def test_ssh_is_open_through_the_vpn_and_to_nobody_else(self, closed: Lan) -> None:
        assert not wireguard.reaches(closed.laptop, "10.1.0.1", 22)
        closed.connect()  # its own port is open
        assert wireguard.reaches(closed.laptop, "10.202.0.1", 22)
        assert wireguard.reaches(closed.laptop, "10.202.0.1", 9000)
        assert not wireguard.reaches(closed.laptop, "10.202.0.1", 9001)
        assert not wireguard.reaches(closed.laptop, "10.1.0.1", 22)
        assert not wireguard.reaches(closed.stranger, "10.2.0.1", 22)

    def test_an_address_of_the_vpns_is_not_enough(self, closed: Lan) -> None:
        closed.stranger.run("ip addr add 10.202.0.100/32 dev eth0")
        closed.host.run("ip route add 10.202.0.100/32 via 10.2.0.2")  # the answers come back
        for address in ("10.202.0.1", "10.2.0.1"):
            assert not wireguard.reaches(closed.stranger, address, 22, "10.202.0.100")

    def test_everything_is_reached_where_that_is_declared(self, closed: Lan) -> None:
        vpn = replace(POLICY.vpn, reaches_all=True) if POLICY.vpn else None
        closed.host.install(replace(POLICY, vpn=vpn))
        closed.host.firewall("load")
        closed.connect()
        assert wireguard.reaches(closed.laptop, "10.202.0.1", 9001)
        assert not wireguard.reaches(closed.laptop, "10.1.0.1", 9001)
