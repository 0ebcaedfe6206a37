"""Published ports, in the short way of writing them: ``[IP:][PUBLISHED:]TARGET[/PROTOCOL]``.

As docker reads them: github.com/docker/go-connections, ``nat.ParsePortSpec``, and docker/cli,
``opts/swarmopts/port.go``, ``ConvertPortToPortConfig``.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

MOST = 65535


@dataclass(frozen=True)
class Published:
    """One port as Swarm publishes it. published: 0 where Swarm is to choose; address: unused."""

    target: int
    published: int
    protocol: str
    address: str


def parse(text: str) -> list[Published]:
    """What a short specification publishes. Raises ``ValueError`` for one that docker refuses."""
    address, host, target = _parts(text)
    target, _, protocol = target.partition("/")
    protocol = protocol.lower() or "tcp"
    if protocol not in ("tcp", "udp", "sctp"):
        raise ValueError(f"there is no protocol “{protocol}”")
    address = _address(address)
    first, last = _range(target)
    if not host:
        return [Published(one, 0, protocol, address) for one in range(first, last + 1)]
    host_first, host_last = _range(host)
    if last - first == host_last - host_first:
        return [
            Published(first + number, host_first + number, protocol, address)
            for number in range(last - first + 1)
        ]
    if first != last:
        raise ValueError("the two ranges are not of the same length")
    return [Published(first, one, protocol, address) for one in range(host_first, host_last + 1)]


def _parts(text: str) -> tuple[str, str, str]:
    parts = text.split(":")
    if len(parts) == 1:
        return "", "", parts[0]
    return ":".join(parts[:-2]), parts[-2], parts[-1]


def _address(text: str) -> str:
    if not text:
        return ""
    inner = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        return str(ipaddress.ip_address(inner))
    except ValueError:
        raise ValueError(f"{inner} is no address") from None


def _range(text: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    begin = _port(first)
    end = _port(last) if dash else begin
    if end < begin:
        raise ValueError(f"the range {text} ends before it begins")
    return begin, end


def _port(text: str) -> int:
    if not re.fullmatch(r"\+?[0-9]{1,6}", text) or int(text) > MOST:
        raise ValueError(f"{text or 'nothing'} is no port from 0 to {MOST}")
    return int(text)
