"""What a host says of its firewall, read: a host with ours, a bare one, one with rivals."""

from __future__ import annotations

import json

import pytest

from pyinfra_swarm.firewall.docker_bridges import Interfaces
from pyinfra_swarm.firewall.facts import parse_state
from pyinfra_swarm.firewall.paths import SCRIPT, TIMER, UNIT
from pyinfra_swarm.firewall.state import Host
from tests.tools.answers import sections as sections_of

UNITS = f"""\
Requires=system.slice sysinit.target
Id={UNIT}
LoadState=loaded
ActiveState=active
UnitFileState=enabled

Requires=sysinit.target
Id={TIMER}
LoadState=loaded
ActiveState=active
UnitFileState=enabled

Requires=docker.socket {UNIT} sysinit.target system.slice
Id=docker.service
LoadState=loaded
ActiveState=active
UnitFileState=enabled

Id=ssh.socket
LoadState=loaded
ActiveState=inactive
UnitFileState=disabled

Id=firewalld.service
LoadState=not-found
ActiveState=inactive

Id=netfilter-persistent.service
LoadState=not-found
ActiveState=inactive

Id=nftables.service
LoadState=loaded
ActiveState=inactive
UnitFileState=disabled
"""
NETWORKS = [
    {"Id": "0123456789abcdef", "Options": {"com.docker.network.bridge.name": "docker0"}},
    {"Id": "fedcba9876543210", "Options": None},
    {"Id": "aaaabbbbccccdddd", "Options": {"com.docker.network.bridge.name": "web0"}},
]
SECTIONS = {
    "ipv4": "nft",
    "ipv4-nft": "*filter\n:INPUT ACCEPT [0:0]\n:SWARM-INPUT - [0:0]\n"
    "-A INPUT -j SWARM-INPUT\nCOMMIT",
    "ipv4-legacy": "",
    "ipv6": "nft",
    "ipv6-nft": "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT",
    "ipv6-legacy": "",
    "spoken": "ipv6",
    "sums": f"{'a' * 64}  {SCRIPT}",
    "links": f"{UNIT}\n{TIMER}",
    "units": UNITS,
    "listen": "[::]:2222 (Stream)",
    "ports": "port 22\nport 2022",
    "ufw": "ENABLED=no",
    "login": "SSH_CONNECTION=192.168.1.50 50000 192.168.1.11 22",
    "login_by": "192.168.1.50 dev eth0 src 192.168.1.11 uid 0 \\    cache",
    "vpns": "wg-quick@wg0.service",
    "interfaces": "docker br-fedcba987654\noutside br-lan\noutside eth0",
    "bridges": json.dumps(NETWORKS),
    "now": "1000000",
    "list ipv4": "104.16.0.0/13\n131.0.72.0/22",
    "confirmed ipv4": "999000",
    "list ipv6": "2606:4700::/32",
    "confirmed ipv6": "998000",
    "status": "999000\nipv4: ok\nipv6: ok",
}


def said(**changed: str) -> Host:
    """What is made of the answer of a host; ``_`` in a section's name stands for a blank."""
    changed = {name.replace("sshd_fails", "sshd-fails"): text for name, text in changed.items()}
    sections = {**SECTIONS, **{name.replace("_", " "): text for name, text in changed.items()}}
    text = "".join(f"\n#> {name}\n{content}\n" for name, content in sections.items())
    return parse_state(sections_of(text))


def test_a_host_with_our_firewall() -> None:
    host = said()
    assert host.tables["ipv4"].chains["INPUT"] == ("-j SWARM-INPUT",)
    assert [host.tables[family].managed for family in host.tables] == [True, False]
    assert host.sums == {SCRIPT: "a" * 64}
    assert host.links == (UNIT, TIMER)
    assert {UNIT, TIMER} <= {*host.active}
    assert host.docker_waits
    assert host.bridges == ("br-fedcba987654", "docker0", "web0")
    assert host.interfaces == Interfaces(("br-fedcba987654",), ("br-lan", "eth0"))
    assert host.ssh_ports == (22, 2022)
    assert (host.login_from, host.login_by) == ("192.168.1.50", "eth0")
    assert host.vpns_at_boot == ("wg-quick@wg0.service",)
    assert host.others == ()
    assert not host.unconfirmed
    assert host.web.age == 2000
    assert (host.web.last_result, host.web.last_try) == ("ok", 1000)


def test_how_long_docker_has_been_running_is_known_where_it_runs() -> None:
    def units(state: str, entered: str) -> str:
        return f"Id=docker.service\nActiveState={state}\nActiveEnterTimestampMonotonic={entered}\n"

    assert said(units=units("active", "60500000"), up="90.75").docker_for == 30.25
    assert said(units=units("active", "90800000"), up="90.75").docker_for == 0
    assert said(units=units("activating", "0"), up="90.75").docker_for is None
    assert said(units=units("active", ""), up="90.75").docker_for is None
    assert said(units=units("active", "60500000"), up="").docker_for is None


def test_a_host_whose_ssh_is_started_by_its_socket() -> None:
    units = UNITS.replace(
        "Id=ssh.socket\nLoadState=loaded\nActiveState=inactive",
        "Id=ssh.socket\nLoadState=loaded\nActiveState=active",
    )
    assert said(units=units).ssh_ports == (22, 2022, 2222)


@pytest.mark.parametrize(
    ("lines", "ports"),
    [
        ("port 22\nlistenaddress 192.168.1.11:22\nlistenaddress 0.0.0.0:2222", (22, 2222)),
        ("port 2022\nport 2023\nlistenaddress 192.168.1.11:22", (22,)),
        ("port 22\nport 2022\nlistenaddress [::]:22\nlistenaddress [::]:2022", (22, 2022)),
        ("port 22\nlistenaddress [fe80::1%eth0]:2222 rdomain blue", (22, 2222)),
        ("port 2022", (22, 2022)),
    ],
)
def test_sshd_listens_where_its_addresses_say(lines: str, ports: tuple[int, ...]) -> None:
    """The login comes by 22."""
    assert said(ports=lines).ssh_ports == ports


BROKEN = "/etc/ssh/sshd_config: line 3: Bad configuration option: Prot\nterminating, 1 bad options"


def test_where_sshd_does_not_say_where_it_listens_its_words_are_kept() -> None:
    host = said(ports="", sshd_fails=BROKEN)
    words = "/etc/ssh/sshd_config: line 3: Bad configuration option: Prot / terminating, 1 bad"
    assert host.ssh_problem == f"{words} options"
    assert host.to_json()["sshd listens on"] == f"unknown: {words} options"
    assert said().ssh_problem == ""


def test_where_systemd_listens_it_is_not_asked_of_sshd() -> None:
    units = UNITS.replace(
        "Id=ssh.socket\nLoadState=loaded\nActiveState=inactive",
        "Id=ssh.socket\nLoadState=loaded\nActiveState=active",
    )
    host = said(ports="", sshd_fails=BROKEN, units=units)
    assert (host.ssh_problem, host.ssh_ports) == ("", (22, 2222))


def test_the_port_of_this_login_counts_whatever_sshd_says() -> None:
    login = "SSH_CONNECTION=fe80::9%eth0 50000 fe80::1%eth0 2200"
    host = said(login=login, ports="")
    assert (host.ssh_ports, host.login_from) == ((2200,), "fe80::9")


def test_a_bare_host() -> None:
    empty = dict.fromkeys(
        [name for name in SECTIONS if name not in ("now", "ipv4", "ipv6", "spoken")], ""
    )
    host = said(**empty)
    assert not any(tables.managed for tables in host.tables.values())
    assert host.bridges is None
    assert host.docker_waits, "no Docker, so none that starts too early"
    assert (host.web.known, host.web.age, host.web.last_result) == (False, None, "")
    assert host.ssh_ports == ()


def test_a_host_without_ipv6() -> None:
    assert not said(spoken="").tables["ipv6"].spoken


def test_docker_that_does_not_wait() -> None:
    assert not said(units=UNITS.replace(f"docker.socket {UNIT} ", "docker.socket ")).docker_waits


@pytest.mark.parametrize("name", ["firewalld", "netfilter-persistent"])
@pytest.mark.parametrize("field", ["ActiveState=active", "UnitFileState=enabled"])
def test_a_rival_that_runs_or_will_run(name: str, field: str) -> None:
    block = f"Id={name}.service\nLoadState=not-found\nActiveState=inactive\n"
    assert block in UNITS
    units = UNITS.replace(block, f"Id={name}.service\nLoadState=loaded\n{field}\n")
    assert said(units=units).others == (name,)


def test_ufw_is_a_rival_once_it_is_switched_on() -> None:
    assert said(ufw="ENABLED=yes").others == ("ufw",)


@pytest.mark.parametrize("answer", ["", "curl: (7) refused", '{"message": "no"}', "[{"])
def test_an_engine_that_does_not_say(answer: str) -> None:
    assert said(bridges=answer).bridges is None


def test_a_refresh_that_failed_is_told_by_family() -> None:
    for words, refused in (("refused: it is empty", True), ("failed: curl: (6) refused: ", False)):
        host = said(status=f"999000\nipv4: {words}\nipv6: ok")
        assert host.web.last_result == f"ipv4: {words}"
        assert host.web.refused is refused


def test_a_shipped_list_was_never_confirmed() -> None:
    assert said(confirmed_ipv6="0").web.age is None


def test_a_list_counts_as_the_kernel_has_it() -> None:
    host = said(list_ipv4="198.51.100.77/24\r\n\n131.0.72.0/22")
    assert host.web.ranges["ipv4"] == ("198.51.100.0/24", "131.0.72.0/22")


def test_a_change_that_waits_for_its_confirmation() -> None:
    assert said(unconfirmed="").unconfirmed
