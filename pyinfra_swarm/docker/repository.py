"""Docker's own apt repository: its key is pinned, and no older entry stands beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyinfra_swarm.docker.openpgp import PublicKey, Unreadable, read_key
from pyinfra_swarm.docker.paths import KEYRING
from pyinfra_swarm.run.findings import Change, Finding, Notice, Refusal

if TYPE_CHECKING:
    from pyinfra_swarm.docker.installation import Engine
    from pyinfra_swarm.settings import Settings


@dataclass(frozen=True)
class InstallCurl(Change):
    """The package curl is installed."""


@dataclass(frozen=True, kw_only=True)
class WriteKey(Change):
    """The key that is published at ``url`` is judged and written."""

    url: str


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
        f"URIs: {_repository(settings, seen)}\n"
        f"Suites: {seen.codename}\n"
        "Components: stable\n"
        f"Architectures: {seen.architecture}\n"
        f"Signed-By: {KEYRING}\n"
    )


def key_url(settings: Settings, seen: Engine) -> str:
    """Where Docker publishes the key of its repository."""
    return f"{_repository(settings, seen)}/gpg"


def _repository(settings: Settings, seen: Engine) -> str:
    return f"{settings.docker.repository.rstrip('/')}/{seen.distribution}"


def plan_repository(settings: Settings, seen: Engine) -> list[Finding]:
    """What differs from Docker's own apt repository, its key pinned, no older entry beside it."""
    findings: list[Finding] = []
    if not seen.curl:
        findings.append(InstallCurl("package curl", "is needed to talk to the engine's API"))
    findings += _plan_key(settings, seen)
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
                expected=_repository(settings, seen),
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


_KEY = "Docker's apt key"


def _plan_key(settings: Settings, seen: Engine) -> list[Finding]:
    """Whether apt's file with Docker's key is exactly the one that is written here."""
    pinned, found = settings.docker.key_fingerprint, ""
    if not seen.keyring:
        reason = "is missing"
    else:
        try:
            key = read_key(seen.keyring)
        except Unreadable as error:
            reason = f"is not the pinned one: its file {error}"
        else:
            found = key.fingerprint
            if found != pinned:
                reason = "is not the pinned one"
            elif key.armoured != seen.keyring:
                reason = "is the pinned one, but its file was changed"
            else:
                return []
    return [WriteKey(_KEY, reason, expected=pinned, found=found, url=key_url(settings, seen))]


def accepted_key(published: str, settings: Settings) -> PublicKey | Refusal:
    """The key that the repository publishes, judged before it is used for anything."""
    try:
        key = read_key(published)
        reason, found = "is not the pinned one", key.fingerprint
    except Unreadable as error:
        key, reason, found = None, f"is not one public key: the text {error}", "no readable key"
    if key and key.fingerprint == settings.docker.key_fingerprint:
        return key
    return Refusal(
        _KEY,
        f"the key that the repository publishes {reason}, so nothing is installed from there",
        expected=settings.docker.key_fingerprint,
        found=found,
        remedy="Compare with the fingerprint in Docker's documentation. If Docker has changed its "
        "key, set docker.key_fingerprint",
    )
