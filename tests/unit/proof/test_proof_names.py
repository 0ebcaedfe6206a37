"""Names of services: who asks for which, what is asked, what an answer means."""

from __future__ import annotations

import socket
import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyinfra_swarm.nodes.membership import Observed
from pyinfra_swarm.proof import names
from pyinfra_swarm.proof.names import Answer, Lookup, answers, lookups, query, read, verdict
from tests.unit.proof.test_proof_plan import FOUR, end, everywhere

SUBNETS = ["10.200.0.0/24", "10.0.1.0/24"]
WEB = Lookup("rk1", "apps", "lb_apps", "web")


def knowing(**hosts: dict[str, tuple[str, ...]]) -> Observed:
    found = dict(FOUR)
    for name, known in hosts.items():
        said = found[name]
        assert said is not None
        found[name] = replace(said, names=known)
    return found


def reply(asked: bytes, *addresses: str, code: int = 0, pointer: bool = True) -> bytes:
    """As an engine answers: the question once more, then an address each."""
    name = b"\xc0\x0c" if pointer else asked[12:-4]
    records = b"".join(
        name + struct.pack(">HHIH", 1, 1, 600, 4) + socket.inet_aton(address)
        for address in addresses
    )
    counts = struct.pack(">HHHH", 1, len(addresses), 0, 0)
    return asked[:2] + bytes([0x81, 0x80 | code]) + counts + asked[12:] + records


def test_each_host_asks_for_what_any_host_knows_in_a_network_that_it_is_in() -> None:
    observed = knowing(
        rk1={"apps": ("web",)}, rk2={"apps": ("db",), "other": ("x",)}, rk3={"ingress": ("web",)}
    )
    in_apps = end(1, "apps")
    found = everywhere() | {"rk1": (end(1), in_apps), "rk3": (in_apps,), "rk4": None}
    assert lookups(observed, found, ["rk1", "rk2", "rk3", "rk4"]) == (
        Lookup("rk1", "apps", "lb_apps", "db"),
        WEB,
        Lookup("rk3", "apps", "lb_apps", "db"),
        Lookup("rk3", "apps", "lb_apps", "web"),
    )
    assert lookups({**observed, "rk1": None}, found, ["rk1"]) == (
        Lookup("rk1", "apps", "lb_apps", "db"),
    )


@pytest.mark.parametrize("name", ["", "a b", "a\nb", "a..b", ".a", "a.", "ä", "a" * 64, "$(x)"])
def test_what_is_no_name_of_a_service_is_asked_for_nowhere(name: str) -> None:
    found = {"rk1": (end(1, "apps"),)}
    assert lookups(knowing(rk1={"apps": (name,)}), found, ["rk1"]) == ()


@pytest.mark.parametrize("name", ["web", "shop_web-1", "a.b.c", "W", "a" * 63])
def test_a_question_is_that_of_dns(name: str) -> None:
    message = query(name)
    identity, flags, *counts = struct.unpack(">6H", message[:12])
    assert (flags, counts) == (0x0100, [1, 0, 0, 0])
    assert identity
    labels, rest = [], message[12:]
    while rest[0]:
        labels.append(rest[1 : 1 + rest[0]].decode())
        rest = rest[1 + rest[0] :]
    assert ".".join(labels) == name
    assert rest == b"\0" + struct.pack(">HH", 1, 1)


@pytest.mark.parametrize("pointer", [True, False])
def test_addresses_are_read(pointer: bool) -> None:
    said = reply(query("web"), "10.0.1.5", "10.0.1.6", pointer=pointer)
    assert read(said, query("web")) == Answer(0, ("10.0.1.5", "10.0.1.6"))


def test_other_records_are_no_addresses() -> None:
    asked = query("web")
    alias = b"\xc0\x0c" + struct.pack(">HHIH", 5, 1, 600, 4) + b"\x01x\xc0\x0c"
    chaos = b"\xc0\x0c" + struct.pack(">HHIH", 1, 3, 600, 4) + bytes(4)
    wide = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 600, 5) + bytes(5)
    said = reply(asked)[:6] + b"\0\x04" + reply(asked)[8:] + alias + chaos + wide
    said += reply(asked, "10.0.1.5")[len(asked) :]
    assert read(said, asked) == Answer(0, ("10.0.1.5",))


def test_an_error_is_read() -> None:
    assert read(reply(query("web"), code=3), query("web")) == Answer(3)


@pytest.mark.parametrize(
    "said",
    [b"", reply(query("web"))[:11], query("web"), b"\0\0" + reply(query("web"), "10.0.1.5")[2:]],
    ids=["nothing", "cut", "a question", "to another question"],
)
def test_what_is_no_answer_says_nothing(said: bytes) -> None:
    assert read(said, query("web")) == Answer()


@given(st.binary(max_size=80))
def test_any_bytes_are_read(said: bytes) -> None:
    whole = query("web")[:2] + b"\x81" + said
    assert isinstance(read(whole, query("web")), Answer)
    assert isinstance(read(said, query("web")), Answer)


def test_what_a_host_prints_is_read_line_by_line() -> None:
    lines = [
        f"lb_apps web {reply(query('web'), '10.0.1.5').hex()}",
        "lb_apps db ",
        "lb_apps odd 0",
        "lb_apps",
        "words of bash",
    ]
    assert answers(lines) == {
        ("lb_apps", "web"): Answer(0, ("10.0.1.5",)),
        ("lb_apps", "db"): Answer(),
    }


@pytest.mark.parametrize(
    ("said", "reason", "found"),
    [
        ({}, "did not answer in the network apps", ""),
        ({("lb_other", "web"): Answer(0, ("10.0.1.5",))}, "did not answer", ""),
        ({("lb_apps", "web"): Answer(3)}, "not found on this node in the network apps", "NXDOMAIN"),
        ({("lb_apps", "web"): Answer(2)}, "not found on this node", "SERVFAIL"),
        ({("lb_apps", "web"): Answer(0)}, "not found on this node", "no address (code 0)"),
        (
            {("lb_apps", "web"): Answer(0, ("203.0.113.9",))},
            "leads out of the swarm's networks on this node, in the network apps",
            "203.0.113.9",
        ),
    ],
)
def test_what_is_wrong_with_a_name(
    said: dict[tuple[str, str], Answer], reason: str, found: str
) -> None:
    [(lookup, notice)] = verdict([WEB], said, SUBNETS).items()
    assert lookup == WEB
    assert notice.what == "service web"
    assert reason in notice.reason
    assert notice.found == found
    assert "`" in notice.remedy


def test_a_name_that_leads_into_one_of_the_swarms_networks_is_found() -> None:
    said = {("lb_apps", "web"): Answer(0, ("203.0.113.9", "10.0.1.5"))}
    assert verdict([WEB], said, SUBNETS) == {}
    elsewhere = {("lb_apps", "web"): Answer(0, ("203.0.113.9",))}
    assert verdict([WEB], elsewhere, []) == {}, "the networks are not known"


def test_the_longest_that_lookups_may_take_grows_with_what_is_asked_at_once() -> None:
    assert names.longest([]) == 0
    once = names.longest([WEB])
    assert once >= names.TRIES * names.SECONDS
    many = [replace(WEB, service=f"web{n}") for n in range(names.AT_ONCE)]
    assert names.longest(many) == once
    assert names.longest([*many, WEB]) == 2 * once
    assert names.longest([WEB, replace(WEB, sandbox="lb_other")]) == 2 * once
