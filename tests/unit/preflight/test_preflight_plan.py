"""Preflight: what is refused of one host, in which words, and what is let through."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyinfra_swarm.host.system import Address, Disk, Host, Link, Route
from pyinfra_swarm.preflight import plan as preflight
from pyinfra_swarm.run.findings import Notice, Refusal
from tests.unit.preflight.hosts import (
    GIB,
    SETTINGS,
    SOUND,
    declared,
    differing,
    found_on,
    the_notice,
    the_refusal,
)


def test_nothing_speaks_against_a_sound_host() -> None:
    assert found_on(SOUND) == []


def test_a_silent_host_is_not_judged_and_fails_nobody_else() -> None:
    assert preflight.plan(SETTINGS, "rk1", {"rk1": SOUND, "rk2": None}) == []


@pytest.mark.parametrize(
    ("distribution", "version"),
    [("debian", "12"), ("debian", "13"), ("ubuntu", "24.04"), ("ubuntu", "26.04")],
)
def test_the_supported_distributions_pass(distribution: str, version: str) -> None:
    assert found_on(differing(distribution=distribution, version=version)) == []


@pytest.mark.parametrize(
    ("distribution", "version"),
    [("debian", "11"), ("ubuntu", "22.04"), ("fedora", "43"), ("raspbian", "13")],
)
def test_another_distribution_is_refused_with_the_supported_ones(
    distribution: str, version: str
) -> None:
    sentence = the_refusal(differing(distribution=distribution, version=version))
    assert f"{distribution} {version} → Ubuntu 24.04, Ubuntu 26.04, Debian 12 or Debian 13" in (
        sentence
    )


def test_another_architecture_is_refused_with_the_supported_ones() -> None:
    assert "armhf → amd64 or arm64" in the_refusal(differing(architecture="armhf"))


def test_a_host_without_systemd_is_refused() -> None:
    assert "systemd does not run" in the_refusal(differing(systemd=False))


@pytest.mark.parametrize(
    ("ahead", "words"),
    [(-600.0, "10 minutes behind this computer's"), (7200.0, "2 hours ahead of this computer's")],
)
def test_a_clock_that_certificates_do_not_bear_is_refused(ahead: float, words: str) -> None:
    sentence = the_refusal(differing(clock_ahead=ahead))
    assert words in sentence
    assert "timedatectl" in sentence


def test_a_clock_that_is_a_little_off_is_reported() -> None:
    assert "45 seconds ahead" in the_notice(differing(clock_ahead=45.0))


def test_a_running_swarm_bears_more_than_a_new_one() -> None:
    assert "10 minutes behind" in the_notice(differing(clock_ahead=-600.0, in_swarm=True))
    assert "50 minutes behind" in the_refusal(differing(clock_ahead=-3000.0, in_swarm=True))


@given(ahead=st.floats(min_value=-1e9, max_value=1e9))
def test_a_clock_is_judged_alike_in_both_directions(ahead: float) -> None:
    kinds = [
        [finding.kind for finding in found_on(differing(clock_ahead=sign * ahead))]
        for sign in (1, -1)
    ]
    assert kinds[0] == kinds[1]


def test_a_full_disk_is_refused_with_what_is_needed() -> None:
    disks = (Disk("/", 20 * GIB, None, "a1"), Disk("/var", 700 * 2**20, None, "b2"))
    sentence = the_refusal(differing(disks=disks))
    assert "disk space on /var" in sentence
    assert "700 MiB → 2048 MiB free" in sentence


def test_less_space_suffices_once_docker_is_installed() -> None:
    disks = (Disk("/", 20 * GIB, None, "a1"), Disk("/var", 700 * 2**20, None, "b2"))
    assert found_on(differing(disks=disks, engine="28.5.2")) == []


def test_folders_on_one_file_system_are_refused_once_with_what_both_need() -> None:
    disks = (Disk("/", 400 * 2**20, None, "a1"), Disk("/var", 400 * 2**20, None, "a1"))
    sentence = the_refusal(differing(disks=disks))
    assert "disk space on /var" in sentence
    assert "2048 MiB free" in sentence
    assert "du -xhd1 / |" in sentence


def test_a_disk_without_inodes_is_refused() -> None:
    disks = (Disk("/", 20 * GIB, 12, "a1"), Disk("/var", 20 * GIB, None, "b2"))
    assert "inodes on /" in the_refusal(differing(disks=disks))


def test_docker_of_the_distribution_is_refused_with_how_to_remove_it() -> None:
    sentence = the_refusal(differing(packages={"docker.io": "26.1.5", "runc": "1.1"}))
    assert "sudo apt remove docker.io runc" in sentence


def test_docker_as_a_snap_is_refused() -> None:
    assert "sudo snap remove --purge docker" in the_refusal(differing(snap_docker=True))


def test_a_file_that_another_tool_manages_is_refused() -> None:
    managed = {"/etc/docker/daemon.json": "it says that Ansible manages it"}
    sentence = the_refusal(differing(managed_files=managed))
    assert "/etc/docker/daemon.json: another tool manages this file" in sentence
    assert "Ansible" in sentence


def test_another_firewall_is_refused_where_ours_is_wanted() -> None:
    assert "`ufw disable`" in the_refusal(differing(firewalls=("ufw",)))
    assert "loaded after it" in the_notice(differing(firewalls=("netfilter-persistent",)))


def test_where_the_firewall_is_not_ours_to_set_another_is_only_named() -> None:
    settings = declared(firewall={"enabled": False})
    said = the_notice(differing(firewalls=("ufw",)), settings)
    assert "may drop what the swarm needs: ports 2377, 7946" in said
    assert "sudo ufw disable" in said
    said = the_notice(differing(firewalls=("firewalld",)), settings)
    assert "sudo systemctl disable firewalld" in said


def test_an_address_that_the_host_does_not_have_is_refused() -> None:
    addresses = (Address("lo", "127.0.0.1/8"), Address("end0", "192.168.1.99/24"))
    assert "192.168.1.99 → 192.168.1.11" in the_refusal(differing(addresses=addresses))


def test_a_hostname_other_than_the_declared_one_is_reported() -> None:
    assert "sudo hostnamectl set-hostname rk1" in the_notice(differing(hostname="turing"))


def test_an_address_pool_that_hides_a_route_is_refused() -> None:
    routes = (*SOUND.routes, Route("10.200.7.0/24", "wg0"))
    sentence = the_refusal(differing(routes=routes))
    assert "swarm.address_pool: 10.200.0.0/16 overlaps 10.200.7.0/24" in sentence
    assert "wg0" in sentence


def test_an_ingress_subnet_that_hides_a_route_is_refused() -> None:
    routes = (*SOUND.routes, Route("10.201.0.0/16", "tun0"))
    assert "networks.ingress_subnet" in the_refusal(differing(routes=routes))


def test_in_a_swarm_whose_pool_cannot_change_a_collision_is_only_reported() -> None:
    routes = (*SOUND.routes, Route("10.200.7.0/24", "wg0"))
    assert "Renumber" in the_notice(differing(routes=routes, in_swarm=True))


@pytest.mark.parametrize("device", ["docker0", "docker_gwbridge", "br-0123456789ab"])
def test_networks_of_docker_itself_collide_with_nothing(device: str) -> None:
    routes = (*SOUND.routes, Route("10.200.7.0/24", device))
    assert found_on(differing(routes=routes)) == []


_NETWORKS = st.builds(
    lambda address, prefix: str(ipaddress.ip_network((address, prefix), strict=False)),
    st.integers(min_value=0, max_value=2**32 - 1),
    st.integers(min_value=1, max_value=32),
)


@given(network=_NETWORKS)
def test_exactly_the_routes_that_share_addresses_with_the_pools_are_refused(network: str) -> None:
    pools = ["10.200.0.0/16", "10.201.0.0/24"]
    shared = [
        pool
        for pool in map(ipaddress.IPv4Network, pools)
        if pool[0] in ipaddress.IPv4Network(network) or ipaddress.IPv4Network(network)[0] in pool
    ]
    routes = (*SOUND.routes, Route(network, "wg0"))
    assert len(found_on(differing(routes=routes))) == len(shared)


# At the limits
# -------------

MIB = 2**20


def disks(*found: Disk, engine: str = "") -> list[str]:
    """What is said of these disks."""
    host = differing(disks=found, engine=engine)
    return [finding.sentence() for finding in found_on(host) if "on /" in finding.what]


@pytest.mark.parametrize(
    ("engine", "root", "var"), [("", 1024, 2048), ("28.5.2", 100, 500)], ids=["before", "after"]
)
def test_each_folder_needs_its_own_space(engine: str, root: int, var: int) -> None:
    def said(root_free: int, var_free: int) -> list[str]:
        return disks(
            Disk("/", root_free, None, "a1"), Disk("/var", var_free, None, "b2"), engine=engine
        )

    assert said(root * MIB, var * MIB) == []
    [first] = said(root * MIB - 1, var * MIB)
    assert f"({root - 1} MiB → {root} MiB free)" in first
    [second] = said(root * MIB, var * MIB - 1)
    assert f"({var - 1} MiB → {var} MiB free)" in second
    for sentence in (first, second):
        assert ("`docker system df` shows Docker's part" in sentence) is bool(engine)
    assert len(said(0, 0)) == 2


def test_a_host_without_a_var_of_its_own_is_judged_by_the_rest() -> None:
    [sentence] = disks(Disk("/", 0, None, "a1"))
    assert sentence.startswith("disk space on /:")
    assert "`sudo du -xhd1 / | sort -h`" in sentence
    [sentence] = disks(Disk("/", 0, None, "a1"), Disk("/var", 0, None, "a1"))
    assert sentence.startswith("disk space on /var:")
    assert "`sudo du -xhd1 / | sort -h`" in sentence
    [sentence] = disks(Disk("/", 20 * GIB, None, "a1"), Disk("/var", 0, None, "b2"))
    assert "`sudo du -xhd1 /var | sort -h`" in sentence


def test_twenty_thousand_files_are_enough() -> None:
    assert disks(Disk("/", 20 * GIB, 20_000, "a1")) == []
    [sentence] = disks(Disk("/", 20 * GIB, 19_999, "a1"))
    assert "(19999 → 20000 free)" in sentence


@pytest.mark.parametrize(
    ("ahead", "in_swarm", "kind"),
    [
        (30, False, None),
        (31, False, Notice),
        (-120, False, Notice),
        (121, False, Refusal),
        (121, True, Notice),
        (-45 * 60, True, Notice),
        (45 * 60 + 1, True, Refusal),
    ],
)
def test_how_far_a_clock_may_be_off(ahead: float, in_swarm: bool, kind: type | None) -> None:
    found = found_on(differing(clock_ahead=float(ahead), in_swarm=in_swarm))
    assert [type(finding) for finding in found] == ([kind] if kind else [])
    if found:
        assert ("ahead of" if ahead > 0 else "behind") in found[0].reason


@pytest.mark.parametrize(
    ("seconds", "words"), [(90_000, "25 hours"), (86_400 * 3, "3 days"), (600, "10 minutes")]
)
def test_how_far_it_is_off_is_told_as_people_say_it(seconds: float, words: str) -> None:
    assert words in the_refusal(differing(clock_ahead=seconds))


@pytest.mark.parametrize(
    "package",
    ["docker.io", "docker-doc", "docker-compose", "podman-docker", "containerd", "runc"],
)
def test_each_package_that_docker_names_conflicts(package: str) -> None:
    sentence = the_refusal(differing(packages={package: "1", "containerd.io": "1.7"}))
    assert f"`sudo apt remove {package}`" in sentence


def test_the_addresses_that_a_host_has_are_named_without_its_loopback() -> None:
    own = [Address("lo", "127.0.0.1/8"), Address("a", "10.0.0.1/8"), Address("b", "10.1.0.2/8")]
    sentence = the_refusal(differing(addresses=(*own, Address("c", "10.2.0.3/8"))))
    assert "(10.0.0.1, 10.1.0.2 and 10.2.0.3 → 192.168.1.11)" in sentence
    assert "(10.0.0.1 → 192.168.1.11)" in the_refusal(differing(addresses=tuple(own[:2])))
    assert "(none → 192.168.1.11)" in the_refusal(differing(addresses=tuple(own[:1])))


def test_the_subnets_of_declared_networks_hide_no_route_either() -> None:
    overlays = [{"name": "free"}, {"name": "apps", "subnet": "10.77.0.0/24"}]
    settings = declared(networks={"overlays": overlays})
    host = differing(routes=(*SOUND.routes, Route("10.77.0.0/16", "end1")))
    [finding] = found_on(host, settings)
    assert finding.what == "the subnet of networks.overlays “apps”"
    assert found_on(host) == []
    ingress = differing(routes=(Route(SETTINGS.networks.ingress_subnet, "end1"),))
    assert [f.what for f in found_on(ingress)] == ["networks.ingress_subnet"]


# The MTU that networks are made for
# ----------------------------------


def carrying(mtu: int, **differing: Any) -> Host:
    links = (Link("end0", random_mac=False, awaited=True, mtu=mtu), Link("eth1", False, None, 576))
    return replace(SOUND, links=links, **differing)


def test_networks_for_larger_packets_than_the_link_carries_are_refused_with_the_sum() -> None:
    sentence = the_refusal(carrying(1500), declared(networks={"mtu": 9000}))
    assert sentence == (
        "networks.mtu: end0 carries 1500 bytes. A network that is made for 9000 lets containers "
        "send 8924, which are 9000 with 50 for VXLAN and 26 for ESP: 7500 too many, so large "
        "packets would be lost or torn apart (9000 → at most 1500). Set networks.mtu to 0, which "
        "takes the smallest of the hosts' own, or to 1500; or raise that of end0 and of the way "
        "between the hosts"
    )


def test_a_running_swarm_is_told_of_it_and_goes_on() -> None:
    sentence = the_notice(carrying(1400, in_swarm=True), declared(networks={"mtu": 1500}))
    assert "100 too many" in sentence
    assert sentence.endswith("A network keeps what it was made for until it is created again")


def test_a_link_below_what_can_be_declared_is_not_offered_as_a_setting() -> None:
    sentence = the_refusal(carrying(1279), declared(networks={"mtu": 1500}))
    assert "or to 1279" not in sentence
    assert "or to 1280" in the_refusal(carrying(1280), declared(networks={"mtu": 1500}))


@pytest.mark.parametrize(
    ("mtu", "link"), [(1500, 1500), (1420, 1500), (0, 1500), (0, 576), (9000, 0)]
)
def test_an_mtu_that_fits_is_not_declared_or_not_known_speaks_against_nothing(
    mtu: int, link: int
) -> None:
    assert found_on(carrying(link), declared(networks={"mtu": mtu})) == []


def test_an_interface_that_is_not_known_is_not_judged() -> None:
    settings = declared(networks={"mtu": 9000})
    assert found_on(SOUND, settings) == []
    elsewhere = carrying(1500, addresses=(Address("br0", "192.168.1.11/24"),))
    assert found_on(elsewhere, settings) == []
