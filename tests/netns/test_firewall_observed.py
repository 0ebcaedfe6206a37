"""What the fact makes of a host whose firewall our script has loaded."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from pyinfra_swarm.firewall.facts import State
from pyinfra_swarm.firewall.iptables_rule import parse
from pyinfra_swarm.firewall.paths import INTERFACE_LIST, LISTS, TIMER, UNIT, WATCH
from pyinfra_swarm.firewall.plan import TITLES, plan
from pyinfra_swarm.firewall.policy import FAMILIES, Family
from pyinfra_swarm.firewall.rules import JUMPS, MANAGED, WEB, chains, interface_rules, web_rules
from pyinfra_swarm.firewall.wanted import declared
from pyinfra_swarm.firewall.web_ranges import SHIPPED
from pyinfra_swarm.host.kernel_facts import PATH
from tests.netns.conftest import INTERFACES, POLICY, Host


def asked(host: Host, login: str = "", tools: str = "") -> list[str]:
    """The fact's answer; sshd tells the shell that runs it where the login comes from.

    tools: a folder with programs that come before those of this machine.
    """
    inner = host.path("fact.sh")
    command = State().command()
    for path in (LISTS, INTERFACE_LIST):
        command = command.replace(path, str(host.path(path)))
    # There is no systemd in a namespace, whatever this machine has.
    assert "command -v systemctl" in command
    if tools:
        assert command.count(PATH) == 1
        command = command.replace(PATH, PATH.replace("PATH=", f"PATH={tools}:"))
    inner.write_text(command.replace("command -v systemctl", "false"))
    return host.run("sh", "-c", f"sh {inner}; :", SSH_CONNECTION=login).stdout.splitlines()


def test_both_families_are_read_from_the_back_end_in_use(host: Host) -> None:
    host.install()
    host.firewall("load")
    seen = State().process(asked(host, login="192.0.2.7 50000 192.0.2.1 2222"))
    for family in FAMILIES:
        tables = seen.tables[family]
        assert (tables.spoken, tables.installed, tables.backend) == (True, True, host.backend)
        assert not tables.mixed
        wanted = {
            **chains(POLICY, family),
            **interface_rules(INTERFACES),
            WEB: web_rules(SHIPPED[family]),
        }
        for name in MANAGED:
            assert list(map(parse, tables.chains[name])) == list(map(parse, wanted[name]))
        for chain, ours in JUMPS.items():
            assert tables.chains[chain] == (f"-j {ours}",)
    assert seen.interfaces == INTERFACES
    assert seen.login_from == "192.0.2.7"
    assert 2222 in seen.ssh_ports
    assert json.dumps(seen.to_json())


SSHD = """\
#!/bin/sh
[ "$1" = -T ] || exit 99
echo '/etc/ssh/sshd_config line 5: Deprecated option UseLogin' >&2
"""


def sshd(host: Host, text: str) -> str:
    """A stand-in for sshd; the folder where it is."""
    folder = host.path("/tools")
    folder.mkdir(exist_ok=True)
    (folder / "sshd").write_text(SSHD + text)
    (folder / "sshd").chmod(0o755)
    return str(folder)


@pytest.mark.parametrize("host", ["nft"], indirect=True)
def test_each_port_is_seen_by_which_sshd_lets_people_in(host: Host) -> None:
    lines = r"port 22\naddressfamily any\nlistenaddress 192.0.2.1:22\nlistenaddress [::]:2222\n"
    seen = State().process(asked(host, tools=sshd(host, f"printf '{lines}'")))
    assert (seen.ssh_ports, seen.ssh_problem) == ((22, 2222), "")


@pytest.mark.parametrize("host", ["nft"], indirect=True)
def test_an_sshd_that_does_not_say_where_it_listens_is_not_one_without_ports(host: Host) -> None:
    missing = "Missing privilege separation directory: /run/sshd"
    seen = State().process(asked(host, tools=sshd(host, f"echo '{missing}' >&2; exit 255")))
    assert seen.ssh_problem.endswith(f" / {missing}")
    silent = State().process(asked(host, tools=sshd(host, "exec 2>&-; exit 1")))
    assert silent.ssh_problem


def test_rules_in_the_other_back_end_are_a_mixture(host: Host) -> None:
    other = "legacy" if host.backend == "nft" else "nft"
    host.install()
    host.firewall("load")
    host.run(f"iptables-{other} -A INPUT -s 192.0.2.9 -j ACCEPT")
    seen = State().process(asked(host))
    assert seen.tables["ipv4"].mixed
    assert not seen.tables["ipv6"].mixed


def test_a_host_without_our_firewall_shows_none(host: Host) -> None:
    seen = State().process(asked(host))
    assert not any(tables.managed for tables in seen.tables.values())
    assert seen.to_json()["ipv4"] == "none of the managed rules"


SOUND = {family: "\n".join(SHIPPED[family]) for family in FAMILIES}


@pytest.mark.parametrize("host", ["nft"], indirect=True)
@pytest.mark.parametrize(
    ("family", "content"),
    [
        ("ipv4", None),
        ("ipv4", " \n\r\n"),
        ("ipv4", "<html>"),
        ("ipv4", "2606:4700::/32"),
        ("ipv4", "104.16.0.1"),
        ("ipv4", "012.0.0.0/8"),
        ("ipv4", "104.16.0.256/32"),
        ("ipv4", "0.0.0.0/0"),
        ("ipv4", "104.0.0.0/7"),
        ("ipv4", "104.16.0.0/33"),
        ("ipv4", "10.0.0.0/8"),
        ("ipv4", "100.64.0.0/10"),
        ("ipv4", "127.0.0.0/8"),
        ("ipv4", "169.254.0.0/16"),
        ("ipv4", "172.16.0.0/12"),
        ("ipv4", "192.168.1.0/24"),
        ("ipv4", "224.0.0.0/8"),
        ("ipv4", "\n".join(f"104.16.{n // 250}.{n % 250}/32" for n in range(2001))),
        ("ipv4", "\n".join(f"{n}.0.0.0/8" for n in range(11, 100))),
        ("ipv6", "2a00::/16"),
        ("ipv6", "104.16.0.0/13"),
        ("ipv6", "2606:4700::/15"),
        ("ipv6", "2606:4700::/129"),
        ("ipv6", "2606:4700::/032"),
        ("ipv6", "2606:4700/32"),
        ("ipv6", "2606:4700:/32"),
        ("ipv6", "2606:4700:::/32"),
        ("ipv6", "2606::4700::/32"),
        ("ipv6", "2606:47000::/32"),
        ("ipv6", "2606:1:2:3:4:5:6:7:8/128"),
        ("ipv6", "fd00::/16"),
    ],
    ids=lambda value: None if value is None else repr(value[:30]),
)
def test_what_the_script_refuses_is_a_difference_that_the_shipped_list_mends(
    host: Host, family: Family, content: str | None
) -> None:
    wanted = declared(POLICY, "daily")
    lasting: dict[str, Any] = {  # without systemd, and with its files below another root
        "sums": {path: sha256(text.encode()).hexdigest() for path, text in wanted.files.items()},
        "links": (UNIT, WATCH, TIMER),
        "active": (UNIT, WATCH, TIMER),
        "docker_waits": True,
    }

    def differing() -> list[str]:
        host.firewall("load")
        seen = replace(State().process(asked(host)), **lasting)
        return [finding.sentence() for finding in plan(wanted, seen)]

    host.install()
    host.list(family).unlink()
    if content is not None:
        host.list(family).write_text(
            f"{SOUND[family]}\n{content}\n" if content.strip() else content
        )
    assert differing() == [
        f"web ranges: there is no sound list for {TITLES[family]}: the web ports are closed"
    ]
    assert host.table(family)[WEB] == ("-j DROP",)
    host.list(family).write_text(SOUND[family])
    assert differing() == []
