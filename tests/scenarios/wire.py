"""What hosts say on the cable of the floating address: VRRP, and gratuitous ARP."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab import addresses
from lab.description import Description
from lab.network import inside

SILENT = 1.5
"""Seconds after which a host that says every half second that it holds the address is silent."""

_VRRP = re.compile(r"^(\S+) .*?: (\S+) > \S+: VRRPv3, Advertisement, vrid \d+, prio (\d+)", re.M)
_ARP = re.compile(
    r"^(\S+) (\S+) > ff:ff:ff:ff:ff:ff.*?: "
    r"(?:Request who-has (\S+) (?:\(\S+\) )?tell \3|Reply (\S+) is-at \S+),",
    re.M,
)


@dataclass(frozen=True)
class Heard:
    """What was said on the cable, in order, with the time in seconds since 1970.

    held: host to the times at which it said that it holds the address.
    announced: the times of gratuitous ARP for an address, with the host.
    """

    held: Mapping[str, list[float]]
    announced: list[tuple[float, str, str]]

    def spans(self) -> dict[str, list[tuple[float, float]]]:
        """From when to when each host said so, without being silent."""
        return {name: list(_spans(times)) for name, times in self.held.items()}

    def by(self, address: str) -> list[str]:
        """The hosts that have announced an address, in order, each as often in a row as once."""
        names = [name for _, name, what in self.announced if what == address]
        return [name for at, name in enumerate(names) if at == 0 or names[at - 1] != name]


def _spans(times: list[float]) -> Iterator[tuple[float, float]]:
    begin = before = times[0]
    for at in times[1:]:
        if at - before > SILENT:
            yield begin, before
            begin = at
        before = at
    yield begin, before


@contextmanager
def listening(found: Description, folder: Path) -> Iterator[Path]:
    """tcpdump on the lab's bridge; what it prints comes into a file, for :func:`heard`."""
    path = folder / f"wire-{time.monotonic_ns()}"
    words = ["tcpdump", "-l", "-n", "-e", "-tt", "-i", found.bridge, "arp or ip proto 112"]
    with path.open("w") as file:
        process = subprocess.Popen(
            inside(found.namespace, words), stdout=file, stderr=subprocess.DEVNULL
        )
        time.sleep(0.5)
        try:
            yield path
        finally:
            process.terminate()
            process.wait(timeout=10)


def heard(path: Path) -> Heard:
    """What tcpdump has printed."""
    text = path.read_text()
    nodes = addresses.nodes(addresses.MOST_HOSTS, 0)
    by_address = {node.address: node.name for node in nodes}
    by_mac = {node.mac: node.name for node in nodes}
    held: dict[str, list[float]] = {}
    for at, source, priority in _VRRP.findall(text):
        if priority != "0":  # with which a host says that it lets go
            held.setdefault(by_address[source], []).append(float(at))
    announced = [
        (float(at), by_mac.get(mac, mac), asked or told)
        for at, mac, asked, told in _ARP.findall(text)
    ]
    return Heard(held, announced)
