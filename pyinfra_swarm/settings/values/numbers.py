"""Whole numbers, ports and the MTU."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from pyinfra_swarm.settings.values.refused import wrong


def _no_boolean(value: Any) -> Any:
    # Python takes true for the number 1.
    if isinstance(value, bool):
        raise wrong("is not a whole number", "a whole number, without quotes")
    return value


SMALLEST_MTU = 1280
"""Bytes; every link that carries IPv6 has at least that (RFC 8200)."""


def _mtu(number: int) -> int:
    if number and not SMALLEST_MTU <= number <= 65535:
        raise wrong(
            "is not the MTU of a network between hosts",
            f"0 (the smallest the hosts' uplinks have), or {SMALLEST_MTU} to 65535; it is the MTU "
            "of your physical network: Docker subtracts what encryption takes by itself",
        )
    return number


def _data_path_port(port: int) -> int:
    if not 1024 <= port <= 49151 or port in (2377, 7946):
        raise wrong(
            "is not free for swarm's data path: 1024 to 49151, but not 2377 or 7946",
            "4789, unless something else on the hosts uses that port",
        )
    return port


_NO_PORTS = "is not a port, nor a range of ports"
_PORTS = '51820, or "60000-61000"'


def port_in(value: Any) -> str:
    """The port, or the range, that is meant, with its protocol as another key; "" for none.

    >>> port_in("5353/udp")
    '5353, protocol = "udp"'
    """
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    found = isinstance(text, str) and re.fullmatch(
        r"([0-9]{1,5})(-[0-9]{1,5})?(?:/(tcp|udp))?", text.strip(), re.I
    )
    if not found:
        return ""
    ports = f'"{found[1]}{found[2]}"' if found[2] else str(int(found[1]))
    return f'{ports}, protocol = "udp"' if (found[3] or "").lower() == "udp" else ports


def _ports(value: Any) -> Any:
    if isinstance(value, bool | float):
        raise wrong(_NO_PORTS, _PORTS)
    return str(value) if isinstance(value, int) else value


def _port_range(text: str) -> str:
    if not re.fullmatch(r"[0-9]{1,5}(-[0-9]{1,5})?", text):
        meant, _, protocol = port_in(text).partition(", ")
        beside = f"; in firewall.open with {protocol} beside it" if protocol else ""
        raise wrong(_NO_PORTS, f"{meant}{beside}" if meant else _PORTS)
    first, _, last = text.partition("-")
    if not 1 <= int(first) <= int(last or first) <= 65535:
        low, high = sorted(max(1, min(65535, int(one))) for one in (first, last or first))
        instead = f'"{low}-{high}"' if low != high else str(low)
        raise wrong("is not within 1 and 65535, the first port before the last", instead)
    return f"{int(first)}-{int(last)}" if last and int(last) != int(first) else str(int(first))


Whole = Annotated[int, BeforeValidator(_no_boolean)]

Port = Annotated[Whole, Field(ge=1, le=65535, examples=[22])]

OptionalPort = Annotated[Whole, Field(ge=0, le=65535, examples=[22])]

PortRange = Annotated[
    str, BeforeValidator(_ports), AfterValidator(_port_range), Field(examples=[51820])
]

DataPathPort = Annotated[Whole, AfterValidator(_data_path_port), Field(examples=[4789])]

Mtu = Annotated[Whole, AfterValidator(_mtu), Field(examples=[1500])]
