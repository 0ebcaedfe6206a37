"""What a host says of the floating address, in its own words."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pyinfra_swarm.floating_address.facts import FloatingAddress, parse_floating_address
from pyinfra_swarm.floating_address.keepalived import configuration
from pyinfra_swarm.floating_address.paths import CONFIGURATION, PROGRAM
from pyinfra_swarm.floating_address.seen import MARK
from tests.tools.answers import sections

TEXT = configuration(
    name="rk1",
    own="192.168.1.11",
    peers=["192.168.1.12", "192.168.1.13"],
    place=0,
    interface="eth0",
    address="192.168.1.9",
)
ADDRESSES = (
    '[{"ifindex":1,"ifname":"lo","addr_info":[{"family":"inet","local":"127.0.0.1",'
    '"prefixlen":8}]},{"ifindex":2,"ifname":"eth0","addr_info":[{"family":"inet",'
    '"local":"192.168.1.11","prefixlen":24},{"family":"inet","local":"192.168.1.9",'
    '"prefixlen":32},{"family":"inet6","local":"fe80::1","prefixlen":64},{}]},'
    '{"ifindex":3,"ifname":"eth1"},{}]'
)


def said(**sections_: str) -> str:
    text = {
        "package": "keepalived installed 1:2.3.3-1",
        "configuration": TEXT,
        "sums": f"0a1b  {CONFIGURATION}\n2c3d  {PROGRAM}",
        "loaded": "0a1b",
        "given_up": "0",
        "role": "MASTER 1764280000 3",
        "unit": "Id=keepalived.service\nActiveState=active\nUnitFileState=enabled\n"
        "NeedDaemonReload=no",
        "addresses": ADDRESSES,
        "clock": "1764283600",
        "problem": "",
        "health": "0",
        **sections_,
    }
    return "\n".join(f"#> {name}\n{lines}" for name, lines in text.items())


def test_a_holder() -> None:
    found = parse_floating_address(sections(said()))
    assert (found.package, found.active, found.enabled, found.reload) == (
        "1:2.3.3-1",
        True,
        True,
        False,
    )
    assert found.ours
    assert found.able
    assert found.left
    assert found.holds("192.168.1.9")
    assert not found.holds("192.168.1.90")
    assert (found.role, found.since, found.taken) == ("MASTER", 3600, 3)
    assert found.peers == ("192.168.1.12", "192.168.1.13")
    assert found.sums == {CONFIGURATION: "0a1b", PROGRAM: "2c3d"}
    assert found.loaded == "0a1b"
    assert found.addresses == {
        "lo": ("127.0.0.1/8",),
        "eth0": ("192.168.1.11/24", "192.168.1.9/32", "fe80::1/64"),
        "eth1": (),
    }


def test_a_fresh_host() -> None:
    nothing = dict.fromkeys(
        ("package", "configuration", "sums", "loaded", "given_up", "role", "unit"), ""
    )
    found = parse_floating_address(sections(said(**nothing)))
    assert found.package == found.configuration == found.loaded == found.role == ""
    for one in (found.ours, found.left, found.able, found.active, found.enabled):
        assert one is False
    assert (found.since, found.taken, found.given_up, found.sums) == (None, 0, False, {})


def test_a_package_that_is_gone_but_for_its_configuration_is_not_installed() -> None:
    found = parse_floating_address(sections(said(package="keepalived config-files 1:2.3.3-1")))
    assert found.package == ""


@pytest.mark.parametrize(
    "more",
    [
        {"given_up": "1"},
        {"problem": "its engine does not answer", "health": "1"},
        {"problem": "it is drained", "health": "3"},
        {"unit": "Id=keepalived.service\nActiveState=failed\nUnitFileState=enabled"},
        {"configuration": "somebody else's"},
    ],
)
def test_who_could_not_take_it(more: dict[str, str]) -> None:
    assert not parse_floating_address(sections(said(**more))).able


@pytest.mark.parametrize(("health", "drained"), [("0", False), ("1", False), ("3", True)])
def test_whether_all_that_is_in_the_way_is_that_it_is_drained(health: str, drained: bool) -> None:
    assert parse_floating_address(sections(said(health=health))).drained is drained


def test_a_clock_that_was_put_back_makes_no_time_to_come() -> None:
    assert parse_floating_address(sections(said(clock="1764270000"))).since == 0


@pytest.mark.parametrize("role", ["", "MASTER", "MASTER x y", "½ ² ³"])
def test_what_was_cut_while_it_was_written_says_nothing(role: str) -> None:
    found = parse_floating_address(sections(said(role=role)))
    assert (found.since, found.taken) == (None, 0)


def test_the_configuration_is_known_by_its_first_line() -> None:
    assert TEXT.splitlines()[0] == MARK
    changed = parse_floating_address(sections(said(configuration=f"! mine\n{TEXT}")))
    assert not changed.ours


def test_a_configuration_of_somebody_elses_is_not_sent(tmp_path: Path) -> None:
    """It may hold a password: `auth_pass`."""
    mine = tmp_path / "keepalived.conf"
    script = FloatingAddress().script().replace(CONFIGURATION, str(mine))
    for name in ("dpkg-query", "systemctl", "ip"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    functions = 'section() { echo "#> $1"; }\nshow() { [ -f "$2" ] && section "$1" && cat "$2"; }\n'

    def told() -> str:
        return subprocess.run(
            ["sh", "-c", functions + script],
            env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    mine.write_text("vrrp_instance x {\n auth_pass hunter2\n}\n")
    assert "hunter2" not in told()
    assert "#> configuration\nsomebody else's\n" in told()
    mine.write_text(TEXT)
    assert TEXT in told()
