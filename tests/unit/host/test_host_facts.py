"""The host fact reads os-release, dpkg, ip and the rest; outputs from Debian 13, Ubuntu 24.04."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from pyinfra_swarm.floating_address import paths as keepalived_paths
from pyinfra_swarm.host import facts as fact
from pyinfra_swarm.host.system import Address, Disk, Host, Link, Route
from pyinfra_swarm.rollback import plan as rollback
from pyinfra_swarm.vpn import wireguard
from tests.tools.answers import sections

KERNEL = """
#> kernel
6.12.113
#> modprobe
#> blocks
cmdline quiet
#> matches
#> namespace
exit 0
"""

OUTPUT = (
    """
#> clock
1795477082.527391042
#> release
PRETTY_NAME="Ubuntu 24.04.3 LTS"
VERSION_ID="24.04"
VERSION_CODENAME=noble
ID=ubuntu
ID_LIKE=debian
#> self
hostname rk1
machine_id e08d2021fbdd6f894fde550c98aff54d
systemd yes
snap_docker /var/lib/snapd/snaps/docker_2963.snap
in_swarm yes
firewall ufw
firewall netfilter-persistent
managed /etc/docker/daemon.json it says that Ansible manages it
#> packages
docker-ce arm64 ii  5:28.5.2-1~ubuntu.24.04~noble
docker.io arm64 rc  26.1.3-0ubuntu1
dpkg arm64 ii  1.22.6ubuntu6.5
runc arm64 hi  1.1.12-0ubuntu3
#> disks
/ 4096 20672577 16777216 16455962 3f2a9c11d0b7e4a5
/var 4096 500 0 0 7be1c04492d80f16
#> network
1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever
2: end0    inet 192.168.1.11/24 metric 100 brd 192.168.1.255 scope global dynamic end0
5: docker_gwbridge    inet 172.18.0.1/16 brd 172.18.255.255 scope global docker_gwbridge
default via 192.168.1.1 dev end0 proto dhcp src 192.168.1.11 metric 100
172.18.0.0/16 dev docker_gwbridge proto kernel scope link src 172.18.0.1
192.168.1.0/24 dev end0 proto kernel scope link src 192.168.1.11 metric 100
192.168.1.1 dev end0 proto dhcp scope link src 192.168.1.11 metric 100
blackhole 10.99.0.0/16
"""
    + KERNEL
)

CLOCK = 1795477082.527391042


def read(output: str = OUTPUT, asked_at: float = CLOCK - 1, answered_at: float = CLOCK + 1) -> Host:
    return fact.parse(sections(output), asked_at=asked_at, answered_at=answered_at)


def test_the_system_is_read() -> None:
    host = read()
    assert (host.distribution, host.version, host.codename) == ("ubuntu", "24.04", "noble")
    assert host.architecture == "arm64"
    assert (host.hostname, host.systemd) == ("rk1", True)


def test_a_package_counts_while_it_is_installed_not_while_its_configuration_remains() -> None:
    assert set(read().packages) == {"docker-ce", "runc"}


def test_the_engine_s_version_is_docker_s_name_for_it() -> None:
    assert read().engine == "28.5.2"


def test_a_file_system_without_a_limit_of_inodes_has_none() -> None:
    assert read().disks == (
        Disk("/", 4096 * 20672577, 16455962, "3f2a9c11d0b7e4a5"),
        Disk("/var", 4096 * 500, None, "7be1c04492d80f16"),
    )


def test_addresses_and_routes_are_read() -> None:
    host = read()
    assert Address("end0", "192.168.1.11/24") in host.addresses
    assert host.routes == (
        Route("0.0.0.0/0", "end0"),
        Route("172.18.0.0/16", "docker_gwbridge"),
        Route("192.168.1.0/24", "end0"),
        Route("192.168.1.1", "end0"),
    )


def test_the_uplink_is_where_the_default_route_goes_and_a_host_may_have_none() -> None:
    said = """
#> network
default via 192.168.1.1 dev end0 proto dhcp src 192.168.1.11 metric 100
#> mtu
/sys/class/net/end0/mtu 1500
/sys/class/net/lo/mtu 65536
"""
    without = re.sub("default.*", "", said)
    assert [fact.UplinkMtu().parse(sections(text)) for text in (said, without)] == [1500, 0]


def test_what_else_manages_the_host_is_read() -> None:
    host = read()
    assert host.firewalls == ("ufw", "netfilter-persistent")
    assert host.managed_files == {"/etc/docker/daemon.json": "it says that Ansible manages it"}
    assert host.snap_docker
    assert host.in_swarm


@pytest.mark.parametrize(
    ("asked_at", "answered_at", "ahead"),
    [
        (CLOCK - 5, CLOCK + 5, 0.0),
        (CLOCK - 12, CLOCK - 10, 10.0),
        (CLOCK + 10, CLOCK + 12, -10.0),
    ],
)
def test_a_slow_answer_is_not_taken_for_a_wrong_clock(
    asked_at: float, answered_at: float, ahead: float
) -> None:
    assert read(asked_at=asked_at, answered_at=answered_at).clock_ahead == ahead


def test_the_script_runs_to_its_end_on_any_machine() -> None:
    asked = fact.Host()
    done = subprocess.run(["sh", "-c", asked.command()], capture_output=True, text=True, check=True)
    host = asked.process(done.stdout.splitlines())
    assert host.hostname
    assert host.clock_ahead == 0.0
    assert {disk.path for disk in host.disks} == {"/", "/var"}
    for link in host.links:
        assert link.mtu == int(Path(f"/sys/class/net/{link.device}/mtu").read_text())


# Boards
# ------

BOARD = """
#> links
end0 0 yes 1500
wlan0 1 no 1500
eth1 - - 9000
wg0 3 yes 0
#> cloud-init
enabled
preserve_hostname: false
ssh_deletekeys: true
preserve_hostname: "yes"  # ours
#> expired
password ubuntu
account eve
"""


def test_a_host_without_a_word_of_its_board_has_nothing_particular() -> None:
    host = read()
    assert (host.links, host.first_boot_again) == ((), ())
    assert (host.expired_passwords, host.expired_accounts) == ((), ())


def test_the_links_are_read_with_their_address_and_whether_the_boot_waits() -> None:
    assert read(OUTPUT + BOARD).links == (
        Link("end0", random_mac=False, awaited=True, mtu=1500),
        Link("wlan0", random_mac=True, awaited=False, mtu=1500),
        Link("eth1", random_mac=False, awaited=None, mtu=9000),
        Link("wg0", random_mac=False, awaited=True, mtu=0),
    )
    host = read(OUTPUT + BOARD)
    assert host.device("192.168.1.11") == "end0"
    assert host.device("192.168.1.1") == ""
    assert host.link("") is None


@pytest.mark.parametrize(
    ("said", "anew"),
    [
        ([], ()),
        (["enabled"], ("hostname", "host keys")),
        (["enabled", "preserve_hostname: true"], ("host keys",)),
        (["enabled", "ssh_deletekeys:   False"], ("hostname",)),
        (["enabled", "ssh_deletekeys: no", "preserve_hostname: True"], ()),
        (["enabled", "ssh_deletekeys: no", "ssh_deletekeys: yes"], ("hostname", "host keys")),
    ],
)
def test_what_cloud_init_would_do_again_is_read_from_its_settings(
    said: list[str], anew: tuple[str, ...]
) -> None:
    assert read("\n".join([OUTPUT, "#> cloud-init", *said, ""])).first_boot_again == anew


def test_whose_password_or_account_has_expired_is_read() -> None:
    host = read(OUTPUT + BOARD)
    assert (host.expired_passwords, host.expired_accounts) == (("ubuntu",), ("eve",))


# Parts that are asked only where there is something for them
# -----------------------------------------------------------


def parts_seen(root: Path) -> dict[str, str]:
    """What the script says of a host whose file system begins at a folder."""
    (root / "run").mkdir(parents=True, exist_ok=True)
    text = re.sub(r"(?<=[ \n\\])(/(?:etc|run|sys|usr|var)/)", rf"{root}\1", fact.OPTIONAL_PARTS)
    assert text.count(str(root)) > 10
    said = subprocess.run(
        ["sh", "-c", f"set -u\n{text}\noptional_parts"], capture_output=True, text=True, check=True
    )
    return dict(line.split(" ", 1) for line in said.stdout.splitlines())


def test_a_host_without_vpn_and_keepalived_says_nothing_of_them(tmp_path: Path) -> None:
    own = tmp_path / "sys/class/net/eth0"
    own.mkdir(parents=True)
    (own / "uevent").write_text("INTERFACE=eth0\nIFINDEX=2\n")
    assert parts_seen(tmp_path) == {}


@pytest.mark.parametrize("path", [*keepalived_paths.MANAGED])
def test_any_file_of_the_floating_address_has_its_part_look_at_the_host(
    path: str, tmp_path: Path
) -> None:
    file = tmp_path / path.removeprefix("/")
    file.parent.mkdir(parents=True)
    file.write_text("")
    assert [*parts_seen(tmp_path)] == ["keepalived"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (wireguard.config_path("wg0"), ""),
        (wireguard.config_path("anything"), "[Interface]\n"),
        (wireguard.key_path("wg0"), ""),
        (wireguard.link("wg0"), ""),
        ("/run/wireguard/wg7.sock", ""),
        ("/run/tailscale/tailscaled.sock", ""),
        ("/sys/class/net/tailscale0/uevent", "INTERFACE=tailscale0\n"),
        ("/sys/class/net/wt0/uevent", "INTERFACE=wt0\n"),
        ("/sys/class/net/mine/uevent", "DEVTYPE=wireguard\nINTERFACE=mine\n"),
        (f"{rollback.ROOT}/vpn/armed", ""),
        (f"{rollback.ROOT}/vpn/firing", ""),
    ],
)
def test_anything_of_a_vpn_has_its_part_look_at_the_host(
    path: str, text: str, tmp_path: Path
) -> None:
    file = tmp_path / path.removeprefix("/")
    file.parent.mkdir(parents=True)
    file.write_text(text)
    assert [*parts_seen(tmp_path)] == ["vpn"]


def test_what_there_is_for_other_parts_is_read() -> None:
    assert (read().vpn, read().keepalived) == (False, False)
    there = read(OUTPUT.replace("#> self\n", "#> self\nvpn unconfirmed\nkeepalived /etc/x\n"))
    assert (there.vpn, there.keepalived) == (True, True)
