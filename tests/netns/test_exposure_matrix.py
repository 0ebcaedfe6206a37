"""Who gets in, in each mode of `[exposure]`: every source at every door, with real packets.

The table of it is in docs/exposure.md, made of the same tries.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.models.firewall.strategies import generated
from tests.models.firewall.who_gets_in import MODES, Try, place, tries
from tests.netns.conftest import Host, Namespace, namespace
from tests.netns.test_firewall_packets import load, on_the_wire
from tests.netns.wires import Wires


@pytest.fixture
def wires(host: Host) -> Iterator[Wires]:
    other = namespace()
    try:
        yield Wires(host, Namespace(other.pid), ("eth0", "docker0", "docker_gwbridge"))
    finally:
        other.kill()
        other.wait()


def test_who_gets_in_is_what_the_page_says(host: Host, wires: Wires) -> None:
    wrong: list[tuple[Try, bool]] = []
    counted = {True: 0, False: 0}
    begun = 0
    for mode in MODES:
        load(host, generated(place(mode)))
        all_of_it = list(tries(mode))
        packets = [on_the_wire(one.packet, begun + n) for n, one in enumerate(all_of_it)]
        assert None not in packets
        begun += len(packets)
        arrived = wires.pass_through([packet for packet in packets if packet])
        for one, got_in in zip(all_of_it, arrived, strict=True):
            counted[got_in] += 1
            if got_in != one.let_in:
                wrong.append((one, got_in))
    assert wrong == []
    assert min(counted.values()) > 100, counted
