"""Hosts as the preflight sees them, sound but for what a test says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pyinfra_swarm.host.kernel_facts import MODULES
from pyinfra_swarm.host.system import Address, Disk, Host, Kernel, Module, Route
from pyinfra_swarm.preflight import plan as preflight
from pyinfra_swarm.run.findings import Finding, Notice, Refusal
from pyinfra_swarm.settings import Settings
from tests import builders

GIB = 2**30

KERNEL = Kernel(
    release="6.12.48+deb13-arm64",
    modules=tuple(Module(name, "loadable") for name in MODULES),
    esp=True,
    vxlan=True,
    matches=None,
)

SOUND = Host(
    distribution="debian",
    version="13",
    codename="trixie",
    architecture="arm64",
    hostname="rk1",
    machine_id="1" * 32,
    clock_ahead=0.0,
    disks=(Disk("/", 20 * GIB, 1_000_000, "a1"), Disk("/var", 20 * GIB, None, "b2")),
    addresses=(Address("lo", "127.0.0.1/8"), Address("end0", "192.168.1.11/24")),
    routes=(Route("0.0.0.0/0", "end0"), Route("192.168.1.0/24", "end0")),
    systemd=True,
    packages={},
    engine="",
    snap_docker=False,
    in_swarm=False,
    firewalls=(),
    managed_files={},
    kernel=KERNEL,
)


def declared(**sections: Any) -> Settings:
    return builders.declared(3, 0, **sections)


SETTINGS = declared()


def fellow(number: int, **differing: Any) -> Host:
    """A sound host beside the first."""
    host = replace(
        SOUND,
        hostname=f"rk{number}",
        machine_id=str(number) * 32,
        addresses=(Address("end0", f"192.168.1.1{number}/24"),),
    )
    return replace(host, **differing)


def found_on(host: Host, settings: Settings = SETTINGS) -> list[Finding]:
    return preflight.plan(settings, "rk1", {"rk1": host})


def the_refusal(host: Host, settings: Settings = SETTINGS) -> str:
    [finding] = found_on(host, settings)
    assert isinstance(finding, Refusal)
    assert finding.remedy
    return finding.sentence()


def the_notice(host: Host, settings: Settings = SETTINGS) -> str:
    [finding] = found_on(host, settings)
    assert isinstance(finding, Notice)
    return finding.sentence()


def differing(**values: Any) -> Host:
    return replace(SOUND, **values)


def with_kernel(**values: Any) -> Host:
    return differing(kernel=replace(KERNEL, **values))


def with_module(name: str, state: str, blocked_by: str = "") -> Host:
    modules = tuple(
        Module(name, state, blocked_by) if module.name == name else module
        for module in KERNEL.modules
    )
    return with_kernel(modules=modules)
