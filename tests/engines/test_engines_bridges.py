"""Docker makes networks after the firewall was set up: they are let in, and nobody else is.

Real engines, the oldest and the newest there are, whose networks are made by Docker's own command
line while the host's script watches, and while it does not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from pyinfra_swarm.firewall.docker_bridges import Interfaces, parse_list
from pyinfra_swarm.firewall.paths import INTERFACE_LIST, LISTS, SCRIPT
from pyinfra_swarm.firewall.policy import Policy
from pyinfra_swarm.firewall.rules import BRIDGES
from pyinfra_swarm.firewall.wanted import declared
from pyinfra_swarm.firewall.web_ranges import SHIPPED
from pyinfra_swarm.run.writing import write_files
from tests.engines.hosts import Hosts
from tests.engines.internet import INSIDE, OUTSIDE, address6, beside_the_internet

CLOUDFLARE, STRANGER = ("104.16.0.9", "2606:4700::9"), ("203.0.113.9", "2001:db8:bad::9")
ENGINES = pytest.mark.parametrize("name", INSIDE)


@pytest.fixture(scope="module")
def made() -> Iterator[Hosts]:
    """Both engines behind the firewall."""
    with beside_the_internet((*CLOUDFLARE, *STRANGER)) as hosts:
        hosts.import_image(OUTSIDE, *INSIDE)
        _serve(hosts, OUTSIDE)
        lists = {f"{LISTS}/{family}": "\n".join(SHIPPED[family]) for family in SHIPPED}
        wanted = declared(Policy(peers=("10.99.0.11", "10.99.0.12"), manager=True), "daily")
        for name in INSIDE:
            _serve(hosts, name)
            script = write_files({**wanted.files, **lists})
            hosts.run(name, f"set -e; {script}; sh {SCRIPT} look; sh {SCRIPT} load")
        yield hosts


def _serve(hosts: Hosts, name: str) -> None:
    """Something of the host's own that listens on port 9000, over both families."""
    serving = ("httpd", "-f", "-p", "[::]:9000")
    hosts.docker(name, "run", "-d", "--network=host", "busybox", *serving)


@contextmanager
def watching(hosts: Hosts, name: str) -> Iterator[None]:
    """The script as its unit runs it."""
    start = f"setsid sh {SCRIPT} watch >/var/log/watch.log 2>&1 </dev/null & echo $!"
    pid = hosts.run(name, start).stdout.strip()
    try:
        yield
    finally:
        hosts.run(name, f"kill -- -{pid}")


def listed(hosts: Hosts, name: str) -> Interfaces:
    return parse_list(hosts.run(name, f"cat {INTERFACE_LIST}").stdout.splitlines())


def until(holds: Callable[[], bool], what: str, seconds: float = 15) -> None:
    begun = time.monotonic()
    while not holds():
        assert time.monotonic() - begun < seconds, what
        time.sleep(0.05)


def fetched(hosts: Hosts, name: str, container: str, url: str, wait: int = 3) -> bool:
    """Whether a container has an answer, if only that there is no such page."""
    script = f"wget -q -T {wait} -O /dev/null {url} 2>&1"
    said = hosts.run(name, f"docker exec {container} sh -c '{script}'", check=False)
    return said.returncode == 0 or "404" in said.stdout


def reached(hosts: Hosts, source: str, url: str) -> bool:
    """Whether an address of the internet has an answer."""
    line = f"curl -gs -o /dev/null -m 2 --interface {source} {url}"
    return hosts.run(OUTSIDE, line, check=False).returncode == 0


def create(hosts: Hosts, name: str, called: str, *options: str) -> str:
    """Make a network; the name of its bridge."""
    return f"br-{hosts.docker(name, 'network', 'create', *options, called).strip()[:12]}"


def populate(hosts: Hosts, name: str, called: str) -> None:
    """Two containers in a network, called like it and like it with a 2, that serve port 80."""
    for container in (called, f"{called}2"):
        hosts.docker(
            *(name, "run", "-d", f"--name={container}", f"--network={called}"),
            *("busybox", "httpd", "-f"),
        )


def _address(hosts: Hosts, name: str, container: str, network: str) -> str:
    template = f"{{{{.NetworkSettings.Networks.{network}.IPAddress}}}}"
    return hosts.docker(name, "inspect", "-f", template, container).strip()


@ENGINES
@pytest.mark.parametrize(
    "options", [(), ("--subnet=10.77.0.0/24", "--ipv6", "--subnet=fd77:1::/64")], ids=len
)
def test_containers_of_a_network_made_later_reach_their_host_each_other_and_the_world(
    made: Hosts, name: str, options: tuple[str, ...]
) -> None:
    with watching(made, name):
        bridge = create(made, name, "later", *options)
        until(lambda: bridge in listed(made, name).docker, "its bridge to be known", 5)
        populate(made, name, "later")
        assert fetched(made, name, "later", f"http://{made[name].address}:9000/"), "its host"
        assert fetched(made, name, "later", "http://later2/"), "the other one"
        assert fetched(made, name, "later", f"http://{made[OUTSIDE].address}:9000/"), "outward"
        if options:
            assert fetched(made, name, "later", f"http://[{address6(name)}]:9000/"), "over IPv6"
        made.docker(name, "rm", "-f", "later", "later2")
        made.docker(name, "network", "rm", "later")
        until(lambda: bridge not in listed(made, name).docker, "its bridge to be gone")


@ENGINES
def test_without_the_watch_only_the_own_host_is_not_reached(made: Hosts, name: str) -> None:
    create(made, name, "unseen")
    populate(made, name, "unseen")
    assert fetched(made, name, "unseen", f"http://{made[OUTSIDE].address}:9000/"), "outward"
    assert fetched(made, name, "unseen2", "http://unseen/"), "the other one"
    container = _address(made, name, "unseen", "unseen")
    made.run(OUTSIDE, f"ip route replace {container} via {made[name].address}")
    for source in (CLOUDFLARE[0], STRANGER[0], made[OUTSIDE].address):
        assert not reached(made, source, f"http://{container}/"), "straight"
    assert not fetched(made, name, "unseen", f"http://{made[name].address}:9000/", wait=1)
    made.run(name, f"sh {SCRIPT} look")
    assert fetched(made, name, "unseen", f"http://{made[name].address}:9000/")


@ENGINES
@pytest.mark.parametrize("bridge", ["db0", ""])
def test_what_a_network_made_later_publishes_is_judged_at_once(
    made: Hosts, name: str, bridge: str
) -> None:
    """Nobody watches: it is the rules that hold, whatever the bridge is called."""
    called = bridge or "by-id"
    named = (f"--opt=com.docker.network.bridge.name={bridge}",) if bridge else ()
    subnet = "fd00:db0::/64" if bridge else "fd00:db1::/64"
    made.docker(name, "network", "create", "--ipv6", f"--subnet={subnet}", *named, called)
    made.docker(
        *(name, "run", "-d", f"--name={called}", f"--network={called}"),
        *("-p", "443:80", "-p", "5432:80", "busybox", "httpd", "-f", "-h", "/"),
    )
    try:
        for family, at in enumerate((made[name].address, f"[{address6(name)}]")):
            web, database = f"http://{at}:443/", f"http://{at}:5432/"
            until(lambda: reached(made, CLOUDFLARE[family], web), f"the web port at {at}")  # noqa: B023
            assert not reached(made, STRANGER[family], web)
            assert not reached(made, CLOUDFLARE[family], database)
            assert not reached(made, STRANGER[family], database)
    finally:
        made.docker(name, "rm", "-f", called)


@ENGINES
def test_a_network_of_other_people_that_comes_later_gets_nothing(made: Hosts, name: str) -> None:
    """A LAN on a bridge that is called as Docker calls its own."""
    made.docker(
        *(name, "run", "-d", "--name=shop", "-p", "8080:80", "busybox", "httpd", "-f", "-h", "/")
    )
    made.run(
        name,
        "set -e; for lan in br-lan br-ffffffffffff br-ex; do"
        " n=$((${n:-0} + 1)); ip netns add $lan; ip link add $lan type bridge;"
        " ip link add lan$n type veth peer name eth0 netns $lan; ip link set lan$n master $lan up;"
        " ip link set $lan up; ip addr add 10.66.$n.1/24 dev $lan;"
        " ip -n $lan link set eth0 up; ip -n $lan addr add 10.66.$n.2/24 dev eth0;"
        " ip -n $lan route add default via 10.66.$n.1; done",
    )
    inner = _address(made, name, "shop", "bridge")

    def let_in() -> list[str]:
        tried = [f"{made[name].address}:9000", f"{made[name].address}:8080", f"{inner}:80"]
        script = "".join(
            f"ip netns exec {lan} curl -s -o /dev/null -m 1 http://{at}/ && echo {lan} {at}; "
            for lan in ("br-lan", "br-ffffffffffff", "br-ex")
            for at in tried
        )
        return made.run(name, f"{script}:").stdout.splitlines()

    assert let_in() == []
    with watching(made, name):
        lans = {"br-lan", "br-ffffffffffff", "br-ex"}
        until(lambda: lans <= {*listed(made, name).outside}, "it to be known")
        assert let_in() == []
    made.docker(name, "rm", "-f", "shop")
    made.run(
        name,
        "for lan in br-lan br-ffffffffffff br-ex; do ip link del $lan; ip netns del $lan; done",
    )


@ENGINES
def test_a_label_does_not_make_a_bridge_of_dockers(made: Hosts, name: str) -> None:
    made.docker(
        *(name, "network", "create", "--label=com.docker.network.bridge.name=eth0", "labelled")
    )
    made.run(name, f"sh {SCRIPT} look")
    assert "eth0" not in listed(made, name).docker
    assert "-i eth0" not in made.run(name, f"iptables -S {BRIDGES}").stdout


@ENGINES
def test_a_restart_of_docker_leaves_its_bridges_known(made: Hosts, name: str) -> None:
    def known(called: str) -> str:
        bridge = create(made, name, called)
        until(lambda: bridge in listed(made, name).docker, "its bridge")
        return bridge

    with watching(made, name):
        lasting = known("lasting")
        made.restart_engine(name)
        made.wait_for_engine(name)
        assert lasting in listed(made, name).docker
        after = known("after")
        made.docker(name, "network", "rm", "after", "lasting")
        until(lambda: not {lasting, after} & {*listed(made, name).docker}, "both to be gone")
