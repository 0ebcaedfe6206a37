"""Two hosts with engines, the oldest and the newest, and a third that stands for the internet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from tests.engines import programs
from tests.engines.hosts import Hosts

OUTSIDE = "rk3"
INSIDE = ("rk1", "rk2")


def address6(name: str) -> str:
    """A host's address in IPv6."""
    return f"fd00:99::{name.removeprefix('rk')}"


@contextmanager
def beside_the_internet(sources: Iterable[str]) -> Iterator[Hosts]:
    """The hosts, freshly made. sources: addresses from which the internet asks them."""
    versions = programs.versions()
    with Hosts(3, version=(versions[0], versions[-1], versions[-1])) as hosts:
        for name in hosts:
            hosts.run(name, f"ip addr add {address6(name)}/64 dev eth0 nodad")
        for source in sources:
            wide = 128 if ":" in source else 32
            hosts.run(OUTSIDE, f"ip addr add {source}/{wide} dev eth0")
            for name in INSIDE:
                hosts.run(name, f"ip route add {source}/{wide} dev eth0")
        yield hosts
