"""Who reaches what, tried with packets: every client, family, door and node, again and again.

The doors are real: services in the routing mesh and in host mode, single containers, a listener
of the host's own. Before the firewall is there, all of them are shown to be open (otherwise the
rest would prove nothing); then each cell is tried after each event of :data:`EVENTS`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import product
from types import ModuleType

import pytest

from lab import addresses
from lab.description import Description
from tests.scenarios.conftest import (
    Run,
    description_of_the_lab,
    load_web_image,
    on_each,
    settings_without,
    wait_for,
)
from tests.scenarios.reach import OPEN, REFUSED, SILENT, Target, reach

SITE = ("-y", "inventory.py", "deploys/site.py")
NODES = tuple(f"node{number}" for number in range(1, 5))
MANAGERS = NODES[:3]
CLIENTS = ("cloudflare", "stranger", "admin")
FAMILIES = ("ipv4", "ipv6")

MESH, MESH_TLS, MESH_UNDECLARED = 80, 443, 8080
HOST_MODE_UNDECLARED, HOST_MODE_DECLARED = 8081, 8082
CONTAINER_UNDECLARED, CONTAINER_DECLARED = 8083, 8084
LISTENER_UNDECLARED, LISTENER_FOR_ADMIN = 8085, 9100
CONTAINER_WEB, LISTENER_WEB, ROUTED_WEB = 8086, 8087, 8088
"""Web ports as 80 and 443 are, but for IPv6 as well, which the routing mesh does not speak yet.

In this order: through Docker's proxy, on the host itself, and translated by the kernel, as for a
container in a network with IPv6.
"""

ADMIN = ("203.0.113.0/24", "2001:db8:ad::/48")
DECLARED = [
    {"port": HOST_MODE_DECLARED},
    {"port": CONTAINER_DECLARED},
    {"port": LISTENER_FOR_ADMIN, "sources": ADMIN},
]
ENVIRONMENT = {
    "SWARM_FIREWALL__OPEN": json.dumps(DECLARED),
    "SWARM_FIREWALL__WEB_PORTS": json.dumps(
        [MESH, MESH_TLS, CONTAINER_WEB, LISTENER_WEB, ROUTED_WEB]
    ),
}


@dataclass(frozen=True)
class Door:
    """Something that listens, and who may reach it.

    ipv6: it listens over IPv6 for sure; for others that is the engine's to say.
    managers: it listens on managers only.
    """

    name: str
    port: int
    admits: frozenset[str] = frozenset()
    ipv6: bool = False
    managers: bool = False


EVERYBODY = frozenset(CLIENTS)
DOORS = (
    Door("SSH", 22, EVERYBODY, ipv6=True),
    Door("swarm management", 2377, managers=True),
    Door("swarm gossip", 7946),
    Door("mesh, web port", MESH, frozenset({"cloudflare"})),
    Door("mesh, web port for TLS", MESH_TLS, frozenset({"cloudflare"})),
    Door("mesh, undeclared", MESH_UNDECLARED),
    Door("host mode, undeclared", HOST_MODE_UNDECLARED),
    Door("host mode, declared", HOST_MODE_DECLARED, EVERYBODY),
    Door("docker run -p, undeclared", CONTAINER_UNDECLARED, ipv6=True),
    Door("docker run -p, declared", CONTAINER_DECLARED, EVERYBODY, ipv6=True),
    Door("docker run -p, web port", CONTAINER_WEB, frozenset({"cloudflare"}), ipv6=True),
    Door("docker run -p over IPv6, web port", ROUTED_WEB, frozenset({"cloudflare"}), ipv6=True),
    Door("listener of the host, undeclared", LISTENER_UNDECLARED, ipv6=True),
    Door("listener of the host, web port", LISTENER_WEB, frozenset({"cloudflare"}), ipv6=True),
    Door("listener, declared for the admin", LISTENER_FOR_ADMIN, frozenset({"admin"}), ipv6=True),
)
CELLS = list(product(DOORS, NODES, CLIENTS, FAMILIES))
DATAGRAMS = (4789, 7946)
"""UDP ports of the swarm: VXLAN, and the nodes' gossip."""

EVENTS = (
    "the run",
    *(
        pytest.param(event, marks=pytest.mark.lifecycle)
        for event in (
            "a refresh",
            "a restart of Docker",
            "a reboot of all nodes",
            "a node's leaving",
            "its joining again",
        )
    ),
)
each_cell = pytest.mark.parametrize(
    ("door", "node", "client", "family"),
    CELLS,
    ids=[f"{client}-{family}-{door.name}-{node}" for door, node, client, family in CELLS],
)


@dataclass
class Matrix:
    """What came of all attempts after one event."""

    outside: dict[tuple[str, str, str, int], str]
    straight: dict[tuple[str, str, str], str]
    inside: dict[tuple[str, str], str]
    datagrams: dict[tuple[str, str, int, str], int]
    absent: tuple[str, ...] = ()


# The doors
# ---------

CONTAINERS = "closed opened proxied routed listener admins visitors"
NETWORK6 = "fd00:c0de"
"""A network of Docker's with IPv6, the same on every node."""

_CONTAINERS = f"""
set -e
docker rm -f {CONTAINERS} >/dev/null 2>&1 || :
docker network rm six >/dev/null 2>&1 || :
docker network create --ipv6 --subnet {NETWORK6}::/64 --gateway {NETWORK6}::1 six >/dev/null
docker run -d --restart always --name routed --network six --ip6 {NETWORK6}::80 \
  -p {ROUTED_WEB}:80 lab/web:1 >/dev/null
docker run -d --restart always --name closed -p {CONTAINER_UNDECLARED}:80 lab/web:1 >/dev/null
docker run -d --restart always --name opened -p {CONTAINER_DECLARED}:80 lab/web:1 >/dev/null
docker run -d --restart always --name proxied -p {CONTAINER_WEB}:80 lab/web:1 >/dev/null
docker run -d --restart always --name visitors --network host lab/web:1 \
  httpd -f -p '[::]:{LISTENER_WEB}' -h /www >/dev/null
docker run -d --restart always --name listener --network host lab/web:1 \
  httpd -f -p '[::]:{LISTENER_UNDECLARED}' -h /www >/dev/null
docker run -d --restart always --name admins --network host lab/web:1 \
  httpd -f -p '[::]:{LISTENER_FOR_ADMIN}' -h /www >/dev/null
"""

SERVICES = ("web", "meshed", "hosted", "offered")

_SERVICES = f"""
set -e
docker service rm {" ".join(SERVICES)} >/dev/null 2>&1 || :
docker service create --quiet --detach --name web --replicas 2 --no-resolve-image \
  --publish {MESH}:80 --publish {MESH_TLS}:80 lab/web:1 >/dev/null
docker service create --quiet --detach --name meshed --replicas 2 --no-resolve-image \
  --publish {MESH_UNDECLARED}:80 lab/web:1 >/dev/null
docker service create --quiet --detach --name hosted --mode global --no-resolve-image \
  --publish mode=host,published={HOST_MODE_UNDECLARED},target=80 lab/web:1 >/dev/null
docker service create --quiet --detach --name offered --mode global --no-resolve-image \
  --publish mode=host,published={HOST_MODE_DECLARED},target=80 lab/web:1 >/dev/null
"""


@pytest.fixture(scope="module")
def site(lab: ModuleType, pyinfra: Callable[..., Run]) -> Iterator[Callable[..., Run]]:
    """The whole job, with some ports declared."""

    def run(*more: str, **also: str) -> Run:
        done = pyinfra(*more, *SITE, env={**ENVIRONMENT, **also})
        assert done.returncode == 0, done.output
        return done

    yield run
    lab.set_faults({})


@pytest.fixture(scope="module")
def doors(lab: ModuleType, site: Callable[..., Run]) -> Iterator[Description]:
    """The cluster with everything on it that listens."""
    site()
    found = description_of_the_lab()
    load_web_image(NODES)
    on_each(NODES, f"set -e; {_CONTAINERS}", timeout=300)
    lab.run("node1", ["sudo", "sh", "-c", _SERVICES])
    wait_for_the_doors(lab, found)
    yield found
    lab.run("node1", f"docker service rm {' '.join(SERVICES)}")
    on_each(NODES, f"docker rm -f {CONTAINERS}; docker network rm six", timeout=300)


def wait_for_the_doors(lab: ModuleType, found: Description, nodes: tuple[str, ...] = NODES) -> None:
    """Until every door is open from the cluster's own network."""
    ports = [door.port for door in DOORS if door.port not in (2377, LISTENER_FOR_ADMIN)]

    def ready() -> bool:
        peers = on_each(
            nodes[:1],
            "".join(
                f"curl -s -o /dev/null --max-time 4 http://{found.host(node).address}:{port}/ "
                f"|| echo {node} {port}\n"
                for node in nodes
                for port in ports
                if port not in (22, 7946, LISTENER_UNDECLARED, LISTENER_WEB)
            ),
            timeout=300,
        )
        return not "".join(peers.values()).strip()

    wait_for(ready, "every door to be there", 180)


# Trying them
# -----------


def address(found: Description, node: str, family: str) -> str:
    number = next(host for host in found.hosts if host.name == node)
    return number.address if family == "ipv4" else number.address6


def from_each_client(
    lab: ModuleType, targets: Iterable[Target], wait: float = 3
) -> dict[str, dict[Target, str]]:
    """What came of connecting to each target, by client."""
    tried = partial(reach, lab, targets=list(targets), wait=wait)
    with ThreadPoolExecutor(len(CLIENTS)) as pool:
        return dict(zip(CLIENTS, pool.map(tried, CLIENTS), strict=True))


def look(lab: ModuleType, found: Description, nodes: tuple[str, ...] = NODES) -> Matrix:
    """Try everything."""
    targets = {
        (node, family, door.port): (address(found, node, family), door.port)
        for door, node, _, family in CELLS
        if node in nodes
    }
    results = from_each_client(lab, targets.values())
    return Matrix(
        outside={
            (client, family, node, port): results[client][target]
            for (node, family, port), target in targets.items()
            for client in CLIENTS
        },
        straight=straight(lab, found, nodes),
        inside=inside(found, nodes),
        datagrams=datagrams(lab, found, nodes),
        absent=tuple(node for node in NODES if node not in nodes),
    )


STRAIGHT = {
    "the container that publishes a declared port": ("container", 80),
    "the container in a network with IPv6": (f"{NETWORK6}::80", 80),
    "docker0's address, at an undeclared published port": ("172.17.0.1", CONTAINER_UNDECLARED),
    "docker0's address, at the management port": ("172.17.0.1", 2377),
    "docker_gwbridge's address, at an undeclared mesh port": ("gateway", MESH_UNDECLARED),
    "docker_gwbridge's address, at a listener of the host": ("gateway", LISTENER_UNDECLARED),
    "an IPv6 bridge's address, at a listener of the host": (f"{NETWORK6}::1", LISTENER_UNDECLARED),
}
"""What somebody tries who sends packets for Docker's networks straight to a node."""

DOCKER_DROPS = frozenset(what for what in STRAIGHT if what.startswith("the container"))
"""What Docker 28 drops by itself, in the table ``raw``; older engines do not."""


def straight(
    lab: ModuleType, found: Description, nodes: tuple[str, ...]
) -> dict[tuple[str, str, str], str]:
    said = on_each(
        nodes,
        "docker inspect -f '{{.NetworkSettings.Networks.bridge.IPAddress}}' opened; "
        "docker network inspect -f '{{(index .IPAM.Config 0).Gateway}}' docker_gwbridge",
    )
    found_out: dict[tuple[str, str, str], str] = {}
    for node in nodes:
        container, gateway = said[node].split()
        routes = {
            "172.17.0.0/16": address(found, node, "ipv4"),
            gateway.rsplit(".", 2)[0] + ".0.0/16": address(found, node, "ipv4"),
            f"{NETWORK6}::/64": address(found, node, "ipv6"),
        }
        for network, via in routes.items():
            lab.in_namespace("lab", ["ip", "route", "replace", network, "via", via])
        try:
            meant = {"container": container, "gateway": gateway}
            targets: dict[str, Target] = {
                what: (meant.get(where, where), port) for what, (where, port) in STRAIGHT.items()
            }
            for client, results in from_each_client(lab, targets.values(), wait=2).items():
                for what, target in targets.items():
                    found_out[client, node, what] = results[target]
        finally:
            for network in routes:
                lab.in_namespace("lab", ["ip", "route", "del", network])
    return found_out


INSIDE = (
    "container to container",
    "container outward to 443",
    "container to its own node's published port",
    "container to its own node's mesh port",
    "container to another node's published port",
    "container to another node's mesh port",
    "task to another node's mesh port",
    "task outward to 443",
)


def inside(found: Description, nodes: tuple[str, ...]) -> dict[tuple[str, str], str]:
    results: dict[tuple[str, str], str] = {}

    def ask(node: str) -> None:
        own = address(found, node, "ipv4")
        other = address(found, nodes[(nodes.index(node) + 1) % len(nodes)], "ipv4")
        attempts = {
            "container to container": ("closed", "$opened", 80),
            "container outward to 443": ("closed", addresses.GATEWAY, 443),
            "container to its own node's published port": ("closed", own, CONTAINER_UNDECLARED),
            "container to its own node's mesh port": ("closed", own, MESH_UNDECLARED),
            "container to another node's published port": ("closed", other, CONTAINER_UNDECLARED),
            "container to another node's mesh port": ("closed", other, MESH_UNDECLARED),
            "task to another node's mesh port": ("$task", other, MESH),
            "task outward to 443": ("$task", addresses.GATEWAY, 443),
        }
        script = (
            "opened=$(docker inspect -f '{{.NetworkSettings.Networks.bridge.IPAddress}}' opened)\n"
            "task=$(docker ps -q -f label=com.docker.swarm.service.name=hosted | head -n 1)\n"
        )
        for what, (container, where, port) in attempts.items():
            script += (
                f"if docker exec {container} nc -w 4 {where} {port} </dev/null >/dev/null 2>&1; "
                f'then echo "{what}: {OPEN}"; else echo "{what}: closed"; fi\n'
            )
        for line in on_each([node], script, timeout=180)[node].splitlines():
            what, _, word = line.rpartition(": ")
            results[node, what] = word

    with ThreadPoolExecutor(len(nodes)) as pool:
        list(pool.map(ask, nodes))
    return results


_SEND = """
import json, socket, sys

for address, port in json.load(sys.stdin):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for _ in range(3):
        socket.socket(family, socket.SOCK_DGRAM).sendto(b"knock", (address, port))
"""


def datagrams(
    lab: ModuleType, found: Description, nodes: tuple[str, ...]
) -> dict[tuple[str, str, int, str], int]:
    """How many get past the filter, counted behind it: UDP has no answer that would tell."""
    kinds = list(product(CLIENTS, DATAGRAMS, FAMILIES))
    commands = {"ipv4": "iptables -w -t nat", "ipv6": "ip6tables -w -t nat"}
    sources = {
        (name, family): client.address if family == "ipv4" else client.address6
        for name, client in found.clients.items()
        for family in FAMILIES
    }

    def rules(change: str) -> str:
        return "".join(
            f"{commands[family]} {change} INPUT "
            f"-s {sources[client, family]} -p udp --dport {port}\n"
            for client, port, family in kinds
        )

    on_each(nodes, rules("-A"))
    targets = [
        (address(found, node, family), port)
        for node, port, family in product(nodes, DATAGRAMS, FAMILIES)
    ]
    for client in CLIENTS:
        lab.in_namespace(client, [sys.executable, "-c", _SEND], stdin=json.dumps(targets))
    said = on_each(
        nodes, "".join(f"{command} -nvxL INPUT\n" for command in commands.values()) + rules("-D")
    )
    counted = {}
    for node, (client, port, family) in product(nodes, kinds):
        [line] = [
            line.split()
            for line in said[node].splitlines()
            if f" {sources[client, family]} " in line and f"dpt:{port}" in line
        ]
        counted[client, node, port, family] = int(line[0])
    return counted


# Without the firewall, everything is open
# ----------------------------------------


@pytest.fixture(scope="module")
def control(lab: ModuleType, doors: Description) -> Matrix:
    """The same attempts with our rules out of the kernel; put back at the end."""
    on_each(NODES, "sh /usr/local/lib/pyinfra-swarm/firewall unload")
    try:
        return look(lab, doors)
    finally:
        on_each(NODES, "sh /usr/local/lib/pyinfra-swarm/firewall load")


def test_without_it_every_door_is_open_to_everybody(control: Matrix) -> None:
    """What nothing listens on is refused: an answer, where the firewall gives none."""
    for door, node, client, family in CELLS:
        if door.managers and node not in MANAGERS:
            allowed = {REFUSED}
        elif family == "ipv4" or door.ipv6:
            allowed = {OPEN}
        else:
            allowed = {OPEN, REFUSED}
        word = control.outside[client, family, node, door.port]
        assert word in allowed, (door.name, node, client, family)


def test_without_it_datagrams_get_in(control: Matrix) -> None:
    assert set(control.datagrams.values()) == {3}


def test_without_it_bridges_addresses_are_open_from_outside(control: Matrix) -> None:
    for (client, node, what), word in control.straight.items():
        if what in DOCKER_DROPS:
            expected = SILENT
        elif "management" in what and node not in MANAGERS:
            expected = REFUSED
        else:
            expected = OPEN
        assert word == expected, (client, node, what)


# With it
# -------


@pytest.fixture(scope="module", params=EVENTS)
def matrix(
    request: pytest.FixtureRequest,
    lab: ModuleType,
    doors: Description,
    control: Matrix,
    site: Callable[..., Run],
    pyinfra: Callable[..., Run],
    tmp_path_factory: pytest.TempPathFactory,
) -> Matrix:
    """What came of all attempts after the event."""
    nodes = NODES
    if request.param == "a refresh":
        on_each(NODES, "systemctl start pyinfra-swarm-web-ranges.service")
    elif request.param == "a restart of Docker":
        on_each(NODES, "systemctl restart docker", timeout=300)
    elif request.param == "a reboot of all nodes":
        with ThreadPoolExecutor(len(NODES)) as pool:
            list(pool.map(lab.reboot, NODES))
    elif request.param == "a node's leaving":
        nodes = NODES[:3]
        lab.run("node4", "docker swarm leave")
        lab.run("node1", "docker node rm --force node4")
        rest = settings_without(tmp_path_factory.mktemp("settings") / "cluster.toml", "node4")
        site(SWARM_SETTINGS=str(rest))
    elif request.param == "its joining again":
        site()
    wait_for_the_doors(lab, doors, nodes)
    return look(lab, doors, nodes)


@each_cell
def test_from_outside(
    matrix: Matrix, control: Matrix, door: Door, node: str, client: str, family: str
) -> None:
    cell = (client, family, node, door.port)
    if node in matrix.absent:
        assert cell not in matrix.outside
    elif client in door.admits:
        assert matrix.outside[cell] == control.outside[cell]  # open, or nothing listens there
    else:
        assert matrix.outside[cell] == SILENT


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("port", DATAGRAMS)
@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("node", NODES)
def test_from_outside_with_datagrams(
    matrix: Matrix, node: str, client: str, port: int, family: str
) -> None:
    if node not in matrix.absent:
        assert matrix.datagrams[client, node, port, family] == 0


@pytest.mark.parametrize("what", STRAIGHT)
@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("node", NODES)
def test_from_outside_straight_at(matrix: Matrix, node: str, client: str, what: str) -> None:
    if node not in matrix.absent:
        assert matrix.straight[client, node, what] == SILENT


@pytest.mark.parametrize("what", INSIDE)
@pytest.mark.parametrize("node", NODES)
def test_inside_nothing_is_in_the_way(matrix: Matrix, node: str, what: str) -> None:
    if node not in matrix.absent:
        assert matrix.inside[node, what] == OPEN


def test_a_node_that_left_does_not_reach_the_swarms_ports(
    matrix: Matrix, doors: Description
) -> None:
    [said] = on_each(
        ["node4"],
        "for port in 2377 7946; do "
        f"timeout 3 bash -c '</dev/tcp/{address(doors, 'node1', 'ipv4')}/'$port 2>/dev/null "
        "&& echo open || echo closed; done",
    ).values()
    assert set(said.split()) == ({"closed"} if "node4" in matrix.absent else {"open"})


def test_a_second_run_changes_nothing(site: Callable[..., Run], matrix: Matrix) -> None:
    if not matrix.absent:
        assert "Nothing was changed" in site().output
