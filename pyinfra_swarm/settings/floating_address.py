"""Whether what `[exposure]` says of the floating address fits together, and to the hosts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pyinfra_swarm.settings.errors import Problem, shown
from pyinfra_swarm.settings.written import table


def floating_address(
    data: Mapping[str, Any], hosts: Sequence[Mapping[str, Any]]
) -> Iterator[Problem]:
    exposure = table(data, "exposure")
    address = exposure.get("address")
    for key in ("address6", "interface"):
        if exposure.get(key) and not address:
            yield Problem(
                f"exposure.{key}",
                shown(exposure[key]),
                "has no meaning without exposure.address",
                "exposure.address, an IPv4 address that no host has; or leave it out",
            )
    if not isinstance(address, str) or not address:
        return
    for host in hosts:
        if host.get("address") == address:
            yield Problem(
                "exposure.address",
                shown(address),
                f"is the address of {host.get('name')} itself, which no other host can hold",
                "an address of the same network that no device has, and your router gives to none",
            )
    if len(hosts) == 1:
        yield Problem(
            "exposure.address",
            shown(address),
            "moves from host to host, and only one is declared",
            "leave it out; the router forwards to the host's own address",
        )
