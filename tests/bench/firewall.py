"""What the firewall costs a packet: ``python -m tests.bench.firewall`` (as root, two minutes).

In namespaces, so without the lab: packets are put on a wire one by one, and the kernel takes each
through its chains before the next is sent. Compared in turns, in one run: no rules, our chains, and
the script of rules that one finds in notes everywhere, which for each port and range has an ACCEPT
in INPUT and a DROP at the end (it does not judge FORWARD at all). A new flow is the first packet of
a connection to port 443, from the last of Cloudflare's ranges; no answer ever comes, so it stays
one. An established flow is one of UDP that both sides have taken part in.
"""

from __future__ import annotations

import socket
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from ipaddress import ip_network
from pathlib import Path

from pyinfra_swarm.firewall.policy import FAMILIES, Family, Opening, Policy
from pyinfra_swarm.firewall.web_ranges import SHIPPED
from tests.models.firewall.packet import Packet
from tests.netns.conftest import COMMANDS, Host, Namespace, namespace
from tests.netns.enter import inside
from tests.netns.wires import CONTAINER, CONTAINERS_PORT, HOST, Wires

RESULTS = Path(__file__).with_name("firewall-results.md")
ROUNDS, PACKETS, FLOWS = 7, 10000, 2000
OPEN = 51820
POLICY = Policy(
    peers=tuple(f"192.168.1.{number}" for number in (11, 12, 13, 14)),
    manager=True,
    openings=(Opening(str(OPEN), "udp"),),
)


def none(host: Host) -> None:
    """Take all rules of the filter table off, but those of the wires."""
    host.firewall("unload")
    for command in COMMANDS.values():
        host.run(f"{command} -F INPUT")


def ours(host: Host) -> None:
    none(host)
    host.firewall("load")


def naive(host: Host) -> None:
    none(host)
    for family, command in COMMANDS.items():
        lines = ["*filter", "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"]
        lines += [f"-A INPUT -p udp --dport {OPEN} -j ACCEPT"]
        lines += [
            f"-A INPUT -p tcp -s {network} --dport {port} -j ACCEPT"
            for port in (80, 443)
            for network in SHIPPED[family]
        ]
        lines += ["-A INPUT -p tcp -m multiport --dports 80,443 -j DROP", "COMMIT", ""]
        host.run(f"{command}-restore", "--noflush", text="\n".join(lines))


RULES: dict[str, Callable[[Host], None]] = {"none": none, "ours": ours, "naive": naive}


def new_flows(wires: Wires, family: Family, hook: str) -> list[bytes]:
    """Frames that each begin a connection."""
    source = str(ip_network(SHIPPED[family][-1])[9])
    leaves = "docker0" if hook == "FORWARD" else ""
    return [
        wires.frame(
            Packet(
                hook,
                source,
                "tcp",
                CONTAINERS_PORT if leaves else 443,
                source_port=20000 + number,
                entered="eth0",
                leaves=leaves,
                dnat=bool(leaves),
                asked_port=443,
            )
        )
        for number in range(FLOWS)
    ]


def established_flow(wires: Wires, family: Family, hook: str) -> list[bytes]:
    """One frame of a connection that has been answered."""
    version = 4 if family == "ipv4" else 6
    near = CONTAINER[version].format(1)
    leaves = "docker0" if hook == "FORWARD" else ""
    asked = Packet(
        hook,
        near,
        "udp",
        CONTAINERS_PORT if leaves else OPEN,
        source_port=5555,
        entered="eth0",
        leaves=leaves,
        dnat=bool(leaves),
        asked_port=OPEN,
    )
    frame = wires.frame(asked)
    if leaves:
        wires.ends["eth0"].send(frame)
        there = CONTAINER[version].format(2)
        answer = Packet(hook, there, "udp", 5555, CONTAINERS_PORT, entered="docker0", leaves="eth0")
        wires.ends["docker0"].send(wires.frame(answer))
    else:
        command = COMMANDS[family]
        wires.host.run(f"{command} -I OUTPUT -p udp --sport {OPEN} -j ACCEPT")
        listener = inside(wires.host.pid, lambda: _listener(HOST[version]))
        wires.ends["eth0"].send(frame)
        listener.sendto(b"yes", listener.recvfrom(100)[1][:2])
        listener.close()
        wires.host.run(f"{command} -D OUTPUT -p udp --sport {OPEN} -j ACCEPT")
    return [frame]


def _listener(address: str) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    made.settimeout(5)
    made.bind((address, OPEN))
    return made


def seconds_for(wires: Wires, frames: Sequence[bytes]) -> float:
    """Processor time for so many packets, from the wire to where they end.

    Not the clock's: the kernel works on them in the sender's own time, others in between.
    """
    send = wires.ends["eth0"].send
    rounds = PACKETS // len(frames)
    begun = time.thread_time()
    for _ in range(rounds):
        for frame in frames:
            send(frame)
    return time.thread_time() - begun


def measure(host: Host, wires: Wires) -> list[str]:
    """A line of the table for each kind of packet."""
    kinds = {"new": new_flows, "established": established_flow}
    found: dict[tuple[Family, str, str, str], list[float]] = {}
    for number in range(ROUNDS + 1):  # the first does not count
        for name, put in RULES.items():
            put(host)
            for family in FAMILIES:
                for hook in ("INPUT", "FORWARD"):
                    for kind, frames in kinds.items():
                        taken = seconds_for(wires, frames(wires, family, hook))
                        if number:
                            found.setdefault((family, hook, kind, name), []).append(taken)
        print(f"round {number} of {ROUNDS}", file=sys.stderr, flush=True)
    lines = []
    for family in FAMILIES:
        for hook in ("INPUT", "FORWARD"):
            for kind in kinds:
                rates = {name: PACKETS / min(found[family, hook, kind, name]) for name in RULES}
                shown = " | ".join(f"{rate / 1000:.0f}" for rate in rates.values())
                ratios = (
                    f"{rates['ours'] / rates['none']:.2f} | {rates['ours'] / rates['naive']:.2f}"
                )
                lines.append(f"| {family} | {hook} | {kind} | {shown} | {ratios} |")
    return lines


def main() -> int:
    """Measure with both back ends, print, and keep the results."""
    text = [
        "# Results of `python -m tests.bench.firewall`",
        "",
        f"{time.strftime('%Y-%m-%d')}. Thousands of packets a second, the best of {ROUNDS} "
        f"rounds of {PACKETS} packets; one sender on one core, whose own work is part of every "
        "number, so the ratios are what counts.",
    ]
    for backend in ("nft", "legacy"):
        with tempfile.TemporaryDirectory() as folder:
            processes = [namespace(), namespace()]
            try:
                host = Host(processes[0].pid, backend=backend, root=Path(folder) / "root")
                host.root.mkdir()
                host.use(backend, Path(folder))
                host.install(POLICY)
                wires = Wires(host, Namespace(processes[1].pid), ("eth0", "docker0"))
                lines = measure(host, wires)
            finally:
                for process in processes:
                    process.kill()
                    process.wait()
        text += ["", f"## iptables-{backend}", ""]
        text += ["| | | flow | none | ours | naive | ours / none | ours / naive |"]
        text += ["|---|---|---|---:|---:|---:|---:|---:|", *lines]
    print("\n".join(text))
    RESULTS.write_text("\n".join(text) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
