"""Docker's own rules and ours in one iptables of the back end nft, as Debian and Ubuntu have it.

The lab's kernel has the other one only; :mod:`tests.netns` has both, but no Docker.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pyinfra_swarm.firewall.paths import LISTS, SCRIPT
from pyinfra_swarm.firewall.policy import Policy
from pyinfra_swarm.firewall.wanted import declared
from pyinfra_swarm.firewall.web_ranges import SHIPPED
from pyinfra_swarm.run.writing import write_files
from tests.engines.hosts import Hosts
from tests.engines.internet import INSIDE, OUTSIDE, address6, beside_the_internet
from tests.scenarios.conftest import wait_for

SOURCES = {
    ("cloudflare", "ipv4"): "104.16.0.9",
    ("cloudflare", "ipv6"): "2606:4700::9",
    ("stranger", "ipv4"): "203.0.113.9",
    ("stranger", "ipv6"): "2001:db8:bad::9",
}
PUBLISHED = {"web port": 80, "undeclared port": 8080}
STRAIGHT = "container's own address"
OPEN, SILENT = 0, 28
"""How ``curl`` ends: with an answer, or without any."""

Cell = tuple[str, str, str]
"""Who asks, over which family, at what."""

CELLS: list[Cell] = [(*who, what) for who in SOURCES for what in (*PUBLISHED, STRAIGHT)]
CONTAINER = {"ipv4": "172.30.0.80", "ipv6": "fd00:c0de::80"}
_DOORS = (
    "docker network create --subnet 172.30.0.0/24 --ipv6 --subnet fd00:c0de::/64 six && "
    "docker run -d --restart always --network six"
    f" --ip {CONTAINER['ipv4']} --ip6 {CONTAINER['ipv6']}"
    f"{''.join(f' -p {port}:80' for port in PUBLISHED.values())} busybox httpd -f -h /"
)


@pytest.fixture(scope="module")
def made() -> Iterator[Hosts]:
    with beside_the_internet(SOURCES.values()) as hosts:
        yield hosts


def reached(hosts: Hosts, name: str) -> dict[Cell, int]:
    """What comes of asking a host, by cell."""
    own = {"ipv4": hosts[name].address, "ipv6": address6(name)}
    script = ""
    for family in CONTAINER:
        script += f"ip route replace {CONTAINER[family]} via {own[family]}; "
    for number, (who, family, what) in enumerate(CELLS):
        at, port = (CONTAINER if what == STRAIGHT else own)[family], PUBLISHED.get(what, 80)
        at = f"[{at}]" if ":" in at else at
        script += (
            f"(curl -gs -o /dev/null -m 2 --interface {SOURCES[who, family]} http://{at}:{port}/;"
            f" echo {number} $?) & "
        )
    said = hosts.run(OUTSIDE, f"{script} wait").stdout
    return {CELLS[int(number)]: int(code) for number, code in map(str.split, said.splitlines())}


@pytest.mark.parametrize("name", INSIDE)
def test_published_ports_are_judged_before_and_after_a_restart_of_docker(
    made: Hosts, name: str
) -> None:
    made.run(
        name,
        "for t in iptables ip6tables; do for s in '' -save -restore; do"
        " ln -sfn /usr/sbin/$t-nft$s /etc/alternatives/$t$s; done; done",
    )
    made.restart_engine(name)
    made.wait_for_engine(name)
    made.import_image(name)
    made.run(name, _DOORS)
    # Docker 28 drops what is sent to a container itself.
    closed = {cell: SILENT for cell in CELLS if name == "rk2" and cell[2] == STRAIGHT}
    everybody = {**dict.fromkeys(CELLS, OPEN), **closed}
    wait_for(lambda: reached(made, name) == everybody, "the container to answer everybody", 30)
    assert "nf_tables" in made.run(name, "iptables --version").stdout
    assert "DOCKER" in made.run(name, "iptables-nft -t nat -S").stdout

    lists = {f"{LISTS}/{family}": "\n".join(SHIPPED[family]) for family in SHIPPED}
    wanted = declared(Policy(peers=("10.99.0.11", "10.99.0.12"), manager=True), "daily")
    made.run(name, f"set -e; {write_files({**wanted.files, **lists})}; sh {SCRIPT} load")
    as_declared = {
        (who, family, what): OPEN if (who, what) == ("cloudflare", "web port") else SILENT
        for who, family, what in CELLS
    }
    assert reached(made, name) == as_declared

    made.restart_engine(name)
    made.wait_for_engine(name)
    wait_for(lambda: OPEN in reached(made, name).values(), "the container to answer Cloudflare", 30)
    assert reached(made, name) == as_declared
