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


def record(data: bytes, *, kind: int = 1, network: int = 1, name: bytes = b"\xc0\x0c") -> bytes:
    return name + struct.pack(">HHIH", kind, network, 600, len(data)) + data


def reply(asked: bytes, *addresses: str, code: int = 0, more: tuple[bytes, ...] = ()) -> bytes:
    """As an engine answers: the question once more, then a record for each address. more: others
    before these."""
    records = [*more, *(record(socket.inet_aton(address)) for address in addresses)]
    counts = struct.pack(">HHHH", 1, len(records), 0, 0)
    return asked[:2] + bytes([0x81, 0x80 | code]) + counts + asked[12:] + b"".join(records)


def test_each_host_asks_for_what_any_host_knows_in_a_network_that_it_is_in() -> None:
    observed = knowing(
        rk1={"apps": ("web",)},
        rk2={"apps": ("db", "zoo", "api"), "other": ("x",)},
        rk3={"ingress": ("web",)},
    )
    in_apps = end(1, "apps")
    found = everywhere() | {"rk1": (end(1), in_apps), "rk3": (in_apps,), "rk4": None}
    assert lookups(observed, found, ["rk1", "rk2", "rk3", "rk4"]) == tuple(
        Lookup(host, "apps", "lb_apps", service)
        for host in ("rk1", "rk3")
        for service in ("api", "db", "web", "zoo")
    )
    assert WEB not in lookups({**observed, "rk1": None}, found, ["rk1"])


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
    assert labels == name.split(".")
    assert rest == b"\0" + struct.pack(">HH", 1, 1)


def test_addresses_are_read_however_many_there_are() -> None:
    addresses = [f"10.0.{n // 250}.{n % 250}" for n in range(300)]
    said = reply(query("web"), *addresses)
    assert read(said, query("web")) == Answer(0, tuple(addresses))
    without_recursion = said[:3] + b"\0" + said[4:]
    assert read(without_recursion, query("web")).addresses == tuple(addresses)


@pytest.mark.parametrize(
    "name", [b"\3web\0", b"\1w\0", b"\2\xc0\0\0", b"\1a\1b\0", b"\1a\xc0\x0c", b"\0"]
)
def test_a_records_own_name_is_passed_over_in_whatever_form(name: bytes) -> None:
    first = record(socket.inet_aton("10.0.1.5"), name=name)
    said = reply(query("web"), "10.0.1.6", more=(first,))
    assert read(said, query("web")) == Answer(0, ("10.0.1.5", "10.0.1.6"))


@pytest.mark.parametrize(
    "other",
    [
        record(b"\1x\xc0\x0c", kind=5),
        record(bytes(4), network=3),
        record(bytes(4), network=257),
        record(bytes(4), kind=257),
        record(bytes(5)),
        record(b"\xff" + bytes(299), kind=16),
    ],
    ids=["an alias", "of another network", "of 257", "of kind 257", "too long", "a long text"],
)
def test_other_records_are_no_addresses(other: bytes) -> None:
    said = reply(query("web"), "10.0.1.5", more=(other,))
    assert read(said, query("web")) == Answer(0, ("10.0.1.5",))


def test_what_comes_after_the_answers_is_none() -> None:
    more = record(socket.inet_aton("10.0.1.9"))
    said = reply(query("web"), "10.0.1.5") + more
    assert read(said, query("web")) == Answer(0, ("10.0.1.5",))


def test_an_error_is_read() -> None:
    said = reply(query("web"), code=3)
    assert read(said, query("web")) == read(said[:12], query("web")) == Answer(3)


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


def test_a_line_for_each_name_and_a_program_that_asks_the_engine_itself() -> None:
    encoded = {name: ",".join(map(str, query(name))) for name in ("web", "db")}
    assert names.asked([WEB, replace(WEB, sandbox="lb_other", service="db")]).splitlines() == [
        f"lb_apps web {encoded['web']}",
        f"lb_other db {encoded['db']}",
    ]
    for value in ("server=127.0.0.11/53", "tries=3", "seconds=5", "at_once=20"):
        assert f"{value}\n" in names.script()


def test_what_a_host_prints_is_read_line_by_line() -> None:
    lines = [
        f"lb_apps web {reply(query('web'), '10.0.1.5').hex()}",
        "lb_apps db ",
        "lb_apps odd 0",
        "lb_apps",
        f"lb_apps {'a' * 300} {reply(query('web'), '10.0.1.5').hex()}",
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
    assert once == names.TRIES * (names.SECONDS + 1)
    many = [replace(WEB, service=f"web{n}") for n in range(names.AT_ONCE)]
    assert names.longest(many) == once
    assert names.longest([*many, WEB]) == 2 * once
    assert names.longest([*many, replace(WEB, sandbox="lb_other")]) == 2 * once
