"""Connections to a container behind docker0, through Docker-like rules, while the rules change."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

import pytest

from pyinfra_swarm.firewall.policy import FAMILIES, Family, Policy
from tests.netns.conftest import COMMANDS, Host, Namespace, namespace
from tests.netns.enter import inside
from tests.netns.range_server import Answer, RangeServer

POLICY = Policy(peers=("198.51.100.11", "198.51.100.12"), manager=True)
HOST: dict[Family, str] = {"ipv4": "198.51.100.11", "ipv6": "3fff:1::11"}
CONTAINER: dict[Family, str] = {"ipv4": "172.17.0.2", "ipv6": "fd17::2"}
CLOUDFLARE: dict[Family, str] = {"ipv4": "104.16.0.9", "ipv6": "2606:4700::9"}
STRANGER: dict[Family, str] = {"ipv4": "198.51.100.99", "ipv6": "3fff:1::99"}
PEER = "198.51.100.12"
WEB, OTHER, INSIDE = 80, 8888, 8080

_DOCKERS = """
{0} -P FORWARD DROP; {0} -N DOCKER; {0} -N DOCKER-USER
{0} -A FORWARD -j DOCKER-USER
{0} -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
{0} -A FORWARD -o docker0 -j DOCKER
{0} -A FORWARD -i docker0 -j ACCEPT
{0} -A DOCKER -d {1} ! -i docker0 -o docker0 -p tcp --dport 8080 -j ACCEPT
{0} -t nat -A PREROUTING -p tcp -m addrtype --dst-type LOCAL --dport 80 -j DNAT --to {2}:8080
{0} -t nat -A PREROUTING -p tcp -m addrtype --dst-type LOCAL --dport 8888 -j DNAT --to {2}:8080
{0} -t nat -A POSTROUTING -s {1} ! -o docker0 -j MASQUERADE
"""
_WIRING = """
set -e
sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
ip link add docker0 type bridge; ip link set docker0 up
ip link add eth0 type veth peer name eth0 netns /proc/{outside}/ns/net
ip link add veth1 type veth peer name eth0 netns /proc/{container}/ns/net
ip link set veth1 master docker0 up; ip link set eth0 up
ip addr add 198.51.100.11/24 dev eth0; ip -6 addr add 3fff:1::11/64 dev eth0 nodad
ip addr add 172.17.0.1/16 dev docker0; ip -6 addr add fd17::1/64 dev docker0 nodad
ip route add 104.16.0.0/13 dev eth0; ip -6 route add 2606:4700::/32 dev eth0
"""
_OUTSIDE = """
set -e
for address in 198.51.100.99/24 198.51.100.12/24 104.16.0.9/32
do ip addr add $address dev eth0; done
ip link set eth0 up
for address in 3fff:1::99/64 2606:4700::9/64
do ip -6 addr add $address dev eth0 nodad; done
ip route add 172.17.0.0/16 via 198.51.100.11; ip -6 route add fd17::/64 via 3fff:1::11
"""
_CONTAINER = """
set -e
ip addr add 172.17.0.2/16 dev eth0; ip -6 addr add fd17::2/64 dev eth0 nodad; ip link set eth0 up
ip route add default via 172.17.0.1; ip -6 route add default via fd17::1
"""


@dataclass
class Site:
    """A host with a container that publishes 80 and 8888, and the world outside."""

    host: Host
    outside: Namespace
    container: Namespace

    def connect(self, source: str, target: str, port: int) -> socket.socket | None:
        """A connection from outside that has carried something; ``None`` where there is none."""
        return _connect(self.outside, source, target, port)

    def outward(self, family: Family) -> bool:
        """Whether the container reaches something outside."""
        made = _connect(self.container, "", STRANGER[family], 443)
        return made is not None and answers(made)


def _connect(place: Namespace, source: str, target: str, port: int) -> socket.socket | None:
    def attempt() -> socket.socket | None:
        family = socket.AF_INET6 if ":" in target else socket.AF_INET
        made = socket.socket(family, socket.SOCK_STREAM)
        made.settimeout(1)
        if source:
            made.bind((source, 0))
        try:
            made.connect((target, port))
        except OSError:
            made.close()
            return None
        made.settimeout(5)
        return made

    return inside(place.pid, attempt)


def answers(connection: socket.socket) -> bool:
    """Whether the other end echoes."""
    try:
        connection.sendall(b"still there?")
        return connection.recv(100) == b"still there?"
    except OSError:
        return False


def _echo(place: Namespace, port: int) -> socket.socket:
    def listen() -> socket.socket:
        made = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)

        def serve(connection: socket.socket) -> None:
            with suppress(OSError), connection:
                while content := connection.recv(100):
                    connection.sendall(content)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    threading.Thread(target=serve, args=(made.accept()[0],), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        return made

    return inside(place.pid, listen)


@pytest.fixture
def site(host: Host) -> Iterator[Site]:
    others = [namespace(), namespace()]
    outside, container = (Namespace(process.pid) for process in others)
    listeners = []
    try:
        host.run(_WIRING.format(outside=outside.pid, container=container.pid))
        outside.run(_OUTSIDE)
        container.run(_CONTAINER)
        for family, command in COMMANDS.items():
            target = CONTAINER[family]
            to = f"[{target}]" if family == "ipv6" else target
            host.run("set -e\n" + _DOCKERS.format(command, target, to))
        listeners = [
            _echo(container, INSIDE),
            _echo(outside, 443),
            _echo(host, 22),
            _echo(host, 81),
        ]
        host.install(POLICY)
        made = Site(host, outside, container)
        _wait_for(made)
        yield made
    finally:
        for listener in listeners:
            listener.close()
        for process in others:
            process.kill()
            process.wait()


def _wait_for(site: Site) -> None:
    """Until neighbours have found each other, which may take longer than a test's patience."""
    missing = [
        (source[family], HOST[family]) for family in FAMILIES for source in (STRANGER, CLOUDFLARE)
    ]
    end = time.monotonic() + 20
    while missing := [pair for pair in missing if not reached(site, *pair, WEB)]:
        assert time.monotonic() < end, f"the wiring: {missing}"


def reached(site: Site, source: str, target: str, port: int) -> bool:
    made = site.connect(source, target, port)
    return made is not None and answers(made)


def all_at_once(site: Site, asked: dict[str, tuple[str, str, int, bool]]) -> dict[str, bool]:
    with ThreadPoolExecutor(len(asked)) as pool:
        running = {what: pool.submit(reached, site, *where[:3]) for what, where in asked.items()}
    return {what: attempt.result() for what, attempt in running.items()}


def test_who_reaches_what(site: Site) -> None:
    for family in FAMILIES:
        at, stranger, container = HOST[family], STRANGER[family], CONTAINER[family]
        asked = {
            "web, from Cloudflare": (CLOUDFLARE[family], at, WEB, True),
            "web, from a stranger": (stranger, at, WEB, False),
            "undeclared, from Cloudflare": (CLOUDFLARE[family], at, OTHER, False),
            "undeclared, from a stranger": (stranger, at, OTHER, False),
            "straight at the container": (stranger, container, INSIDE, False),
            "straight at it, from Cloudflare": (CLOUDFLARE[family], container, INSIDE, False),
            "SSH": (stranger, at, 22, True),
            "a service of the host": (stranger, at, 81, False),
        }
        if family == "ipv4":
            asked["undeclared, from the cluster"] = (PEER, at, OTHER, True)
        open_to_all = all_at_once(site, asked)
        assert all(open_to_all.values()), f"the wiring: {open_to_all}"
        site.host.firewall("load")
        found = all_at_once(site, asked)
        assert found == {what: expected for what, (*_, expected) in asked.items()}, family
        assert site.outward(family)
        site.host.firewall("unload")


def test_what_is_established_survives_and_what_is_new_is_judged(site: Site) -> None:
    for family in FAMILIES:
        flow = site.connect(STRANGER[family], HOST[family], OTHER)
        assert flow is not None
        assert answers(flow)
        site.host.firewall("load")
        assert answers(flow), "after the first load"
        assert not reached(site, STRANGER[family], HOST[family], OTHER)
        site.host.firewall("load")
        assert answers(flow), "after loading again"
        site.host.firewall("unload")
        assert answers(flow), "after unloading"


def test_a_visitor_whose_range_goes_away_finishes_and_does_not_come_back(
    site: Site, tmp_path_factory: pytest.TempPathFactory
) -> None:
    lists = {"/v4": Answer(b"131.0.72.0/22\n"), "/v6": Answer(b"2c0f:f248::/32\n")}
    folder = tmp_path_factory.mktemp("certificates")
    server = inside(site.host.pid, lambda: RangeServer(lists, folder, "localhost"))
    site.host.install(POLICY, urls={"ipv4": server.url("v4"), "ipv6": server.url("v6")})
    site.host.firewall("load")
    try:
        flows = {family: site.connect(CLOUDFLARE[family], HOST[family], WEB) for family in FAMILIES}
        site.host.firewall("refresh", "--accept-shrink", CURL_CA_BUNDLE=str(server.bundle))
        for family, flow in flows.items():
            assert flow is not None
            assert answers(flow), family
            assert not reached(site, CLOUDFLARE[family], HOST[family], WEB)
    finally:
        server.close()


def test_no_request_is_lost_while_rules_are_loaded_again_and_again(site: Site) -> None:
    site.host.firewall("load")
    script = str(site.host.path("/usr/local/lib/pyinfra-swarm/firewall"))
    loading = site.host.start(
        "sh",
        "-c",
        f"for n in 1 2 3 4 5 6; do sh {script} load || exit 1; done",
        FIREWALL_ROOT=str(site.host.root),
    )
    counted = 0
    while loading.poll() is None:
        assert reached(site, CLOUDFLARE["ipv4"], HOST["ipv4"], WEB)
        counted += 1
    assert loading.returncode == 0
    assert counted >= 20
