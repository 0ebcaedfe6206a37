"""Encryption with age (https://age-encryption.org), by pyrage, which is an extra.

Recipients are public keys: age's own (``age1…``) and SSH's (``ssh-ed25519``, ``ssh-rsa``). An
identity is the private half: a file of age-keygen's, or an SSH key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib.util import find_spec
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization


def install(extra: str) -> str:
    """How to get the library, by the extra that needs it."""
    return f"pip install 'pyinfra-swarm[{extra}]', in a clone pip install -r requirements.txt"


class NotOpened(Exception):
    """What keeps an encrypted file from being opened, as a sentence."""


def available() -> bool:
    """Whether the library is installed."""
    return find_spec("pyrage") is not None


def encrypt(content: bytes, recipients: Iterable[str]) -> bytes:
    """Encrypt to public keys. Raises ``ValueError``, naming the key, for one that is none."""
    import pyrage

    keys = []
    for recipient in recipients:
        kind = pyrage.x25519 if recipient.startswith("age1") else pyrage.ssh
        try:
            keys.append(kind.Recipient.from_str(recipient))
        except pyrage.RecipientError as error:
            raise ValueError(f"{recipient[:40]}…: {error}") from error
    encrypted: bytes = pyrage.encrypt(content, keys)
    return encrypted


def decrypt(content: bytes, identity: bytes, passphrase: Callable[[], str | None]) -> bytes:
    """Decrypt with the content of an identity file.

    passphrase: asked for that of an SSH key, if it has one; ``None`` where nobody can answer.

    Raises :class:`NotOpened`.
    """
    import pyrage

    try:
        identities = _identities(pyrage, identity, passphrase)
        opened: bytes = pyrage.decrypt(content, identities)
    except pyrage.IdentityError as error:
        raise NotOpened(f"the identity cannot be used: {error}") from error
    except pyrage.DecryptError as error:
        if "No matching keys" in str(error):
            raise NotOpened("it was not encrypted to this identity") from error
        raise NotOpened(f"it is damaged, or not encrypted by age ({error})") from error
    return opened


def _identities(pyrage: Any, identity: bytes, passphrase: Callable[[], str | None]) -> list[Any]:
    if b"PRIVATE KEY-----" in identity:
        return [pyrage.ssh.Identity.from_buffer(_without_passphrase(identity, passphrase))]
    lines = [line.strip() for line in identity.decode(errors="replace").splitlines()]
    keys = [line for line in lines if line.startswith("AGE-SECRET-KEY-")]
    if not keys:
        raise NotOpened(
            "the identity is neither an age identity file (AGE-SECRET-KEY-…) nor an SSH private key"
        )
    return [pyrage.x25519.Identity.from_str(key) for key in keys]


def _without_passphrase(identity: bytes, passphrase: Callable[[], str | None]) -> bytes:
    """An SSH key as the library takes it: in memory, its passphrase taken off."""
    if b"BEGIN OPENSSH" not in identity:
        return identity
    try:
        serialization.load_ssh_private_key(identity, None)
        return identity
    except (ValueError, UnsupportedAlgorithm) as error:
        raise NotOpened(f"the identity cannot be read: {error}") from error
    except TypeError:  # it has a passphrase
        word = passphrase()
    if not word:
        raise NotOpened("the identity has a passphrase, and nobody is there to type it")
    try:
        key = serialization.load_ssh_private_key(identity, word.encode())
    except ValueError as error:
        raise NotOpened("the identity's passphrase is another one") from error
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
