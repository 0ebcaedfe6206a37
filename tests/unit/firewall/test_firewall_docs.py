"""docs/firewall.md shows the rules that the code makes, and they keep what the document promises.

To write them anew after a change: python -m tests.unit.firewall.test_firewall_docs
"""

from __future__ import annotations

import re
import tomllib
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyinfra_swarm.firewall.docker_bridges import Interfaces
from pyinfra_swarm.firewall.policy import FAMILIES, Family, policy
from pyinfra_swarm.firewall.rules import WEB, chains, interface_rules, web_rules
from pyinfra_swarm.firewall.web_ranges import SHIPPED
from pyinfra_swarm.settings import Settings
from pyinfra_swarm.settings.paths import ROOT
from tests.models.firewall.evaluator import Table
from tests.models.firewall.packet import Packet
from tests.models.firewall.promise import Place, passes
from tests.models.firewall.strategies import DOCKERS, OF_A_NETWORK, packets, printed

DOCUMENT = ROOT / "docs/firewall.md"
MARK = "<!-- rules:"
TITLES: dict[Family, str] = {"ipv4": "IPv4", "ipv6": "IPv6"}

SETTINGS = Settings(**tomllib.loads((ROOT / "cluster.example.toml").read_text()))
KNOWN = Interfaces(docker=(OF_A_NETWORK,), outside=("eth0",))
PLACE = Place(
    SETTINGS,
    "rk1",
    docker=(*DOCKERS, *KNOWN.docker),
    outside=KNOWN.outside,
    cloudflare=(*SHIPPED["ipv4"], *SHIPPED["ipv6"]),
)


def rules() -> str:
    declared = policy(SETTINGS, "rk1", ssh_ports=[22], drop_cleartext_vxlan=True)
    text = ""
    for family in FAMILIES:
        text += f"\n### {TITLES[family]}\n"
        made = {**chains(declared, family), **interface_rules(KNOWN)}
        for name, found in made.items():
            shown = web_rules(SHIPPED[family]) if name == WEB else found
            text += f"\n`{name}`\n\n" + "".join(f"    {rule}\n" for rule in shown)
    return text


@cache
def documented() -> dict[str, Table]:
    """What a reader would get who types the document's rules."""
    text = DOCUMENT.read_text(encoding="utf-8").partition(MARK)[2]
    tables: dict[str, Table] = {}
    for family, title in TITLES.items():
        part = text.partition(f"### {title}\n")[2].partition("\n### ")[0]
        blocks = re.findall(r"^`(SWARM-[A-Z]+)`\n\n((?: {4}.+\n)+)", part, re.M)
        tables[family] = Table(
            printed({name: tuple(re.findall(r"^ {4}(.+)$", b, re.M)) for name, b in blocks})
        )
    return tables


def test_the_document_shows_the_rules_as_they_are() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text.partition(MARK)[2].partition("\n")[2] == rules()


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_the_rules_in_the_document_keep_its_promise(data: st.DataObject) -> None:
    tables = documented()
    for _ in range(10):
        packet = data.draw(packets(PLACE))
        let_in = tables[packet.family].judge(packet).what == "ACCEPT"
        assert let_in == passes(PLACE, packet), packet


CLOUDFLARE, STRANGER, PEER = "104.16.0.9", "203.0.113.9", SETTINGS.hosts[1].address
CLOUDFLARE_6, STRANGER_6 = "2606:4700::9", "2001:db8:bad::9"


def at_host(source: str, port: int, protocol: str = "tcp", *, ipsec: bool = False) -> Packet:
    return Packet("INPUT", source, protocol, port, entered="eth0", ipsec=ipsec)


def published(source: str, port: int, bridge: str = "docker0") -> Packet:
    return Packet(
        "FORWARD", source, port=8, entered="eth0", leaves=bridge, dnat=True, asked_port=port
    )


def straight(source: str, bridge: str) -> Packet:
    return Packet("FORWARD", source, port=80, entered="eth0", leaves=bridge)


ROWS: dict[str, tuple[list[Packet], list[Packet]]] = {
    "the web ports (80 and 443/tcp), of hosts and of published services": (
        [
            made
            for source in (CLOUDFLARE, CLOUDFLARE_6)
            for made in (at_host(source, 443), published(source, 80))
        ],
        [
            made
            for source in (STRANGER, STRANGER_6, "192.168.1.200")
            for made in (at_host(source, 443), published(source, 80), published(source, 80, "db0"))
        ],
    ),
    "other published container ports": (
        [],
        [published(source, 8080) for source in (CLOUDFLARE, STRANGER, CLOUDFLARE_6, STRANGER_6)],
    ),
    "all published container ports": ([published(PEER, 80), published(PEER, 8080)], []),
    "SSH": ([at_host(STRANGER, 22), at_host(STRANGER_6, 22)], []),
    "2377/tcp on managers, 7946 tcp and udp, 4789/udp, ESP; with a "
    "[floating address](floating-address.md) VRRP (protocol 112)": (
        [
            at_host(PEER, 2377),
            at_host(PEER, 7946),
            at_host(PEER, 7946, "udp"),
            at_host(PEER, 4789, "udp", ipsec=True),
            at_host(PEER, 0, "esp"),
        ],
        [
            made
            for source in (STRANGER, CLOUDFLARE, STRANGER_6, "192.168.1.200")
            for made in (
                at_host(source, 2377),
                at_host(source, 7946),
                at_host(source, 7946, "udp"),
                at_host(source, 4789, "udp", ipsec=True),
                at_host(source, 0, "esp"),
            )
        ],
    ),
    "VXLAN in clear text (4789/udp without ESP)": (
        [],
        [
            at_host(PEER, 4789, "udp"),
            at_host(STRANGER_6, 4789, "udp"),
            Packet("OUTPUT", PEER, "udp", 4789, leaves="eth0"),
        ],
    ),
    "ping, and the other ICMP types that networks need; DHCP replies": (
        [
            Packet("INPUT", STRANGER, "icmp", icmp=8, entered="eth0"),
            Packet("INPUT", STRANGER_6, "ipv6-icmp", icmp=128, entered="eth0"),
            Packet("INPUT", "192.168.1.1", "udp", 68, 67, entered="eth0"),
        ],
        [Packet("INPUT", STRANGER, "icmp", icmp=5, entered="eth0")],
    ),
    "everything else on the hosts": (
        [],
        [at_host(source, 9000) for source in (STRANGER, CLOUDFLARE, STRANGER_6, PEER)],
    ),
    "a container's or a bridge's own address, from outside": (
        [],
        [straight(source, OF_A_NETWORK) for source in (STRANGER, CLOUDFLARE, STRANGER_6, PEER)],
    ),
}
"""Each row of the document's table: packets that are let in, and packets that are not."""


@pytest.mark.parametrize("row", ROWS)
def test_a_row_of_the_documents_table_is_what_its_rules_do(row: str) -> None:
    tables = documented()
    let_in, kept_out = ROWS[row]
    for packet in (*let_in, *kept_out):
        found = tables[packet.family].judge(packet).what
        assert found == ("ACCEPT" if packet in let_in else "DROP"), packet


def test_every_row_of_the_documents_table_is_tried() -> None:
    table = DOCUMENT.read_text(encoding="utf-8").partition("|---|---|\n")[2].partition("\n\n")[0]
    assert [line.split(" | ")[0].removeprefix("| ") for line in table.splitlines()] == list(ROWS)


if __name__ == "__main__":
    head, mark, rest = DOCUMENT.read_text(encoding="utf-8").partition(MARK)
    DOCUMENT.write_text(head + mark + rest.partition("\n")[0] + "\n" + rules(), encoding="utf-8")
