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


def _ports(value: Any) -> Any:
    if isinstance(value, bool | float):
        raise wrong("is not a port, nor a range of ports", '51820, or "60000-61000"')
    return str(value) if isinstance(value, int) else value


def _port_range(text: str) -> str:
    if not re.fullmatch(r"[0-9]{1,5}(-[0-9]{1,5})?", text):
        raise wrong("is not a port, nor a range of ports", '51820, or "60000-61000"')
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
