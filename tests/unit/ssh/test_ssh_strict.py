"""The strict lists by name, and how keys, algorithms and clients are held against each other."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from pyinfra_swarm.run.findings import Refusal
from pyinfra_swarm.ssh.algorithms import (
    STRICT,
    Client,
    LearnHostKeys,
    kept_keys,
    plan_algorithms,
    refused_keys,
    rsa_bits,
    strict,
)
from tests.unit.ssh.test_ssh_algorithms import ECDSA, ED25519, OFFERS, SEEN, blob, rsa

KEYS = (
    "sk-ssh-ed25519-cert-v01@openssh.com",
    "ssh-ed25519-cert-v01@openssh.com",
    "rsa-sha2-512-cert-v01@openssh.com",
    "rsa-sha2-256-cert-v01@openssh.com",
    "sk-ssh-ed25519@openssh.com",
    "ssh-ed25519",
    "rsa-sha2-512",
    "rsa-sha2-256",
)


def test_the_lists_are_those_that_ssh_audit_passes() -> None:
    assert STRICT == {
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
        "hostkeyalgorithms": KEYS,
        "pubkeyacceptedalgorithms": KEYS,
    }


@pytest.mark.parametrize(
    ("host_keys", "offered"),
    [
        ((rsa(2048), ED25519), False),
        ((ED25519, rsa(2048)), False),
        ((rsa(3072), rsa(2048)), False),
        ((rsa(3071),), False),
        ((rsa(1),), False),
        ((rsa(3072), ED25519), True),
        (("ssh-rsa !", ED25519), True),
        ((blob("ecdsa-sha2-nistp256", b"e", b"\x01"),), True),
        ((), True),
    ],
)
def test_rsa_is_offered_where_no_rsa_host_key_is_short(
    host_keys: tuple[str, ...], offered: bool
) -> None:
    allowed = strict(replace(SEEN, host_keys=host_keys))["hostkeyalgorithms"]
    assert ("rsa-sha2-512" in allowed, "rsa-sha2-256" in allowed) == (offered, offered)
    assert "ssh-ed25519" in allowed


@pytest.mark.parametrize("cipher", ["chacha20-poly1305@x", "aes256-gcm@x", "aes128-gcm@x"])
@pytest.mark.parametrize("common", [True, False])
def test_each_cipher_that_needs_no_mac_makes_up_for_one(cipher: str, common: bool) -> None:
    allowed = {"macs": ("a",), "ciphers": (cipher,)}
    client = Client({"macs": ("b",), "ciphers": (cipher if common else "c",)})
    found = [one.what for one in plan_algorithms(allowed, SEEN, client, {})]
    assert ("sshd MACs" in found) != common


def test_a_list_that_is_left_alone_shuts_nobody_out() -> None:
    """Of those that the host cannot be asked about, nothing is said but that they stay."""
    client = Client(OFFERS, login_key="ecdsa-sha2-nistp256")
    seen = replace(SEEN, host_keys=(ECDSA,))
    [notice] = plan_algorithms({"ciphers": ("aes128-ctr",)}, seen, client, {"ann": ["ssh-dss"]})
    assert notice.what == "sshd algorithms"
    assert "MACs" in notice.reason
    assert kept_keys({}, {"ann": ["ssh-dss"]}) == refused_keys({}, {"ann": ["ssh-dss"]}) == []


ALLOWED = strict(SEEN)


def learnt(
    known: tuple[str, ...], *host_keys: str, offers: tuple[str, ...] = ()
) -> list[tuple[str, ...]]:
    """What a client that knows a host so has to learn of it first."""
    seen = replace(SEEN, host_keys=host_keys)
    client = Client({**OFFERS, **({"hostkeyalgorithms": offers} if offers else {})}, known=known)
    found = plan_algorithms(strict(seen), seen, client, {})
    return [one.keys for one in found if isinstance(one, LearnHostKeys)]


def test_what_a_client_has_to_learn() -> None:
    long = rsa(3072)
    assert learnt((), long, ED25519) == []
    assert learnt(("ssh-ed25519",), long, ED25519) == []
    assert learnt(("ssh-rsa",), long, ED25519) == [(ED25519,)]
    assert learnt(("ecdsa-sha2-nistp256",), long, ED25519, ECDSA) == [(long, ED25519)]
    # It prefers the first type that it knows, and then its own order.
    assert learnt(("ecdsa-sha2-nistp256", "ssh-ed25519"), ED25519, ECDSA) == []
    assert learnt(("ssh-rsa",), long, offers=("ssh-ed25519", "rsa-sha2-512")) == []
    assert learnt(("ssh-ed25519",), long, ED25519, offers=("rsa-sha2-512",)) == []
    assert learnt(("ecdsa-sha2-nistp256",), ED25519, offers=("x25519",)) == []


def test_keys_that_are_refused_are_told_in_order_with_where_to_change_them() -> None:
    types = ["ssh-dss", "ecdsa-sha2-nistp256", "ssh-dss"]
    [finding] = refused_keys(ALLOWED, {"ann": types, "ben": ["ssh-rsa"], "cleo": ["ssh-ed25519"]})
    assert (finding.what, finding.found) == (
        "sshd PubkeyAcceptedAlgorithms",
        "ecdsa-sha2-nistp256 and ssh-dss",
    )
    found = kept_keys(ALLOWED, {"ben": ["ssh-rsa"], "ann": types, "cleo": ["ssh-dss", "ssh-rsa"]})
    assert [(one.what, one.found, isinstance(one, Refusal)) for one in found] == [
        ("sshd PubkeyAcceptedAlgorithms", "ecdsa-sha2-nistp256 and ssh-dss", True),
        ("sshd PubkeyAcceptedAlgorithms", "ssh-dss", False),
    ]


@pytest.mark.parametrize(
    ("kind", "allowed", "taken"),
    [
        ("ssh-rsa", "rsa-sha2-512", True),
        ("ssh-rsa", "rsa-sha2-256", True),
        ("rsa", "rsa-sha2-256", True),
        ("ssh-rsa-cert-v01@openssh.com", "rsa-sha2-512", True),
        ("rsa-cert-v01@openssh.com", "rsa-sha2-512", True),
        ("ssh-rsa", "ssh-ed25519", False),
        ("ssh-ed25519", "ssh-ed25519", True),
        ("ssh-ed25519-cert-v01@openssh.com", "ssh-ed25519", True),
        ("sk-ssh-ed25519-cert-v01@openssh.com", "sk-ssh-ed25519@openssh.com", True),
        ("sk-ssh-ed25519@openssh.com", "ssh-ed25519", False),
        ("ecdsa-sha2-nistp256", "ssh-ed25519", False),
    ],
)
def test_which_key_signs_by_which_algorithm(kind: str, allowed: str, taken: bool) -> None:
    found = refused_keys({"pubkeyacceptedalgorithms": (allowed,)}, {"ann": [kind]})
    assert (found == []) == taken


def _of(*parts: bytes) -> str:
    whole = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return f"ssh-rsa {base64.b64encode(whole).decode()}"


@pytest.mark.parametrize(
    ("key", "bits"),
    [
        (_of(b"ssh-rsa", b"\x03", b"\x80\x00"), 16),
        (_of(b"ssh-rsa", b"\x03", b"\x80\x00", b"\xff" * 9), 16),
        (_of(b"ssh-rsa", b"\x03", b""), 0),
        (_of(b"ssh-rsa", b"\x03"), 0),
        (_of(b"ssh-dss", b"\x03", b"\x80\x00"), 0),
        (_of(b"ssh-rsa", b"\x03", b"\x80\x00") + "!", 0),
        (_of(b"ssh-rsa", b"\x03", b"\x80\x00") + " ann@laptop", 16),
        ("ssh-rsa", 0),
        ("", 0),
    ],
)
def test_the_length_of_a_key_that_may_be_anything(key: str, bits: int) -> None:
    assert rsa_bits(key) == bits
