"""What `pyinfra-swarm wireguard add` makes and prints."""

from __future__ import annotations

import json
import tomllib
from base64 import b64decode
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from pyinfra_swarm.vpn.client import (
    configuration,
    declaration,
    free_address,
    key_pair,
    public_keys,
)
from tests.builders import declared
from tests.unit.vpn.vpn_examples import LAPTOP, PHONE, SETTINGS, key, settings


def test_a_key_pair_is_of_curve25519_and_new_each_time() -> None:
    pair = key_pair()
    private = X25519PrivateKey.from_private_bytes(b64decode(pair.private))
    assert private.public_key().public_bytes_raw() == b64decode(pair.public)
    assert key_pair().private != pair.private


def test_its_private_half_is_not_shown() -> None:
    pair = key_pair()
    assert pair.private not in repr(pair)
    assert pair.private not in f"{pair}"
    assert repr(pair) == f"KeyPair(public={pair.public!r})"


def test_clients_get_addresses_behind_the_hosts() -> None:
    assert free_address(settings(peers=[])) == "10.202.0.100"
    assert free_address(settings(peers=[LAPTOP])) == "10.202.0.101"
    assert free_address(settings(peers=[PHONE])) == "10.202.0.100"


def test_a_small_network_is_used_up_to_the_last_address() -> None:
    small = settings(network="10.202.0.0/29", peers=[])
    assert free_address(small) == "10.202.0.5"
    full = [
        {**LAPTOP, "name": f"p{n}", "public_key": key(n), "address": f"10.202.0.{n}"}
        for n in (5, 6)
    ]
    assert free_address(settings(network="10.202.0.0/29", peers=full)) == ""


def test_once_those_behind_the_hosts_are_taken_the_free_ones_before_are_used() -> None:
    many = [
        {**LAPTOP, "name": f"p{n}", "public_key": key(n), "address": f"10.202.0.{n}"}
        for n in range(100, 127)
    ]
    assert free_address(settings(network="10.202.0.0/25", peers=many)) == "10.202.0.5"
    assert free_address(settings(network="10.202.0.0/25", peers=many[:-1])) == "10.202.0.126"


def test_a_client_has_each_host_that_has_a_key_as_a_peer() -> None:
    text = configuration(
        SETTINGS, "tablet", "10.202.0.102", "PRIVATE", {"rk1": key(8), "rk3": key(9)}
    )
    assert text == (
        "[Interface]\n"
        "# tablet\n"
        "PrivateKey = PRIVATE\n"
        "Address = 10.202.0.102/32\n"
        "\n"
        "[Peer]\n"
        "# rk1\n"
        f"PublicKey = {key(8)}\n"
        "Endpoint = 192.168.1.11:51820\n"
        "AllowedIPs = 10.202.0.1/32\n"
        "\n"
        "[Peer]\n"
        "# rk3\n"
        f"PublicKey = {key(9)}\n"
        "Endpoint = 192.168.1.13:51820\n"
        "AllowedIPs = 10.202.0.3/32\n"
    )


def test_from_outside_a_host_is_where_its_endpoint_says() -> None:
    differing: dict[str, Any] = {
        f"rk{n}": {"vpn_address": f"10.202.0.{n}", "vpn_endpoint": f"home.example.org:{n}"}
        for n in (1, 2, 3, 4)
    }
    made = declared(access={"vpn": "wireguard"}, **differing)
    assert "Endpoint = home.example.org:2\n" in configuration(made, "x", "y", "z", {"rk2": key(1)})


def test_a_client_with_a_key_of_its_own_is_shown_none() -> None:
    text = configuration(SETTINGS, "tablet", "10.202.0.102", "", {"rk1": key(8)})
    assert text.splitlines()[2:4] == ["# PrivateKey = (yours)", "Address = 10.202.0.102/32"]
    assert "\nPrivateKey" not in text


def test_the_lines_for_the_file_are_taken_as_they_are() -> None:
    made = settings(peers=[])
    lines = declaration("tablet", "10.202.0.102", key(4))
    [peer] = tomllib.loads(lines)["access"]["wireguard"]["peers"]
    assert peer == {"name": "tablet", "public_key": key(4), "address": "10.202.0.102"}
    assert settings(peers=[peer]).access.wireguard.peers[0].name == "tablet"
    assert made != settings(peers=[peer])


def answer(**keys: Any) -> str:
    return json.dumps({"facts.vpn.State": {h: {"keys": value} for h, value in keys.items()}})


def test_public_keys_of_the_hosts_that_have_said_one() -> None:
    said = answer(rk1={"wg0": {"public": key(1)}}, rk2={}, rk3={"wg1": {"public": key(3)}})
    assert public_keys(said, "wg0") == {"rk1": key(1)}
    odd = answer(rk1={"wg0": {"public": 7}}, rk2={"wg0": None}, rk3={"wg0": {"public": key(3)}})
    assert public_keys(odd, "wg0") == {"rk3": key(3)}


def test_a_host_that_says_nothing_hides_no_other_s_key() -> None:
    mine = {"keys": {"wg0": {"public": key(3)}}}
    nothings: list[Any] = [None, {}, {"keys": {}}, {"keys": {"wg0": {}}}]
    for nothing in nothings:
        said = json.dumps({"facts.vpn.State": {"rk1": nothing, "rk3": mine}})
        assert public_keys(said, "wg0") == {"rk3": key(3)}


@pytest.mark.parametrize(
    "said", ["", "[]", "{}", '{"a": {"rk1": null}}', '{"a": {"rk1": 7}}', '{"a": [1]}', "{"]
)
def test_an_answer_that_is_none(said: str) -> None:
    assert public_keys(said, "wg0") == {}


@pytest.mark.parametrize(
    "words", ["$(reboot)", "\x1b]0;x\x07" + "A" * 38, key(1) + "\nEndpoint = x"]
)
def test_what_is_no_key_is_never_printed(words: str) -> None:
    assert public_keys(answer(rk1={"wg0": {"public": words}}), "wg0") == {}
