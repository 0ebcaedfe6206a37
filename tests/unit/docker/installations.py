"""Hosts with Docker and without it, as the plans see them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from pyinfra_swarm.docker.daemon import (
    daemon_json,
)
from pyinfra_swarm.docker.facts import parse_installation
from pyinfra_swarm.docker.installation import PACKAGES, Engine, Package
from pyinfra_swarm.docker.packages import plan_packages
from pyinfra_swarm.run.findings import Finding
from pyinfra_swarm.settings import Settings
from tests.tools.answers import sections

FIXTURES = Path(__file__).parents[1] / "fixtures"
LAB_KEY = "B0A0138566695F7847D9DC9E16B030FF7476653A"
HOSTS = [
    {"name": f"rk{number}", "address": f"192.168.1.1{number}", "role": "manager"}
    for number in (1, 2, 3)
]


def declared(**docker: Any) -> Settings:
    tables: dict[str, Any] = {
        "hosts": HOSTS,
        "ssh": {"user": "debian"},
        "docker": {"key_fingerprint": LAB_KEY, **docker},
    }
    return Settings(**tables)


def observed(name: str) -> Engine:
    """The host that said this (Engine 28.5.2 on Debian 13; without Docker for ``absent``)."""
    return parse_installation(sections((FIXTURES / f"docker-installation-{name}.txt").read_text()))


SETTINGS = declared()
OLDER = observed("28.5.2")
"""It said this before ``daemon.json`` was hardened by default."""
CONVERGED = replace(
    OLDER, daemon_json=daemon_json(SETTINGS, "28.5.2"), loaded_json=daemon_json(SETTINGS, "28.5.2")
)
FRESH = observed("absent")
ME = SETTINGS.host("rk1")


def differing(**values: Any) -> Engine:
    return replace(CONVERGED, **values)


def running(version: str) -> Engine:
    packages = {name: Package(f"5:{version}-1~debian.13~trixie", held=True) for name in PACKAGES}
    content = daemon_json(SETTINGS, version)
    return differing(packages=packages, daemon_json=content, loaded_json=content)


def packages_of(
    engine: Engine, version: str | None = "28.5.2", *, in_swarm: bool = False
) -> list[Finding]:
    return plan_packages(SETTINGS, ME, engine, version, in_swarm=in_swarm)


def the(kind: type[Finding], findings: list[Finding]) -> Finding:
    [finding] = findings
    assert isinstance(finding, kind)
    return finding
