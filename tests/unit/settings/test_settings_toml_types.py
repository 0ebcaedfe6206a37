"""A file has the types that are asked for; a variable has texts, which are read."""

from __future__ import annotations

import pytest

from pyinfra_swarm import settings
from tests.unit.settings.conftest import BOARDS, Write, refused


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            '[firewall]\nweb_ports = ["80", 443]',
            'line 8: firewall.web_ports[0] = "80"\n'
            "    is a text, not a whole number\n"
            "    instead: 80, without quotes",
        ),
        ('[swarm]\nautolock = "yes"', "is a text, not true or false\n    instead: true, without"),
        ('[firewall]\nenabled = "false"', "instead: false, without quotes"),
        ("[firewall]\nenabled = 1", "is a number, not true or false\n    instead: true"),
        ("[backup]\nkeep = 14.0", "is a number with a point, not a whole number\n    instead: 14"),
        ('[networks]\nmtu = "1500"', "networks.mtu = "),
        (
            '[networks]\noverlays = [ { name = "a", attachable = "no" } ]',
            'networks.overlays[0] "a".attachable = "no"',
        ),
    ],
)
def test_another_type_in_the_file_is_refused_with_what_to_write(
    write: Write, lines: str, said: str
) -> None:
    write(f"{BOARDS}\n{lines}\n")
    text = refused()
    assert "1 problem in" in text
    assert said in text


def test_what_cannot_be_read_at_all_is_told_once(write: Write) -> None:
    write(f'{BOARDS}\n[networks]\nmtu = "large"\n')
    assert "1 problem in" in refused()


def test_the_types_that_are_asked_for_are_taken(write: Write) -> None:
    write(
        f"{BOARDS}ssh_port = 2222\n[firewall]\nenabled = true\nweb_ports = [443]\n"
        'open = [ { port = 80 }, { port = "8000-8010" } ]\n[backup]\nkeep = 7\n'
    )
    assert settings.load().backup.keep == 7


def test_texts_of_variables_are_read(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write(
        f'{BOARDS}\n[networks]\nmtu = "1500"\n',
        env="SWARM_FIREWALL__ENABLED=false\nSWARM_HOSTS__RK1__SSH_PORT=2222\n",
    )
    monkeypatch.setenv("SWARM_NETWORKS__MTU", "1400")
    monkeypatch.setenv("SWARM_SWARM__AUTOLOCK", "no")
    monkeypatch.setenv("SWARM_FIREWALL__WEB_PORTS", '["443"]')
    found = settings.load()
    assert (found.networks.mtu, found.firewall.enabled, found.swarm.autolock) == (
        1400,
        False,
        False,
    )
    assert found.firewall.web_ports == (443,)
    assert found.hosts[0].ssh_port == 2222


def test_a_variable_that_holds_all_hosts_is_read(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write()
    host = '{"name": "rk1", "address": "192.168.1.11", "role": "manager", "ssh_port": "2222"}'
    monkeypatch.setenv("SWARM_HOSTS", f"[{host}]")
    assert settings.load().hosts[0].ssh_port == 2222
