"""Hosts on one cable, with real keepalived, who hold a floating address in turn.

Each host is a network namespace with a port of one bridge; somebody outside is on the bridge, too.
keepalived runs with our configuration and our program. What the program asks of a host is stood in
for: a process that answers as the engine does at its socket, the file of the mesh's namespace, and
Docker's command line, which has the node's availability from a file.
A second process answers requests, as a published port would, with the host's name, after a moment.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyinfra_swarm.floating_address import paths
from pyinfra_swarm.floating_address.plan import wanted
from pyinfra_swarm.settings import Settings
from tests.netns.conftest import Namespace, namespace
from tests.netns.enter import inside

ADDRESS, ADDRESS6 = "192.0.2.9", "2001:db8::9"
NETWORK, NETWORK6 = "192.0.2.{}/24", "2001:db8::{}/64"
TAKES = 0.2
"""Seconds that a request takes on a host: so some are always under way."""

_ENGINE = """
import os, socket
server = socket.socket(socket.AF_UNIX)
server.bind("/run/docker.sock")
server.listen(64)
open("/run/docker.pid", "w").write(str(os.getpid()))
print("ready", flush=True)
while True:
    one, _ = server.accept()
    try:
        one.recv(4096)
        one.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nOK")
    except OSError:
        pass
    one.close()
"""

_WEB = """
import socket, sys, threading, time
name, takes = sys.argv[1], float(sys.argv[2])
server = socket.socket(socket.AF_INET6)
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("::", 80))
server.listen(256)
print("ready", flush=True)
def answer(one):
    one.recv(4096)
    time.sleep(takes)
    body = name.encode()
    one.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%s" % (len(body), body))
    one.close()
while True:
    threading.Thread(target=answer, args=(server.accept()[0],), daemon=True).start()
"""

_VISITORS = """
import json, sys, threading, time, urllib.request
urls, names = json.loads(sys.argv[1]), set(json.loads(sys.argv[2]))
writing = threading.Lock()
def visit(url):
    while True:
        begun, problem, by = time.time(), "", ""
        try:
            with urllib.request.urlopen(url, timeout=8) as answer:
                by = answer.read().decode()
            problem = "" if by in names else "another answer"
        except Exception as error:
            problem = repr(error)
        line = json.dumps([url, begun, time.time(), by, problem]) + "\\n"
        with writing:
            sys.stdout.write(line)
            sys.stdout.flush()
        time.sleep(0.02)
for number in range(4):
    for url in urls:
        threading.Thread(target=visit, args=(url,), daemon=True).start()
sys.stdin.read()
"""


@dataclass(frozen=True)
class Visit:
    """A request through the address: when (seconds since 1970), who answered, what went wrong."""

    url: str
    begun: float
    ended: float
    by: str
    problem: str


@dataclass
class Lan:
    """The hosts on the cable, by name, and somebody outside.

    settings: what is declared for them; since: when each process began.
    """

    settings: Settings
    hosts: dict[str, Namespace]
    outside: Namespace
    engines: dict[str, subprocess.Popen[str]] = field(default_factory=dict)
    keepalived: dict[str, subprocess.Popen[str]] = field(default_factory=dict)
    logs: dict[str, Path] = field(default_factory=dict)
    watchers: dict[str, subprocess.Popen[str]] = field(default_factory=dict)
    others: list[subprocess.Popen[str]] = field(default_factory=list)

    def program(self, name: str, *words: str, check: bool = True) -> str:
        """Run our program on a host; what it says."""
        done = self.hosts[name].run("sh", paths.PROGRAM, *words, check=check)
        return done.stdout + done.stderr

    def available(self, name: str, availability: str) -> None:
        """What managers say of a host from now on; "" where it is a worker, or nobody knows."""
        self.hosts[name].run(f"echo {availability} > {_AVAILABILITY}")

    def log(self, name: str) -> str:
        """The last that keepalived has said on a host."""
        return self.logs[name].read_text()[-3000:]

    def start_keepalived(self, name: str) -> None:
        self.program(name, "prepare")
        log = self.logs[name].open("a")
        self.keepalived[name] = subprocess.Popen(
            [
                *("nsenter", "-t", str(self.hosts[name].pid), "-n", "-m", "--"),
                *("keepalived", "--dont-fork", "--log-console", "--log-detail"),
                *("--use-file", paths.CONFIGURATION),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            text=True,
        )

    def kill_keepalived(self, name: str) -> None:
        """As a power cut does it: all of its processes at once, without a word."""
        process = self.keepalived[name]
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        for pid in (*map(int, children), process.pid):  # orphans would say farewell
            signal_to(pid, signal.SIGKILL)
        process.wait()

    def holders(self) -> list[str]:
        return [name for name in self.hosts if self.holds(name)]

    def holds(self, name: str) -> bool:
        return bool(self.hosts[name].run(f"ip -o address show to {ADDRESS}/32").stdout)

    def holder(self, *, but: str = "", within: float = 15) -> str:
        """The one host that holds the address, awaited; not the named one."""
        end = time.monotonic() + within
        while True:
            found = self.holders()
            if len(found) == 1 and found[0] != but:
                return found[0]
            if time.monotonic() > end:
                logs = "".join(f"== {n}\n{log.read_text()}" for n, log in self.logs.items())
                raise AssertionError(f"{found} hold it\n{logs}")
            time.sleep(0.05)

    def spans(self, until: float) -> dict[str, list[tuple[float, float]]]:
        """When each host has held the address, since the hosts are there; until: for those that
        hold it still."""
        return {name: _spans(self.logs[f"{name} addresses"], until) for name in self.hosts}

    def unplug(self, name: str) -> None:
        self.outside.run(f"ip link set to-{name} down")

    def plug_in(self, name: str) -> None:
        self.outside.run(f"ip link set to-{name} up")


_AVAILABILITY = "/usr/local/sbin/availability"
_DOCKER = f"""#!/bin/sh
[ "$DOCKER_HOST" = unix:///run/docker.sock ] || exit 64
said=$(cat {_AVAILABILITY})
case "$*" in
  "info --format {{{{.Swarm.ControlAvailable}}}}") [ "$said" ] && echo true || echo false ;;
  "node inspect --format {{{{.Spec.Availability}}}} self") [ "$said" ] && echo "$said" ;;
  *) exit 64 ;;
esac
"""


def signal_to(pid: int, what: signal.Signals) -> None:
    os.kill(pid, what)


def together(spans: dict[str, list[tuple[float, float]]]) -> float:
    """The longest time for which two hosts have held the address at once, in seconds."""
    all_of_them = [(name, span) for name, found in spans.items() for span in found]
    return max(
        (
            min(one[1], other[1]) - max(one[0], other[0])
            for at, (name, one) in enumerate(all_of_them)
            for another, other in all_of_them[at + 1 :]
            if name != another
        ),
        default=0.0,
    )


def gap(spans: dict[str, list[tuple[float, float]]], since: float) -> float:
    """For how long nobody held the address at the first move after a moment."""
    taken = min(begin for found in spans.values() for begin, _ in found if begin > since)
    ends = [end for found in spans.values() for _, end in found if since <= end <= taken]
    return taken - (min(ends) if ends else since)


def _spans(log: Path, until: float) -> list[tuple[float, float]]:
    found: list[tuple[float, float]] = []
    begun = None
    for line in log.read_text().splitlines():
        match = re.match(r"\[(\S+)\] (Deleted )?.*\binet (\S+)/", line)
        if not match or match[3] != ADDRESS:
            continue
        at = time.mktime(time.strptime(match[1].partition(".")[0], "%Y-%m-%dT%H:%M:%S"))
        at += float("0." + match[1].partition(".")[2])
        if match[2] and begun is not None:
            found.append((begun, at))
            begun = None
        elif not match[2] and begun is None:
            begun = at
    return [*found, (begun, until)] if begun is not None else found


@contextmanager
def a_lan(folder: Path, number: int = 3) -> Iterator[Lan]:
    """So many hosts; keepalived runs on all, and one holds the address."""
    names = [f"host{one}" for one in range(1, number + 1)]
    declared: dict[str, Any] = {
        "hosts": [
            {"name": name, "address": f"192.0.2.1{at}", "role": "manager"}
            for at, name in enumerate(names, 1)
        ],
        "exposure": {"address": ADDRESS, "address6": ADDRESS6},
    }
    settings = Settings(**declared)
    keepers = {name: namespace() for name in (*names, "outside")}
    lan = Lan(
        settings,
        {name: Namespace(keepers[name].pid) for name in names},
        Namespace(keepers["outside"].pid),
        logs={name: folder / name for one in names for name in (one, f"{one} addresses")},
    )
    try:
        lan.outside.run(
            "sysctl -qw net.ipv6.conf.default.accept_dad=0; ip link add br0 type bridge; "
            f"ip address add {NETWORK.format(1)} dev br0; "
            f"ip address add {NETWORK6.format(1)} dev br0 nodad; ip link set br0 up"
        )
        for at, name in enumerate(names, 1):
            _set_up(lan, name, at)
        for name in names:
            lan.start_keepalived(name)
        lan.holder()
        yield lan
    finally:
        for process in (
            *lan.keepalived.values(),
            *lan.engines.values(),
            *lan.watchers.values(),
            *lan.others,
        ):
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
                try:
                    process.wait(timeout=5)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        for keeper in keepers.values():
            keeper.kill()
            keeper.wait()


def _set_up(lan: Lan, name: str, at: int) -> None:
    host = lan.hosts[name]
    for place in ("/usr/local/lib/pyinfra-swarm", "/var/lib/pyinfra-swarm"):
        Path(place).mkdir(parents=True, exist_ok=True)  # what is mounted there is the host's alone
        host.run(f"mount -t tmpfs -o mode=755 none {place}")
    host.run("mount -t tmpfs -o mode=755 none /usr/local/sbin")
    host.run("cat > /usr/local/sbin/docker; chmod 755 /usr/local/sbin/docker", text=_DOCKER)
    lan.available(name, "active")
    host.run("cp -a /etc/keepalived /run/; mount --bind /run/keepalived /etc/keepalived")
    host.run(
        f"set -e; sysctl -qw net.ipv6.conf.default.accept_dad=0; "
        f"ip link add eth0 type veth peer name to-{name} netns /proc/{lan.outside.pid}/ns/net; "
        f"ip address add {NETWORK.format(10 + at)} dev eth0; "
        f"ip address add {NETWORK6.format(10 + at)} dev eth0 nodad; ip link set eth0 up; "
        "mkdir -p /run/docker/netns; touch /run/docker/netns/ingress_sbox"
    )
    lan.outside.run(f"ip link set to-{name} master br0 up")
    declared = lan.settings.host(name)
    for path, content in wanted(lan.settings, declared, "eth0").items():
        if path != paths.DROP_IN:  # no systemd here
            host.run(f"cat > {path}", text=content)
    host.run(f"chmod 755 {paths.PROGRAM}")
    for command in ("iptables", "ip6tables"):  # Docker and our firewall have connections tracked
        host.run(f"{command} -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT")
    lan.engines[name] = _ready(host.start(sys.executable, "-c", _ENGINE))
    lan.others.append(_ready(host.start(sys.executable, "-c", _WEB, name, str(TAKES))))
    log = lan.logs[f"{name} addresses"].open("w")
    lan.watchers[name] = subprocess.Popen(
        [
            *("nsenter", "-t", str(host.pid), "-n", "--"),
            *("ip", "-o", "-ts", "monitor", "address"),
        ],
        stdin=subprocess.DEVNULL,
        stdout=log,
        text=True,
    )


def _ready(process: subprocess.Popen[str]) -> subprocess.Popen[str]:
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@contextmanager
def visitors(lan: Lan) -> Iterator[list[Visit]]:
    """Eight people outside, who ask at the address, of either family, all the time, each time over
    a new connection; their visits, complete once they have gone. Nobody asks twice."""
    urls = [f"http://{ADDRESS}/", f"http://[{ADDRESS6}]/"]
    process = subprocess.Popen(
        [
            *("nsenter", "-t", str(lan.outside.pid), "-n", "--"),
            *(sys.executable, "-c", _VISITORS, json.dumps(urls), json.dumps([*lan.hosts])),
        ],
        stdin=subprocess.PIPE,
        stdout=(out := lan.logs[next(iter(lan.hosts))].with_name("visits")).open("w"),
        text=True,
    )
    visits: list[Visit] = []
    time.sleep(1)
    try:
        yield visits
    finally:
        time.sleep(1)
        assert process.stdin is not None
        process.stdin.close()
        process.wait(timeout=20)
        visits += [Visit(*json.loads(line)) for line in out.read_text().splitlines()]


def lost(visits: Iterable[Visit]) -> list[Visit]:
    return [visit for visit in visits if visit.problem]


class Announcements:
    """The gratuitous ARP for the address that somebody outside has heard."""

    def __init__(self, lan: Lan) -> None:
        def listen() -> socket.socket:
            made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
            made.bind(("br0", 0x0806))
            made.setblocking(False)
            return made

        self._socket = inside(lan.outside.pid, listen)
        self._macs = {
            json.loads(lan.hosts[name].run("ip -j link show eth0").stdout)[0]["address"]: name
            for name in lan.hosts
        }

    def by(self) -> list[str]:
        """Who has announced the address since the last look, in order."""
        found: list[str] = []
        while True:
            try:
                frame = self._socket.recv(2048)
            except BlockingIOError:
                return found
            sender, target = (socket.inet_ntoa(frame[at : at + 4]) for at in (28, 38))
            [operation] = struct.unpack(">H", frame[20:22])
            if sender == target == ADDRESS and operation in (1, 2):
                found.append(self._macs[frame[22:28].hex(":")])
