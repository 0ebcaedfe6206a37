"""The key that signs Docker's apt repository: only the pinned one is accepted and written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyinfra_swarm.docker.openpgp import PublicKey, Unreadable, read_key
from pyinfra_swarm.run.findings import Change, Finding, Refusal

if TYPE_CHECKING:
    from pyinfra_swarm.docker.installation import Engine
    from pyinfra_swarm.settings import Settings


@dataclass(frozen=True, kw_only=True)
class WriteKey(Change):
    """The key that is published at ``url`` is judged and written."""

    url: str


def key_url(settings: Settings, seen: Engine) -> str:
    """Where Docker publishes the key of its repository."""
    return f"{base_url(settings, seen)}/gpg"


def base_url(settings: Settings, seen: Engine) -> str:
    """Where the packages of this host's distribution are published."""
    return f"{settings.docker.repository.rstrip('/')}/{seen.distribution}"


_KEY = "Docker's apt key"


def plan_key(settings: Settings, seen: Engine) -> list[Finding]:
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
