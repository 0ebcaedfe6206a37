"""The refresher against servers that answer rightly, wrongly, and not at all.

Whatever comes: the door is swapped whole or left as it was, the last good list stays on disk, and
exit status, status file and journal say which of the two happened.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyinfra_swarm.firewall.paths import LISTS, SCRIPT, STATUS
from pyinfra_swarm.firewall.policy import FAMILIES, Family
from pyinfra_swarm.firewall.rules import WEB, web_rules
from pyinfra_swarm.firewall.web_ranges import SHIPPED
from tests.netns.conftest import Host
from tests.netns.enter import inside
from tests.netns.range_server import Answer, RangeServer

V4, V6 = SHIPPED["ipv4"], SHIPPED["ipv6"]

ELSEWHERE = "elsewhere.localhost"


before_iptables = pytest.mark.parametrize("host", ["nft"], indirect=True)
"""For what is decided before iptables is asked, so that the back end is all the same."""


def lines(*networks: str, end: str = "\n") -> bytes:
    return (end.join(networks) + end).encode()


NEW4 = lines("198.51.100.0/24", *V4)
NEW6 = lines("2001:db8:cf::/48", *V6)
ANSWERS = {
    "/good-v4": Answer(NEW4.rstrip()),  # as they are published: the last line has no end
    "/good-v6": Answer(NEW6.rstrip()),
    "/crlf": Answer(NEW4.replace(b"\n", b"\r\n")),
    "/host-bits": Answer(lines(*V4, "198.51.100.77/24")),
    "/half": Answer(lines(*V4[:8])),
    "/same-place": Answer(status=302, location="/good-v4"),
    "/empty": Answer(),
    "/blank": Answer(b"\n \n\r\n"),
    "/html": Answer(b"<!DOCTYPE html>\n<html><body>Please sign in.</body></html>\n"),
    "/truncated": Answer(NEW4[:100], short=len(NEW4) - 100),
    "/cut-mid-line": Answer(b"\n".join(NEW4.split(b"\n")[:12]) + b"\n104.1"),
    "/less-than-half": Answer(lines(*V4[:7])),
    "/everywhere": Answer(lines(*V4, "0.0.0.0/0")),
    "/everywhere-v6": Answer(lines(*V6, "::/0")),
    "/wide-v6": Answer(lines(*V6, "2000::/3")),
    "/two-halves": Answer(lines(*V4, "0.0.0.0/1", "128.0.0.0/1")),
    "/the-internet": Answer(lines(*V4, *(f"{n}.0.0.0/8" for n in range(11, 100)))),
    "/17-times": Answer(lines(*V4, "11.0.0.0/8", "12.0.0.0/9", "12.128.0.0/10")),
    "/wide-v6-by-sum": Answer(lines(*V6, "2a00::/16")),
    "/grown": Answer(lines(*V4, "11.0.0.0/8")),
    "/private": Answer(lines(*V4, "192.168.0.0/16")),
    "/carrier": Answer(lines(*V4, "100.64.0.0/10")),
    "/loopback": Answer(lines(*V4, "127.0.0.0/8")),
    "/octal": Answer(lines(*V4, "012.0.0.0/8")),
    "/unique-local": Answer(lines(*V6, "fd00::/16")),
    "/other-family": Answer(lines(*V6)),
    "/no-network-v6": Answer(lines(*V6, "2606:4700:::/32")),
    "/garbage": Answer(bytes(range(256)) * 4),
    "/nul": Answer(NEW4.replace(b"/20\n", b"/20\0-j ACCEPT\n", 1)),
    "/option": Answer(lines(*V4, "198.51.100.0/24 -j ACCEPT")),
    "/commit": Answer(lines(*V4, "COMMIT", "*nat")),
    "/huge": Answer(lines(*(f"198.51.{n // 250}.{n % 250}/32" for n in range(9000)))),
    "/error": Answer(b"sorry\n", status=500),
    "/missing": Answer(b"sorry\n", status=404),
    "/hangs": Answer(NEW4, silent=30),
}


@pytest.fixture
def server(host: Host, tmp_path: Path) -> Iterator[RangeServer]:
    """A server on the host's own loopback, and the firewall loaded with the shipped lists."""
    answers = dict(ANSWERS)
    made = inside(host.pid, lambda: RangeServer(answers, tmp_path, "localhost", ELSEWHERE))
    answers["/elsewhere"] = Answer(status=302, location=made.url("good-v4", name=ELSEWHERE))
    answers["/plain"] = Answer(status=302, location=made.url("good-v4", scheme="http"))
    host.install(urls={"ipv4": made.url("good-v4"), "ipv6": made.url("good-v6")})
    host.firewall("load")
    try:
        yield made
    finally:
        made.close()


def ask(host: Host, server: RangeServer, **paths: str) -> None:
    """Have the script ask for other answers: ``ipv4="html"``."""
    names = {"ipv4": "good-v4", "ipv6": "good-v6", **paths}
    host.install(urls={family: server.url(names[family]) for family in FAMILIES})


def refresh(
    host: Host, server: RangeServer, *arguments: str, bundle: Path | None = None
) -> subprocess.CompletedProcess[str]:
    trusted = str(bundle or server.bundle)
    return host.firewall("refresh", *arguments, check=False, CURL_CA_BUNDLE=trusted)


def door(host: Host, family: Family = "ipv4") -> tuple[str, ...]:
    return host.table(family)[WEB]


def status(host: Host) -> list[str]:
    """What the status file says of each family; its first line is the time."""
    when, *said = host.path(STATUS).read_text().splitlines()
    assert abs(int(when) - time.time()) < 120
    return said


def is_as_before(host: Host, family: Family) -> bool:
    listed = tuple(host.list(family).read_text().split())
    return door(host, family) == web_rules(SHIPPED[family]) and listed == SHIPPED[family]


def has_nothing_left_over(host: Host) -> bool:
    names = {path.name for path in host.path(LISTS).iterdir()}
    return names <= {"ipv4", "ipv6", "status"}


def test_a_good_list_is_swapped_in_kernel_and_disk(host: Host, server: RangeServer) -> None:
    done = refresh(host, server)
    assert (done.returncode, done.stderr) == (0, "")
    assert door(host) == web_rules(NEW4.decode().split())
    assert door(host, "ipv6") == web_rules(NEW6.decode().split())
    assert host.list("ipv4").read_bytes() == NEW4
    assert host.list("ipv6").read_bytes() == NEW6
    assert status(host) == ["ipv4: ok", "ipv6: ok"]
    assert "web ranges, ipv4: 16 networks from" in done.stdout
    assert has_nothing_left_over(host)


def test_a_refreshed_list_is_the_one_that_a_boot_loads(host: Host, server: RangeServer) -> None:
    refresh(host, server)
    before = [host.saved(family) for family in FAMILIES]
    host.run("iptables -F SWARM-WEB; ip6tables -F SWARM-WEB")
    host.firewall("load")
    assert [host.saved(family) for family in FAMILIES] == before


def test_nothing_but_the_door_changes(host: Host, server: RangeServer) -> None:
    before = {name: rules for name, rules in host.table().items() if name != WEB}
    refresh(host, server)
    assert {name: rules for name, rules in host.table().items() if name != WEB} == before


@before_iptables
def test_a_host_that_is_not_closed_yet_keeps_the_list_for_later(
    host: Host, server: RangeServer
) -> None:
    host.firewall("unload")
    assert refresh(host, server).returncode == 0
    assert WEB not in host.table()
    assert host.list("ipv4").read_bytes() == NEW4


@before_iptables
@pytest.mark.parametrize(
    ("path", "networks"),
    [
        ("crlf", NEW4.decode().split()),
        ("same-place", NEW4.decode().split()),
        ("half", V4[:8]),
        ("grown", (*V4, "11.0.0.0/8")),
        ("host-bits", (*V4, "198.51.100.0/24")),
    ],
)
def test_what_is_unusual_and_right_is_taken(
    host: Host, server: RangeServer, path: str, networks: list[str]
) -> None:
    ask(host, server, ipv4=path)
    done = refresh(host, server)
    assert (done.returncode, done.stderr) == (0, "")
    assert door(host) == web_rules(networks)


REFUSED: dict[str, tuple[Family, str]] = {
    "empty": ("ipv4", "it is empty"),
    "blank": ("ipv4", "it is empty"),
    "html": ("ipv4", "line 1: not an IPv4 network"),
    "truncated": ("ipv4", "it could not be fetched: curl: ("),
    "cut-mid-line": ("ipv4", "line 13: not an IPv4 network"),
    "less-than-half": ("ipv4", "it has 7 networks, where there were 15; if that is right: sh"),
    "everywhere": ("ipv4", "line 16: a network of an unlikely size"),
    "everywhere-v6": ("ipv6", "line 8: a network of an unlikely size"),
    "wide-v6": ("ipv6", "line 8: a network of an unlikely size"),
    "two-halves": ("ipv4", "line 16: a network of an unlikely size"),
    "the-internet": ("ipv4", "it covers 980 times as many addresses as the list in this version"),
    "17-times": ("ipv4", "it covers 20 times as many addresses as the list in this version"),
    "wide-v6-by-sum": ("ipv6", "it covers 4682 times as many addresses"),
    "private": ("ipv4", "line 16: not a network of the internet"),
    "carrier": ("ipv4", "line 16: not a network of the internet"),
    "loopback": ("ipv4", "line 16: not a network of the internet"),
    "octal": ("ipv4", "line 16: not an IPv4 network"),
    "unique-local": ("ipv6", "line 8: not a network of the internet"),
    "other-family": ("ipv4", "line 1: not an IPv4 network"),
    "no-network-v6": ("ipv6", "line 8: not an IPv6 network"),
    "garbage": ("ipv4", "line 1: not an IPv4 network"),
    "nul": ("ipv4", "line 2: not an IPv4 network"),
    "option": ("ipv4", "line 16: not an IPv4 network"),
    "commit": ("ipv4", "line 16: not an IPv4 network"),
    "huge": ("ipv4", "it could not be fetched: curl: (63)"),
    "error": ("ipv4", "it could not be fetched: curl: (22)"),
    "missing": ("ipv4", "it could not be fetched: curl: (22)"),
    "elsewhere": ("ipv4", "it comes from elsewhere: https://elsewhere.localhost"),
    "plain": ("ipv4", "it could not be fetched: curl: (1)"),
}


@before_iptables
@pytest.mark.parametrize("path", REFUSED)
def test_what_is_wrong_is_refused_and_the_door_stays_as_it_was(
    host: Host, server: RangeServer, path: str
) -> None:
    family, why = REFUSED[path]
    ask(host, server, **{family: path})
    done = refresh(host, server)
    other: Family = "ipv6" if family == "ipv4" else "ipv4"
    assert done.returncode == 1
    assert is_as_before(host, family)
    assert not is_as_before(host, other), "the other family's list was good"
    assert why in status(host)[FAMILIES.index(family)]
    assert status(host)[FAMILIES.index(other)] == f"{other}: ok"
    assert f"web ranges, {family}: the list from" in done.stderr
    assert why in done.stderr
    assert f"{family}: {'failed' if 'fetched' in why else 'refused'}: " in "\n".join(status(host))
    assert "What was in force stays in force" in done.stderr
    assert has_nothing_left_over(host)


def test_what_only_iptables_refuses_leaves_the_door_as_it_was(
    host: Host, server: RangeServer
) -> None:
    ask(host, server, ipv6="no-network-v6")
    script = host.path(SCRIPT)
    script.write_text(script.read_text().replace("valid() {", "valid() { return", 1))
    assert refresh(host, server).returncode == 1
    assert is_as_before(host, "ipv6")
    assert "refused: iptables does not take it" in status(host)[1]
    assert has_nothing_left_over(host)


@before_iptables
def test_a_list_that_has_shrunk_is_taken_if_told(host: Host, server: RangeServer) -> None:
    ask(host, server, ipv4="less-than-half")
    assert refresh(host, server, "--accept-shrink").returncode == 0
    assert door(host) == web_rules(V4[:7])


@before_iptables
def test_told_to_accept_less_it_still_refuses_what_is_wrong(
    host: Host, server: RangeServer
) -> None:
    ask(host, server, ipv4="empty")
    assert refresh(host, server, "--accept-shrink").returncode == 1
    assert is_as_before(host, "ipv4")


@before_iptables
def test_a_certificate_of_nobody_we_know_is_refused(host: Host, server: RangeServer) -> None:
    done = refresh(host, server, bundle=server.strangers_bundle)
    assert done.returncode == 1
    assert "curl: (60)" in status(host)[0]
    assert is_as_before(host, "ipv4")
    assert is_as_before(host, "ipv6")


@before_iptables
def test_a_certificate_for_another_name_is_refused(host: Host, server: RangeServer) -> None:
    host.install(urls=dict.fromkeys(FAMILIES, server.url("good-v4", name="127.0.0.1")))
    assert refresh(host, server).returncode == 1
    assert "curl: (60)" in status(host)[0]
    assert is_as_before(host, "ipv4")


@before_iptables
def test_a_users_curl_settings_do_not_switch_the_check_off(
    host: Host, server: RangeServer, tmp_path: Path
) -> None:
    (tmp_path / ".curlrc").write_text("insecure\n")
    done = host.firewall(
        "refresh",
        check=False,
        HOME=str(tmp_path),
        CURL_HOME=str(tmp_path),
        CURL_CA_BUNDLE=str(server.strangers_bundle),
    )
    assert done.returncode == 1
    assert is_as_before(host, "ipv4")


@before_iptables
def test_nobody_there_changes_nothing(host: Host, server: RangeServer) -> None:
    server.close()
    done = refresh(host, server)
    assert done.returncode == 1
    assert [is_as_before(host, family) for family in FAMILIES] == [True, True]


@before_iptables
def test_a_server_that_hangs_is_given_up(host: Host, server: RangeServer) -> None:
    ask(host, server, ipv4="hangs")
    script = host.path(SCRIPT)
    patient = script.read_text()
    assert "--max-time 40 --retry 1" in patient  # with two families, less than the unit's 10 min
    script.write_text(patient.replace("--max-time 40", "--max-time 2"))
    begun = time.monotonic()
    done = refresh(host, server)
    assert time.monotonic() - begun < 15
    assert done.returncode == 1
    assert "curl: (28)" in status(host)[0]
    assert is_as_before(host, "ipv4")
    assert not is_as_before(host, "ipv6")


def test_a_full_disk_is_no_success(host: Host, server: RangeServer) -> None:
    refresh(host, server)
    before = [host.saved(family) for family in FAMILIES]
    lists = host.path(LISTS)
    host.run(f"mount -t tmpfs -o size=4k tmpfs {lists}; printf '{V4[0]}\\n' > {lists}/ipv4")
    done = refresh(host, server)
    assert done.returncode == 1
    assert [host.saved(family) for family in FAMILIES] == before
    assert host.run(f"cat {lists}/ipv4").stdout == f"{V4[0]}\n"
    assert host.run(f"ls {lists}").stdout.split() == ["ipv4"]
    assert "is not used" in done.stderr


def test_two_refreshers_at_once_leave_one_whole_list(host: Host, server: RangeServer) -> None:
    script = str(host.path(SCRIPT))
    running = [
        host.start(
            "sh",
            script,
            "refresh",
            FIREWALL_ROOT=str(host.root),
            CURL_CA_BUNDLE=str(server.bundle),
        )
        for _ in range(3)
    ]
    assert [process.wait(timeout=60) for process in running] == [0, 0, 0]
    assert door(host) == web_rules(NEW4.decode().split())
    assert host.list("ipv4").read_bytes() == NEW4
    assert has_nothing_left_over(host)


def test_a_refresh_and_a_load_at_once_leave_the_new_list(host: Host, server: RangeServer) -> None:
    script, root = str(host.path(SCRIPT)), str(host.root)
    bundle = str(server.bundle)
    running = [
        host.start("sh", script, verb, FIREWALL_ROOT=root, CURL_CA_BUNDLE=bundle)
        for verb in ("load", "refresh", "load")
    ]
    assert [process.wait(timeout=60) for process in running] == [0, 0, 0]
    assert door(host) == web_rules(NEW4.decode().split())
