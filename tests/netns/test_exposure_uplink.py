"""What a host sees of its way out, through real routers: at home, and behind a provider's NAT."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from pyinfra_swarm.exposure.facts import Uplink, parse_uplink
from pyinfra_swarm.exposure.plan import plan_uplinks
from pyinfra_swarm.exposure.seen import Uplink as Seen
from tests.netns.conftest import Namespace, namespace
from tests.tools.answers import sections

WORLD, PUBLIC, CARRIERS = "198.51.100.9", "203.0.113.1", "100.72.0.1"

_TRACE = """\
import http.server
class Trace(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
        self.wfile.write(f"fl=1\\nip={self.client_address[0]}\\nts=1\\n".encode())
server = http.server.HTTPServer(("198.51.100.9", 80), Trace)
print(flush=True)
server.serve_forever()
"""


def wire(one: Namespace, address: str, other: Namespace, its: str) -> None:
    """A cable between two, with an address of its network at each end."""
    name = f"to{other.pid}"[:15]
    one.run(
        f"ip link add {name} type veth peer name to{one.pid} netns /proc/{other.pid}/ns/net; "
        f"ip addr add {address} dev {name}; ip link set {name} up"
    )
    other.run(f"ip addr add {its} dev to{one.pid}; ip link set to{one.pid} up")


def translating(router: Namespace, towards: Namespace) -> None:
    router.run(
        "sysctl -qw net.ipv4.ip_forward=1; "
        f"iptables -t nat -A POSTROUTING -o to{towards.pid} -j MASQUERADE"
    )


@dataclass
class Way:
    """A host, its router, the provider's next one, and the world behind it."""

    host: Namespace
    router: Namespace
    provider: Namespace
    world: Namespace

    def lay(self, *, shared: bool) -> None:
        """shared: the router's outer address is one of the provider's inside, and translated."""
        outer, inner = ("100.72.0.2", CARRIERS) if shared else (PUBLIC, "203.0.113.2")
        wire(self.host, "192.168.1.11/24", self.router, "192.168.1.1/24")
        wire(self.router, f"{outer}/24", self.provider, f"{inner}/24")
        # Beyond the provider: what it translates to, where it does, is the public address.
        beyond = PUBLIC if shared else "198.51.100.1"
        wire(self.provider, f"{beyond}/32", self.world, f"{WORLD}/32")
        self.host.run("ip route add default via 192.168.1.1")
        self.router.run(f"ip route add default via {inner}")
        self.provider.run(f"ip route add {WORLD} dev to{self.world.pid}")
        self.world.run(f"ip route add default via {beyond} dev to{self.provider.pid} onlink")
        translating(self.router, self.provider)
        if shared:
            translating(self.provider, self.world)
        else:
            self.provider.run("sysctl -qw net.ipv4.ip_forward=1")

    def asked(self, target: str = WORLD) -> Seen:
        script = Uplink().script(url=f"http://{WORLD}/", target=target)
        plain = "section() { printf '\\n#> %s\\n' \"$1\"; }\nset -eu\n" + script
        return parse_uplink(sections(self.host.run("sh", "-c", plain).stdout))


@pytest.fixture
def way() -> Iterator[Way]:
    with ExitStack() as stack:
        made = []
        for _ in range(4):
            process = namespace()
            stack.callback(process.wait)
            stack.callback(process.kill)
            made.append(Namespace(process.pid))
        yield Way(*made)


@pytest.mark.parametrize("shared", [False, True], ids=["an address of its own", "CGNAT"])
def test_a_provider_s_nat_is_seen_from_inside(way: Way, shared: bool) -> None:
    way.lay(shared=shared)
    server = way.world.start(sys.executable, "-c", _TRACE)
    try:
        assert server.stdout is not None
        server.stdout.readline()
        found = way.asked()
    finally:
        server.kill()
        server.wait()
    assert found == Seen(PUBLIC, CARRIERS if shared else "203.0.113.2")
    assert bool(plan_uplinks({"rk1": found})) is shared


def test_without_a_way_out_nothing_is_known_and_nothing_told(way: Way) -> None:
    assert way.asked() == Seen()
    assert plan_uplinks({"rk1": Seen()}) == []
