"""What the fact makes of a host whose firewall our script has loaded."""

from __future__ import annotations

import json

from cluster.firewall.chains import JUMPS, OURS, WEB, chains, web_rules
from cluster.firewall.policy import FAMILIES
from cluster.firewall.rule import parse
from cluster.firewall.web_ranges import SHIPPED
from facts.firewall import State
from tests.netns.conftest import POLICY, Host


def asked(host: Host, login: str = "") -> list[str]:
    """The fact's answer; sshd tells the shell that runs it where the login comes from."""
    inner = host.path("fact.sh")
    inner.write_text(State().command())
    return host.run("sh", "-c", f"sh {inner}; :", SSH_CONNECTION=login).stdout.splitlines()


def test_both_families_are_read_from_the_back_end_in_use(host: Host) -> None:
    host.install()
    host.firewall("load")
    host.run("mount -t sysfs sysfs /sys; ip link add br-lan type bridge")
    seen = State().parse(asked(host, login="192.0.2.7 50000 192.0.2.1 2222"))
    for family in FAMILIES:
        tables = seen.tables[family]
        assert (tables.spoken, tables.installed, tables.backend) == (True, True, host.backend)
        assert not tables.mixed
        wanted = {**chains(POLICY, family), WEB: web_rules(SHIPPED[family])}
        for name in OURS:
            assert list(map(parse, tables.chains[name])) == list(map(parse, wanted[name]))
        for chain, ours in JUMPS.items():
            assert tables.chains[chain] == (f"-j {ours}",)
    assert "br-lan" in seen.interfaces
    assert seen.login_from == "192.0.2.7"
    assert 2222 in seen.ssh_ports
    assert json.dumps(seen.to_json())


def test_rules_in_the_other_back_end_are_a_mixture(host: Host) -> None:
    other = "legacy" if host.backend == "nft" else "nft"
    host.install()
    host.firewall("load")
    host.run(f"iptables-{other} -A INPUT -s 192.0.2.9 -j ACCEPT")
    seen = State().parse(asked(host))
    assert seen.tables["ipv4"].mixed
    assert not seen.tables["ipv6"].mixed


def test_a_host_without_our_firewall_shows_none(host: Host) -> None:
    seen = State().parse(asked(host))
    assert not any(tables.ours for tables in seen.tables.values())
    assert seen.to_json()["ipv4"] == "none of our rules"
