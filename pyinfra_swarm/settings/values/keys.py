"""Public SSH keys, fingerprints, and whom backups are encrypted to."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Annotated
from unicodedata import category

from pydantic import AfterValidator, Field

from pyinfra_swarm.settings.values.refused import wrong

KEY_TYPES = (
    "ssh-ed25519",
    "sk-ssh-ed25519@openssh.com",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-rsa",
)


def public_key_fault(line: str) -> tuple[str, str] | None:
    """Why a line is not one SSH public key, and what to write instead; `None` if it is one."""
    example = 'one line of a .pub file, such as "ssh-ed25519 AAAA… you@laptop"'
    line = _stripped(line)
    nothing = "is not an SSH public key: a type and a block of base64 in one line", example
    if "\n" in line:
        return nothing
    if odd := next(filter(_is_no_blank_of_ssh, line), ""):
        kind = "blank" if odd.isspace() else "control character"
        return f"has a {kind} that SSH does not know (U+{ord(odd):04X})", "a space in its place"
    parts = line.split()
    if len(parts) < 2:
        return nothing
    if parts[0] not in KEY_TYPES:
        known = ", ".join(KEY_TYPES)
        return (
            "does not begin with a key type (options in front of it are not supported)",
            f"{example}; the types: {known}",
        )
    try:
        blob = base64.b64decode(parts[1], validate=True)
    except (binascii.Error, ValueError):
        return "its second word is not base64: part of the line is missing or changed", example
    fields = _length_prefixed(blob)
    if fields is None or len(fields) < 2:
        return "ends too early: part of the key is missing", example
    inner = fields[0].decode("ascii", "replace")
    if inner != parts[0]:
        return f'says it is "{parts[0]}" but holds a key of the type "{inner}"', example
    return None


def _stripped(line: str) -> str:
    return line.strip(" \t\r\n")


def _is_no_blank_of_ssh(character: str) -> bool:
    """Whether it is a blank or a control character, and not one of the two that sshd splits at."""
    return character not in " \t" and (character.isspace() or category(character) == "Cc")


def _length_prefixed(blob: bytes) -> list[bytes] | None:
    """The fields of an SSH wire-format blob (RFC 4251, section 5), `None` if it is cut off."""
    fields = []
    while blob:
        size = int.from_bytes(blob[:4], "big")
        if len(blob) < 4 + size:
            return None
        fields.append(blob[4 : 4 + size])
        blob = blob[4 + size :]
    return fields


def _public_key(line: str) -> str:
    if fault := public_key_fault(line):
        raise wrong(*fault)
    return _stripped(line)


def _fingerprint(text: str) -> str:
    digits = re.sub(r"[\s:]", "", text).upper().removeprefix("0X")
    if not re.fullmatch(r"[0-9A-F]{40}", digits):
        raise wrong(
            f"is not a full key fingerprint: {len(digits)} characters, not 40 hexadecimal digits",
            "all 40 digits, as `gpg --show-keys` prints them; short key ids can be forged",
        )
    return digits


def recipient_fault(text: str) -> tuple[str, str] | None:
    """Why a text is not a public key that age encrypts to, and what to write; `None` if it is."""
    example = '"age1…", as age-keygen prints it, or one line of ~/.ssh/id_ed25519.pub'
    if re.fullmatch(r"age1[02-9ac-hj-np-z]{58}", text):
        return None
    if text.startswith(("age1", "AGE")):
        return "is not an age recipient: 62 letters and digits, the first of them age1", example
    if fault := public_key_fault(text):
        return fault
    kind = text.split()[0]
    if kind not in ("ssh-ed25519", "ssh-rsa"):
        return f"is of the type {kind}, which age does not encrypt to", example
    return None


def _recipient(text: str) -> str:
    text = text.strip()
    if fault := recipient_fault(text):
        raise wrong(*fault)
    return text


def _wireguard_key(text: str) -> str:
    example = "44 characters, as `wg pubkey` prints them; `pyinfra-swarm wireguard add` makes one"
    try:
        whole = len(base64.b64decode(text, validate=True)) == 32 and len(text) == 44
    except (binascii.Error, ValueError):
        whole = False
    if not whole:
        raise wrong("is not a WireGuard public key", example)
    return text


WireGuardKey = Annotated[str, AfterValidator(_wireguard_key)]

PublicKey = Annotated[str, AfterValidator(_public_key), Field(examples=["ssh-ed25519 AAAA… you"])]

Fingerprint = Annotated[str, AfterValidator(_fingerprint)]

Recipient = Annotated[
    str, AfterValidator(_recipient), Field(examples=["age1…", "ssh-ed25519 AAAA… you"])
]
