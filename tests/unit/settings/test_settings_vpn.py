"""A VPN that is declared fits together, or it is said what does not."""

from __future__ import annotations

from typing import Any

import pytest

from pyinfra_swarm.settings import Settings
from tests.unit.settings.settings_examples import four_boards, problems, put, the_problem

KEYS = ("A" * 43 + "=", "B" * 43 + "=")
LAPTOP = {"name": "laptop", "public_key": KEYS[0], "address": "10.202.0.100"}
PHONE = {"name": "phone", "public_key": KEYS[1].replace("B=", "A="), "address": "10.202.0.101"}


def with_wireguard(**wireguard: Any) -> dict[str, Any]:
    data = four_boards()
    for number, host in enumerate(data["hosts"], 1):
        host["vpn_address"] = f"10.202.0.{number}"
    data["access"] = {"vpn": "wireguard", "wireguard": {"peers": [LAPTOP, PHONE], **wireguard}}
    return data


def test_a_whole_one_is_taken() -> None:
    settings = Settings(**put("firewall.ssh_sources", ["vpn"], with_wireguard()))
    assert settings.access.vpn_interface == "wg0"
    assert settings.access.vpn_port == 51820
    assert [peer.name for peer in settings.access.wireguard.peers] == ["laptop", "phone"]
    assert settings.host("rk3").vpn_address == "10.202.0.3"


@pytest.mark.parametrize(
    ("vpn", "interface", "port"),
    [("", "", 0), ("tailscale", "tailscale0", 41641), ("netbird", "wt0", 51820)],
)
def test_others_have_their_own_interface_and_port(vpn: str, interface: str, port: int) -> None:
    access = Settings(**put("access.vpn", vpn)).access
    assert (access.vpn_interface, access.vpn_port) == (interface, port)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("firewall.ssh_sources", ["vpn"]),
        ("firewall.open", [{"port": 8080, "sources": ["vpn"]}]),
    ],
)
def test_without_a_vpn_nobody_can_be_let_in_by_it(path: str, value: Any) -> None:
    found = the_problem(put(path, value))
    assert "stands for a VPN, and none is declared" in found.reason
    assert Settings(**put("access.vpn", "netbird", put(path, value)))


def test_each_host_needs_its_address_and_is_offered_a_free_one() -> None:
    data = with_wireguard()
    del data["hosts"][1]["vpn_address"]
    found = the_problem(data)
    assert found.field == 'hosts[1] "rk2".vpn_address'
    assert "each host has an address in the VPN" in found.reason
    assert found.instead == '"10.202.0.2"'


def test_two_hosts_without_one_are_offered_different_ones() -> None:
    data = with_wireguard()
    for host in data["hosts"][:2]:
        del host["vpn_address"]
    assert [one.instead for one in problems(data)] == ['"10.202.0.1"', '"10.202.0.2"']


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("10.203.0.100", "not an address of a computer in access.wireguard.network"),
        ("10.202.0.0", "not an address of a computer"),
        ("10.202.0.255", "not an address of a computer"),
        ("10.202.0.2", 'is also hosts[1] "rk2".vpn_address'),
        ("10.202.0.101", 'is also access.wireguard.peers[0] "laptop".address'),
    ],
)
def test_addresses_are_of_the_network_and_nobody_elses(address: str, why: str) -> None:
    peers = [{**LAPTOP, "address": address}, PHONE]
    assert why in problems(with_wireguard(peers=peers))[0].reason


def test_each_peer_has_its_own_name_and_key() -> None:
    twin = {**PHONE, "name": "laptop"}
    assert (
        'is also that of access.wireguard.peers[0] "laptop"'
        in the_problem(with_wireguard(peers=[LAPTOP, twin])).reason
    )
    twin = {**PHONE, "public_key": LAPTOP["public_key"]}
    assert the_problem(with_wireguard(peers=[LAPTOP, twin])).instead == (
        "a key pair of its own for each computer"
    )


def test_its_network_overlaps_nothing_that_is_declared() -> None:
    data = put("swarm.address_pool", ["10.202.0.0/16"], with_wireguard())
    assert "overlaps swarm.address_pool" in the_problem(data).reason
    Settings(**put("swarm.address_pool", ["10.202.0.0/16"]))


@pytest.mark.parametrize("port", [7946, 4789])
def test_its_port_is_not_the_swarms(port: int) -> None:
    assert the_problem(with_wireguard(port=port)).reason == "is the swarm's own"


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("public_key", "short", "is not a WireGuard public key"),
        ("public_key", KEYS[0] + "=", "is not a WireGuard public key"),
        ("name", "My laptop", "is not made of lower-case letters"),
        ("address", "fd00::1", "is not an IPv4 address"),
    ],
)
def test_what_a_peer_is_made_of(name: str, value: str, why: str) -> None:
    found = the_problem(with_wireguard(peers=[{**LAPTOP, name: value}]))
    assert why in found.reason


@pytest.mark.parametrize("name", ["docker0", "br-lan", "eth0", "lo", "tailscale0", "Wg0", "a" * 16])
def test_an_interface_that_is_others(name: str) -> None:
    assert the_problem(with_wireguard(interface=name)).field == "access.wireguard.interface"


@pytest.mark.parametrize(
    ("endpoint", "why"),
    [
        ("home.example.org", "is not a name or an address with a port"),
        ("home.example.org:0", "a port that is not within"),
        ("https://home:51820", "is not a name or an address with a port"),
    ],
)
def test_an_endpoint_is_a_name_and_a_port(endpoint: str, why: str) -> None:
    assert why in the_problem(put("hosts.0.vpn_endpoint", endpoint)).reason


@pytest.mark.parametrize("endpoint", ["home.example.org:51821", "198.51.100.7:1", "[fd00::1]:2"])
def test_one_that_is(endpoint: str) -> None:
    assert Settings(**put("hosts.0.vpn_endpoint", endpoint)).hosts[0].vpn_endpoint == endpoint
