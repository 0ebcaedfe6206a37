"""Packets of any kind, put on a host's interfaces and watched where they come out.

Each interface of the host is one end of a veth pair; the other end is in a namespace of its own,
which stands for whatever the interface leads to: the network outside, or a container.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Callable, Iterable, Sequence
from ipaddress import ip_address

from tests.models.firewall.packet import Packet
from tests.netns.conftest import Namespace
from tests.netns.enter import inside

NUMBERS = {"icmp": 1, "tcp": 6, "udp": 17, "gre": 47, "esp": 50, "ipv6-icmp": 58, "vrrp": 112}
HOST = {4: "192.0.2.1", 6: "3fff::1"}
PUBLISHED = {4: "192.0.2.{}", 6: "3fff::1:{:x}"}
CONTAINER = {4: "198.18.{}.2", 6: "3fff:0:{:x}::2"}
HERE, THERE = "02:00:00:00:00:01", "02:00:00:00:00:02"
CONTAINERS_PORT = 8080
MARK = b"packet %6d."


class Wires:
    """A host with these interfaces, and the world at their other ends.

    ends: interface to a packet socket on the other end of its wire.
    """

    def __init__(self, host: Namespace, world: Namespace, interfaces: Sequence[str]) -> None:
        self.host, self.world, self.interfaces = host, world, interfaces
        script = ["sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1"]
        script += ["sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0"]
        script += [
            "sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv4.conf.default.accept_local=1"
        ]
        for number, name in enumerate(interfaces, 1):
            peer, four, six = (
                f"peer{number}",
                CONTAINER[4].format(number),
                CONTAINER[6].format(number),
            )
            script += [
                f"ip link add {name} address {HERE} type veth peer name {peer} address {THERE} "
                f"netns /proc/{world.pid}/ns/net",
                f"ip addr add {four[:-1]}1/24 dev {name}; ip link set {name} up",
                f"ip -6 addr add {six[:-1]}1/64 dev {name} nodad",
                f"nsenter -t {world.pid} -n ip link set {peer} up",
                f"ip neigh add {four} lladdr {THERE} dev {name} nud permanent",
                f"ip neigh add {six} lladdr {THERE} dev {name} nud permanent",
            ]
            for version, command in ((4, "iptables"), (6, "ip6tables")):
                there = CONTAINER[version].format(number)
                to = f"[{there}]" if version == 6 else there
                published = self.published(name, version)
                script += [
                    f"ip -{version} addr add {published}/{32 if version == 4 else 128} dev lo"
                ]
                script += [
                    f"{command} -t nat -A PREROUTING -d {published} -p {protocol} "
                    f"-j DNAT --to-destination {to}:{CONTAINERS_PORT}"
                    for protocol in ("tcp", "udp")
                ]
        first = interfaces[0]
        script += [
            f"ip addr add {HOST[4]}/32 dev lo; ip -6 addr add {HOST[6]}/128 dev lo",
            f"ip route add default dev {first}; ip -6 route add default dev {first}",
            # Answers would make the next packet of the same ports an established one.
            "iptables -A OUTPUT -j DROP; ip6tables -A OUTPUT -j DROP",
        ]
        host.run("set -e\n" + "\n".join(script))
        self.ends = {
            name: inside(world.pid, lambda peer=f"peer{number}": _end(peer))  # type: ignore[misc]
            for number, name in enumerate(interfaces, 1)
        }
        self._delivered = inside(host.pid, _raw_sockets)

    def published(self, interface: str, version: int) -> str:
        """The address whose ports are all those of the container behind an interface."""
        return PUBLISHED[version].format(100 + self.interfaces.index(interface))

    def pass_through(self, packets: Sequence[Packet]) -> list[bool]:
        """Send all of them; whether each has reached the host, or the container meant."""
        for number, packet in enumerate(packets):
            self.ends[packet.entered].send(self.frame(packet, MARK % number))
        time.sleep(0.3)
        arrived = set(_numbers(self._delivered))
        for name, end in self.ends.items():
            arrived |= {
                n for n in _numbers([end]) if n < len(packets) and packets[n].leaves == name
            }
        return [number in arrived for number in range(len(packets))]

    def frame(self, packet: Packet, mark: bytes = b"") -> bytes:
        """The packet as it goes into the other end of the interface that it enters by."""
        version = packet.address.version
        destination, port = HOST[version], packet.port
        if packet.leaves and packet.dnat:
            destination, port = self.published(packet.leaves, version), packet.asked_port
        elif packet.leaves:
            destination = CONTAINER[version].format(self.interfaces.index(packet.leaves) + 1)
        source, target = packet.address.packed, ip_address(destination).packed
        number = NUMBERS[packet.protocol]
        body = _body(packet, port, mark, lambda text: _pseudo(source, target, number, text))
        if version == 4:
            head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 1, 0, 64, number, 0)
            head = head[:10] + struct.pack(">H", _checksum(head + source + target))
            ether, head = 0x0800, head + source + target
        else:
            ether = 0x86DD
            head = struct.pack(">IHBB", 6 << 28, len(body), number, 64) + source + target
        macs = bytes.fromhex((HERE + THERE).replace(":", ""))
        return macs + struct.pack(">H", ether) + head + body


def _end(peer: str) -> socket.socket:
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    made.bind((peer, 3))
    made.setblocking(False)
    return made


def _raw_sockets() -> list[socket.socket]:
    """They are given a packet behind the INPUT chain, whoever else wants it."""
    made = []
    for protocol, number in NUMBERS.items():
        for family in (socket.AF_INET, socket.AF_INET6):
            if (protocol, family) in (("icmp", socket.AF_INET6), ("ipv6-icmp", socket.AF_INET)):
                continue
            made.append(socket.socket(family, socket.SOCK_RAW, number))
            made[-1].setblocking(False)
            made[-1].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    return made


def _numbers(sockets: Iterable[socket.socket]) -> Iterable[int]:
    for each in sockets:
        while select.select([each], [], [], 0)[0]:
            content, sender = each.recvfrom(65535)
            if each.family == socket.AF_PACKET and sender[2] == 4:  # what we sent ourselves
                continue
            _, found, rest = content.partition(b"packet ")
            if found and rest[6:7] == b".":
                yield int(rest[:6])


def _body(packet: Packet, port: int, mark: bytes, pseudo: Callable[[bytes], int]) -> bytes:
    here = packet.source_port
    if packet.protocol == "tcp":
        made = struct.pack(">HHIIBBHHH", here, port, 1, 0, 0x50, 0x02, 8192, 0, 0) + mark
        at = 16
    elif packet.protocol == "udp":
        made = struct.pack(">HHHH", here, port, 8 + len(mark), 0) + mark
        at = 6
    elif packet.protocol in ("icmp", "ipv6-icmp"):
        made = struct.pack(">BBHHH", packet.icmp, 0, 0, here, 1) + mark
        at = 2
        if packet.protocol == "icmp":
            return made[:at] + struct.pack(">H", _checksum(made)) + made[at + 2 :]
    else:
        return struct.pack(">II", 0 if packet.protocol in ("gre", "vrrp") else 0x1000, 1) + mark
    total = pseudo(made)
    return made[:at] + struct.pack(">H", total) + made[at + 2 :]


def _pseudo(source: bytes, target: bytes, number: int, text: bytes) -> int:
    if len(source) == 4:
        head = source + target + struct.pack(">BBH", 0, number, len(text))
    else:
        head = source + target + struct.pack(">IHBB", len(text), 0, 0, number)
    return _checksum(head + text)


def _checksum(text: bytes) -> int:
    if len(text) % 2:
        text += b"\0"
    total: int = sum(struct.unpack(f">{len(text) // 2}H", text))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
