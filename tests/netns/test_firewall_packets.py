"""Real packets and real iptables do what the documentation promises.

A sample of what test_firewall_policy.py asks of an evaluator is here sent to a host.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address, ip_network

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from pyinfra_swarm.firewall import host_files, paths
from pyinfra_swarm.firewall.policy import FAMILIES
from tests.models.firewall.packet import Packet
from tests.models.firewall.promise import passes
from tests.models.firewall.strategies import (
    CUSTOM,
    FOREIGN,
    MADE_LATER,
    OF_A_NETWORK,
    Case,
    cases,
    packets,
)
from tests.netns.conftest import Host, Namespace, namespace
from tests.netns.wires import CONTAINERS_PORT, Wires

INTERFACES = (
    "eth0",
    "docker0",
    "docker_gwbridge",
    CUSTOM,
    OF_A_NETWORK,
    *MADE_LATER,
    *FOREIGN,
)
NEVER_ON_A_WIRE = tuple(
    ip_network(text) for text in ("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3", "::/127", "ff00::/8")
)


@pytest.fixture
def wires(host: Host) -> Iterator[Wires]:
    other = namespace()
    try:
        yield Wires(host, Namespace(other.pid), INTERFACES)
    finally:
        other.kill()
        other.wait()


def on_the_wire(packet: Packet, number: int) -> Packet | None:
    """The packet as it can be sent: a new connection, in the clear, from a possible source."""
    entered = packet.entered if packet.entered in INTERFACES else "eth0"
    source = packet.address
    if packet.hook == "OUTPUT" or any(
        source in n for n in NEVER_ON_A_WIRE if n.version == source.version
    ):
        return None
    if packet.hook == "INPUT":
        leaves, asked = "", packet.port
    else:
        if entered == packet.leaves or packet.leaves not in INTERFACES or source.is_link_local:
            return None
        leaves, asked = packet.leaves, packet.asked_port
    dnat = packet.dnat and packet.protocol in ("tcp", "udp")
    fixed = packet.source_port in (67, 547)
    return replace(
        packet,
        entered=entered,
        leaves=leaves,
        state="NEW",
        ipsec=False,
        dnat=dnat,
        port=CONTAINERS_PORT if dnat else packet.port,
        asked_port=asked,
        source_port=packet.source_port if fixed else 20000 + number,
        # An error belongs to a connection, or to none; only requests begin one.
        icmp=(8 if isinstance(source, IPv4Address) else 128) if "icmp" in packet.protocol else 0,
    )


def load(host: Host, case: Case) -> None:
    firewall = case.place.settings.firewall
    text = host_files.files(case.chains, refreshed=False, schedule=firewall.refresh)
    for family in FAMILIES:
        place = host.path(paths.RULES[family])
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text[paths.RULES[family]])
    place = host.path(paths.SCRIPT)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text[paths.SCRIPT])
    host.path("/run").mkdir(exist_ok=True)
    host.firewall("load")


def test_real_iptables_keeps_the_promise(host: Host, wires: Wires) -> None:
    sent = {True: 0, False: 0}
    begun = 0

    @seed(20261124)
    @settings(
        max_examples=12,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def sample(data: st.DataObject) -> None:
        nonlocal begun
        case = data.draw(cases())
        load(host, case)
        drawn = [data.draw(packets(case.place)) for _ in range(40)]
        made = [on_the_wire(packet, begun + number) for number, packet in enumerate(drawn)]
        begun += len(drawn)
        chosen = list({(p.hook, p.source, p.port, p.source_port): p for p in made if p}.values())
        for packet, arrived in zip(chosen, wires.pass_through(chosen), strict=True):
            assert arrived == passes(case.place, packet), (packet, case.place)
            sent[arrived] += 1

    sample()
    assert sent[True] > 30, sent
    assert sent[False] > 30, sent
