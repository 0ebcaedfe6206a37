"""Hosts as they say what they have of the floating address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any

from pyinfra_swarm.floating_address.paths import CONFIGURATION
from pyinfra_swarm.floating_address.plan import wanted
from pyinfra_swarm.floating_address.seen import Holding
from pyinfra_swarm.settings import Host, Settings
from tests.builders import declared

ADDRESS = "192.168.1.9"
SETTINGS = declared(exposure={"address": ADDRESS})
FIRST, SECOND, *_ = SETTINGS.hosts


def fresh(host: Host) -> Holding:
    """A host on which nothing is set up."""
    return Holding(
        package="",
        configuration="",
        sums={},
        loaded="",
        active=False,
        enabled=False,
        reload=False,
        addresses={"lo": ("127.0.0.1/8", "::1/128"), "eth0": (f"{host.address}/24",)},
        given_up=False,
        role="",
        since=None,
        taken=0,
        problem="",
        drained=False,
    )


def set_up(settings: Settings, host: Host, *, holds: bool = False, **more: Any) -> Holding:
    """A host that is as declared, and runs."""
    files = wanted(settings, host, "eth0")
    sums = {path: sha256(content.encode()).hexdigest() for path, content in files.items()}
    held = (f"{settings.exposure.address}/32",) if holds else ()
    made = replace(
        fresh(host),
        package="1:2.3.3-1",
        configuration=files[CONFIGURATION],
        sums=sums,
        loaded=sums[CONFIGURATION],
        active=True,
        enabled=True,
        addresses={**fresh(host).addresses, "eth0": (f"{host.address}/24", *held)},
        role="MASTER" if holds else "BACKUP",
        since=7200,
        taken=int(holds),
    )
    return replace(made, **more)


def converged(
    settings: Settings = SETTINGS, holder: str = "rk1", **differing: Holding | None
) -> Mapping[str, Holding | None]:
    """All hosts as declared, one of them the holder. differing: what some say instead."""
    said = {host.name: set_up(settings, host, holds=host.name == holder) for host in settings.hosts}
    return {**said, **differing}
