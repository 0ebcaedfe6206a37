"""Who gets in at which door, in each mode of `[exposure]`: all of it, and as a table.

python -m tests.models.firewall.who_gets_in        puts the table into docs/exposure.md
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyinfra_swarm.firewall.web_ranges import SHIPPED
from pyinfra_swarm.settings import Settings
from tests.models.firewall.packet import Packet
from tests.models.firewall.promise import Place, passes

PAGE = Path(__file__).resolve().parents[3] / "docs/exposure.md"
BEGIN, END = "<!-- who gets in: generated -->", "<!-- end -->"

HOME = ["192.168.1.0/24", "fd00:1::/64"]
AT_HOME = [{"port": 443, "sources": HOME}]
_TUNNEL = {"mode": "tunnel", "tunnel": {"token": "t"}}

MODES: dict[str, dict[str, Any]] = {
    "ports": {},
    'ports, web = "open"': {"firewall": {"web": "open"}},
    'ports, web = "listed" (203.0.113.0/24)': {
        "firewall": {"web": "listed", "web_sources": ["203.0.113.0/24", "2001:db8:203::/48"]}
    },
    'ports, web = "closed"': {"firewall": {"web": "closed"}},
    "ports, 443 open at home": {"firewall": {"open": AT_HOME}},
    "tunnel": {"exposure": _TUNNEL},
    "tunnel, 443 open at home": {"exposure": _TUNNEL, "firewall": {"open": AT_HOME}},
    "tunnel, SSH open at home": {"exposure": _TUNNEL, "firewall": {"ssh_sources": HOME}},
    "none": {"exposure": {"mode": "none"}},
    "none, 443 open at home": {"exposure": {"mode": "none"}, "firewall": {"open": AT_HOME}},
}
"""What each is called, and what it adds to the settings."""

SOURCES: dict[str, dict[str, str]] = {
    "the cluster's hosts": {"ipv4": "192.168.1.12"},
    "your network": {"ipv4": "192.168.1.50", "ipv6": "fd00:1::50"},
    "Cloudflare": {"ipv4": "104.16.0.9", "ipv6": "2606:4700::9"},
    "203.0.113.0/24": {"ipv4": "203.0.113.7", "ipv6": "2001:db8:203::7"},
    "anybody else": {"ipv4": "198.51.100.99", "ipv6": "2001:db8:99::9"},
}
"""Who comes, and from which address of each family; hosts of a cluster talk IPv4."""


@dataclass(frozen=True)
class Door:
    """A port, and what is behind it: a service that publishes it, or the host itself."""

    port: int
    published: bool
    protocol: str = "tcp"

    def packet(self, source: str) -> Packet:
        """The first packet of a connection to it."""
        if self.published:
            return Packet(
                "FORWARD",
                source,
                self.protocol,
                port=8080,
                entered="eth0",
                leaves="docker_gwbridge",
                dnat=True,
                asked_port=self.port,
            )
        return Packet("INPUT", source, self.protocol, port=self.port, entered="eth0")


DOORS: dict[str, tuple[Door, ...]] = {
    "80, 443": (Door(80, True), Door(443, True)),
    "443/udp": (Door(443, True, "udp"),),
    "8080": (Door(8080, True),),
    "the host's own 80, 443": (Door(80, False), Door(443, False)),
    "the host's own 9000": (Door(9000, False),),
    "SSH": (Door(22, False),),
    "2377, 7946": (Door(2377, False), Door(7946, False)),
}
"""Published ports, and ports of the host."""


@dataclass(frozen=True)
class Try:
    """One connection, and whether the documentation lets it in."""

    mode: str
    source: str
    family: str
    door: Door
    packet: Packet
    let_in: bool


def place(mode: str) -> Place:
    """A host of a cluster in this mode."""
    hosts = [
        {"name": f"rk{number}", "address": f"192.168.1.{10 + number}", "role": "manager"}
        for number in (1, 2, 3)
    ]
    settings = Settings(hosts=hosts, secrets=[{"name": "t", "env": "T"}], **MODES[mode])  # type: ignore[arg-type]
    return Place(settings, "rk1", outside=("eth0",), cloudflare=_CLOUDFLARE)


_CLOUDFLARE = (*SHIPPED["ipv4"], *SHIPPED["ipv6"])


def tries(mode: str) -> Iterator[Try]:
    """Every source at every door, in either family."""
    here = place(mode)
    for source, addresses in SOURCES.items():
        for family, address in addresses.items():
            for doors in DOORS.values():
                for door in doors:
                    packet = door.packet(address)
                    yield Try(mode, source, family, door, packet, passes(here, packet))


def table() -> str:
    """A row for each mode: the doors that each source gets in at, in both families alike."""
    head = ["With", *SOURCES]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for mode in MODES:
        all_of_it = list(tries(mode))
        cells = [", ".join(_named(all_of_it, source)) or "nothing" for source in SOURCES]
        lines.append(f"| {' | '.join([f'`{mode}`', *cells])} |")
    return "\n".join(lines)


def _named(all_of_it: list[Try], source: str) -> Iterator[str]:
    for name, doors in DOORS.items():
        there = {
            door.port: {
                one.let_in for one in all_of_it if one.source == source and one.door == door
            }
            for door in doors
        }
        assert all(len(said) == 1 for said in there.values()), (source, name)
        ports = [str(port) for port, said in there.items() if said == {True}]
        if len(ports) == len(doors):
            yield name
        elif ports:
            yield name.replace("80, 443", ", ".join(ports))


def with_table(text: str) -> str:
    """The page with the table of now."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text()))
