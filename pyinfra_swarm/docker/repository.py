"""Docker's own apt repository, and no older entry beside it (its key: :mod:`docker.apt_key`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyinfra_swarm.docker.apt_key import base_url, plan_key
from pyinfra_swarm.docker.paths import KEYRING
from pyinfra_swarm.run.findings import Change, Finding, Notice

if TYPE_CHECKING:
    from pyinfra_swarm.docker.installation import Engine
    from pyinfra_swarm.settings import Settings


@dataclass(frozen=True)
class InstallCurl(Change):
    """The package curl is installed."""


@dataclass(frozen=True, kw_only=True)
class WriteSources(Change):
    """apt's sources file gets this content."""

    content: str


@dataclass(frozen=True, kw_only=True)
class RemoveOldEntries(Change):
    """Docker's entries are taken out of these files of apt's."""

    files: tuple[str, ...]


def sources(settings: Settings, seen: Engine) -> str:
    """The deb822 sources file for Docker's repository."""
    return (
        "# Written by pyinfra-swarm.\n"
        "Types: deb\n"
        f"URIs: {base_url(settings, seen)}\n"
        f"Suites: {seen.codename}\n"
        "Components: stable\n"
        f"Architectures: {seen.architecture}\n"
        f"Signed-By: {KEYRING}\n"
    )


def plan_repository(settings: Settings, seen: Engine) -> list[Finding]:
    """What differs from Docker's own apt repository, its key pinned, no older entry beside it."""
    findings: list[Finding] = []
    if not seen.curl:
        findings.append(InstallCurl("package curl", "is needed to talk to the engine's API"))
    findings += plan_key(settings, seen)
    if seen.stale:
        findings.append(
            RemoveOldEntries(
                "apt sources",
                "an older entry for Docker's repository conflicts with the managed one (Signed-By)",
                expected="removed",
                found=", ".join(seen.stale),
                files=seen.stale,
            )
        )
    if seen.sources != sources(settings, seen):
        findings.append(
            WriteSources(
                "Docker's apt repository",
                "differs from what is declared" if seen.sources else "is not set up",
                expected=base_url(settings, seen),
                content=sources(settings, seen),
            )
        )
    if seen.shared:
        findings.append(
            Notice(
                "apt sources",
                "other sources use an old keyring of Docker's, so it stays; Docker's own source "
                "does not use it any more",
                found=", ".join(seen.shared),
                remedy="Give those other sources a keyring of their own, then remove this one",
            )
        )
    return findings
