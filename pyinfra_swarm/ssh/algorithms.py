"""What sshd may negotiate with ``ssh.crypto = "strict"``, and who could not log in by it any more.

The lists are those of ssh-audit's hardened policies (version 3.9.0, ``builtin_policies.py``: Debian
12 and 13, Ubuntu 24.04, OpenSSH 9.2 to 10.x), less what it fails or warns of by now. One list does
for all versions: of each, what a host's own OpenSSH knows is used (``ssh -Q``), which says the same
for its sshd.

curve25519 alone is an exception: ssh-audit warns that a recording could be decrypted by a quantum
computer one day. It comes after the exchanges that are safe from that, which OpenSSH takes;
paramiko, and so the runs of this project, know none of them.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pyinfra_swarm.run.findings import Change, Finding, Notice, Refusal
from pyinfra_swarm.run.printable import setting
from pyinfra_swarm.run.wording import listed
from pyinfra_swarm.ssh.sshd import KEYWORDS, Sshd

_KEYS = (
    "sk-ssh-ed25519-cert-v01@openssh.com",
    "ssh-ed25519-cert-v01@openssh.com",
    "rsa-sha2-512-cert-v01@openssh.com",
    "rsa-sha2-256-cert-v01@openssh.com",
    "sk-ssh-ed25519@openssh.com",
    "ssh-ed25519",
    "rsa-sha2-512",
    "rsa-sha2-256",
)

STRICT: Mapping[str, tuple[str, ...]] = {
    "kexalgorithms": (
        "mlkem768x25519-sha256",
        "sntrup761x25519-sha512",
        "sntrup761x25519-sha512@openssh.com",
        "curve25519-sha256",
        "curve25519-sha256@libssh.org",
    ),
    "ciphers": (
        "chacha20-poly1305@openssh.com",
        "aes256-gcm@openssh.com",
        "aes256-ctr",
        "aes192-ctr",
        "aes128-gcm@openssh.com",
        "aes128-ctr",
    ),
    "macs": (
        "hmac-sha2-512-etm@openssh.com",
        "hmac-sha2-256-etm@openssh.com",
        "umac-128-etm@openssh.com",
    ),
    "hostkeyalgorithms": _KEYS,
    "pubkeyacceptedalgorithms": _KEYS,
}
"""By sshd's keyword, what is allowed, the preferred first."""

ASKED: Mapping[str, str] = {
    "kexalgorithms": "kex",
    "ciphers": "cipher",
    "macs": "mac",
    "hostkeyalgorithms": "key-sig",
    "pubkeyacceptedalgorithms": "key-sig",
}
"""By sshd's keyword, the word by which ``ssh -Q`` lists what OpenSSH knows."""

_AEAD = ("chacha20-poly1305@", "aes256-gcm@", "aes128-gcm@")
"""Ciphers that need no MAC."""

SHORTEST_RSA = 3072
"""Bits of an RSA host key that is offered: ssh-audit warns of shorter ones."""


@dataclass(frozen=True)
class Client:
    """The SSH client of this run.

    offers: by sshd's keyword, what it can negotiate.
    known: the types of the host keys that it knows the host by, as its list has them; empty where
        it knows none, and so accepts any.
    login_key: the type of the key that it has logged in with; "" where an agent holds it.
    """

    offers: Mapping[str, tuple[str, ...]]
    known: tuple[str, ...] = ()
    login_key: str = ""


@dataclass(frozen=True, kw_only=True)
class LearnHostKeys(Change):
    """This computer's list of known hosts gets these host keys (``type blob``), beside the old."""

    keys: tuple[str, ...]


def strict(seen: Sshd) -> dict[str, tuple[str, ...]]:
    """By sshd's keyword, what is allowed on this host; without what could not be asked."""
    short = any(
        0 < rsa_bits(key) < SHORTEST_RSA for key in seen.host_keys if _type(key) == "ssh-rsa"
    )
    allowed = {}
    for keyword, names in STRICT.items():
        known = seen.known.get(ASKED[keyword], ())
        kept = tuple(
            name
            for name in names
            if name in known
            and not (short and keyword == "hostkeyalgorithms" and name.startswith("rsa-"))
        )
        if kept:
            allowed[keyword] = kept
    return allowed


def plan_algorithms(
    allowed: Mapping[str, tuple[str, ...]],
    seen: Sshd,
    client: Client | None,
    keys: Mapping[str, Iterable[str]],
) -> list[Finding]:
    """What stands in the way of these algorithms, and what this computer has to learn first.

    allowed: by sshd's keyword; empty where the system's own are left.
    client: None where the run comes by no SSH.
    keys: by declared admin, the types of the keys that are declared.
    """
    if not allowed:
        return []
    return [
        *_unasked(allowed),
        *_no_host_key(allowed, seen),
        *([] if client is None else _own_client(allowed, seen, client)),
        *refused_keys(allowed, keys),
    ]


def _unasked(allowed: Mapping[str, tuple[str, ...]]) -> list[Finding]:
    missing = [KEYWORDS[keyword][0] for keyword in STRICT if keyword not in allowed]
    if not missing:
        return []
    return [
        Notice(
            "sshd algorithms",
            f"`ssh -Q` names nothing that ssh-audit would accept, so {listed(missing)} "
            "stay the system's",
            remedy='Update OpenSSH on the host, or declare ssh.crypto = "system"',
        )
    ]


def _no_host_key(allowed: Mapping[str, tuple[str, ...]], seen: Sshd) -> list[Finding]:
    accepted = allowed.get("hostkeyalgorithms")
    if not accepted or not seen.host_keys or _offered(accepted, seen):
        return []
    return [
        Refusal(
            "sshd HostKeyAlgorithms",
            "the host has no key that would still be offered, so nobody could log in",
            expected=f"an Ed25519 key, or an RSA key of {SHORTEST_RSA} bits",
            found=listed([_type(key) for key in seen.host_keys]),
            remedy="`sudo ssh-keygen -A` makes the keys that are missing, and overwrites none",
        )
    ]


def _own_client(
    allowed: Mapping[str, tuple[str, ...]], seen: Sshd, client: Client
) -> list[Finding]:
    """Why this run could not log in any more, or which host keys it has to learn before."""
    findings: list[Finding] = []
    for keyword in ("kexalgorithms", "ciphers", "macs", "hostkeyalgorithms"):
        common = set(allowed.get(keyword, ())) & set(client.offers.get(keyword, ()))
        aead = keyword == "macs" and any(
            name.startswith(_AEAD)
            for name in set(allowed.get("ciphers", ())) & set(client.offers.get("ciphers", ()))
        )
        if keyword in allowed and not common and not aead:
            findings.append(
                Refusal(
                    f"sshd {KEYWORDS[keyword][0]}",
                    "the SSH client of this run (paramiko) has none of what would be allowed, so it"
                    " could not log in any more",
                    found=listed(client.offers.get(keyword, ())),
                    remedy='Update paramiko on this computer, or declare ssh.crypto = "system"',
                )
            )
    accepted = allowed.get("pubkeyacceptedalgorithms", ())
    if client.login_key and accepted and not _accepts(accepted, client.login_key):
        findings.append(
            Refusal(
                "sshd PubkeyAcceptedAlgorithms",
                f"this run has logged in with a key of type {client.login_key}, which would be "
                "accepted no longer",
                expected="ssh-ed25519, sk-ssh-ed25519@openssh.com or ssh-rsa",
                found=client.login_key,
                remedy=_NEW_KEY.format("ssh.key"),
            )
        )
    findings += _host_keys_to_learn(allowed.get("hostkeyalgorithms", ()), seen, client)
    return findings


def _host_keys_to_learn(
    accepted: tuple[str, ...], seen: Sshd, client: Client
) -> list[LearnHostKeys]:
    """The keys that the host will show this run's client from then on, if it does not know them.

    paramiko prefers the first type that it knows the host by, and then its own order, whether it
    knows the host by that type or not.
    """
    offered = _offered(accepted, seen)
    preferred = (*client.known[:1], *client.offers.get("hostkeyalgorithms", ()))
    shown = [name for name in preferred if name in accepted and _offered((name,), seen)]
    if not client.known or not shown or _key_type(shown[0]) in client.known:
        return []
    keys = tuple(key for key in offered if _type(key) not in client.known)
    return [
        LearnHostKeys(
            "known hosts of this computer",
            f"they have the host's {listed(client.known)} key, and it will show another one; its "
            "other keys are added first, as it tells them over the present connection",
            expected=listed(sorted(map(_type, keys))),
            found=listed(client.known),
            keys=keys,
        )
    ]


_NEW_KEY = (
    "Make another one (`ssh-keygen -t ed25519`), have it accepted first and name it in {}; or "
    'declare ssh.crypto = "system"'
)


def refused_keys(
    allowed: Mapping[str, tuple[str, ...]], keys: Mapping[str, Iterable[str]]
) -> list[Finding]:
    """The declared keys that would open nothing any more. keys: their types, by admin."""
    accepted = allowed.get("pubkeyacceptedalgorithms", ())
    if not accepted:
        return []
    return [
        Refusal(
            "sshd PubkeyAcceptedAlgorithms",
            f"a key that is declared for {name} would be accepted no longer",
            expected="ssh-ed25519, sk-ssh-ed25519@openssh.com or ssh-rsa",
            found=listed(refused),
            remedy=_NEW_KEY.format(f"access.admins of {setting(name)} in its place"),
        )
        for name, types in keys.items()
        if (refused := sorted({kind for kind in types if not _accepts(accepted, kind)}))
    ]


def kept_keys(
    allowed: Mapping[str, tuple[str, ...]], keys: Mapping[str, Iterable[str]]
) -> list[Finding]:
    """The same for the keys that a host has for admins who declare none.

    One that has another key besides is reported: the key may be an old one that nobody uses.
    """
    accepted = allowed.get("pubkeyacceptedalgorithms", ())
    findings: list[Finding] = []
    for name, types in keys.items():
        all_types = set(types)
        refused = sorted(kind for kind in all_types if not _accepts(accepted, kind))
        if not accepted or not refused:
            continue
        kind = Refusal if len(refused) == len(all_types) else Notice
        findings.append(
            kind(
                "sshd PubkeyAcceptedAlgorithms",
                f"a key that the host has for {name} would be accepted no longer",
                expected="ssh-ed25519, sk-ssh-ed25519@openssh.com or ssh-rsa",
                found=listed(refused),
                remedy=_NEW_KEY.format(f"access.admins for {setting(name)}"),
            )
        )
    return findings


def _offered(accepted: Iterable[str], seen: Sshd) -> tuple[str, ...]:
    """The host's keys (``type blob``) that it offers with these algorithms."""
    return tuple(key for key in seen.host_keys if _accepts(accepted, _type(key)))


def _accepts(accepted: Iterable[str], kind: str) -> bool:
    """Whether a key of this type signs by one of these algorithms; an RSA key does by several."""
    base = kind.removesuffix("-cert-v01@openssh.com")
    names = ("rsa-sha2-512", "rsa-sha2-256") if base in ("ssh-rsa", "rsa") else (base,)
    if base == "sk-ssh-ed25519":
        names = ("sk-ssh-ed25519@openssh.com",)
    return any(name in accepted for name in names)


def _key_type(algorithm: str) -> str:
    """The type of the key that signs by an algorithm."""
    return "ssh-rsa" if algorithm.startswith("rsa-sha2-") else algorithm


def _type(key: str) -> str:
    return key.split(" ", 1)[0]


def rsa_bits(key: str) -> int:
    """The length of an RSA key given as ``ssh-rsa BLOB``; 0 where it is none that can be read.

    (RFC 4253, 6.6: the blob is the type, e and n, each with its length before it.)
    """
    words = key.split()
    try:
        blob = base64.b64decode(words[1], validate=True)
    except (IndexError, binascii.Error):
        return 0
    parts: list[bytes] = []
    rest = blob
    while len(rest) >= 4 and len(parts) < 3:
        size = int.from_bytes(rest[:4], "big")
        parts.append(rest[4 : 4 + size])
        rest = rest[4 + size :]
    if len(parts) < 3 or parts[0] != b"ssh-rsa":
        return 0
    return int.from_bytes(parts[2], "big").bit_length()
