"""Fingerprints of keys: of the pinned key exactly, and of nothing that merely contains it."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.openpgp import fingerprints
from facts.subject import sections

FIXTURES = Path(__file__).parent / "fixtures"

# The lab's key, made by GnuPG 2.4.7, and the fingerprint that `gpg --show-keys` prints for it.
KEY = (
    "\n".join(
        sections((FIXTURES / "docker-installation-28.5.2.txt").read_text().splitlines())["keyring"]
    )
    + "\n"
)
FINGERPRINT = "B0A0138566695F7847D9DC9E16B030FF7476653A"

BEGIN, END = "-----BEGIN PGP PUBLIC KEY BLOCK-----", "-----END PGP PUBLIC KEY BLOCK-----"

gpg = pytest.mark.skipif(not shutil.which("gpg"), reason="needs gpg")


def packets(text: str = KEY) -> bytes:
    body = text.split("\n\n", 1)[1].split("\n=", 1)[0]
    return base64.b64decode(body)


def armoured(data: bytes, *headers: str) -> str:
    return "\n".join([BEGIN, *headers, "", base64.b64encode(data).decode(), END, ""])


def other_key() -> bytes:
    """A well-formed version 4 key packet of somebody else's."""
    body = b"\x04" + bytes(4) + b"\x16" + bytes(40)
    return bytes([0xC6, len(body)]) + body


def test_the_key_has_its_fingerprint() -> None:
    assert fingerprints(KEY) == [FINGERPRINT]


@pytest.mark.parametrize(
    "text",
    [
        KEY.replace("\n", "\r\n"),
        "\n\n" + KEY + "\n\n",
        KEY.replace(BEGIN, BEGIN + "\nComment: Docker\nVersion: GnuPG"),
        armoured(packets()),
    ],
)
def test_the_same_key_in_other_armour_is_the_same_key(text: str) -> None:
    assert fingerprints(text) == [FINGERPRINT]


def test_a_second_key_behind_the_pinned_one_is_seen() -> None:
    assert len(fingerprints(armoured(packets() + other_key()))) == 2
    assert len(fingerprints(armoured(other_key() + packets()))) == 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>504 Gateway Timeout</html>",
        "[hidden]",
        KEY + KEY,  # apt reads both blocks
        KEY + armoured(other_key()),
        armoured(other_key()) + KEY,
        KEY + "trailing data\n",
        "leading data\n" + KEY,
        KEY.replace(END, ""),
        KEY.replace(BEGIN, ""),
        KEY.replace(BEGIN, f"Comment: {BEGIN}\n{BEGIN}"),
        KEY.replace("PUBLIC", "PRIVATE"),
        # A key where headers belong: another reader might take it for the body.
        KEY.replace(BEGIN, f"{BEGIN}\n{base64.b64encode(other_key()).decode()}"),
        armoured(packets()[:-1]),
        armoured(packets() + b"\x00"),
        armoured(b""),
        armoured(bytes([0x9B]) + packets()[1:]),  # a packet of indeterminate length
        armoured(bytes([0xC6, 0xE1]) + packets()),  # a packet in parts
        armoured(bytes([0xC6, 0x01, 0x03])),  # a version 3 key
        armoured(bytes([0xC6, 0x00])),
    ],
)
def test_whatever_is_not_one_plain_key_block_has_no_fingerprint(text: str) -> None:
    assert FINGERPRINT not in fingerprints(text)


@given(st.binary(max_size=200))
def test_any_bytes_are_judged_without_an_error(data: bytes) -> None:
    assert FINGERPRINT not in fingerprints(armoured(data))


@given(st.text(alphabet="-=:\n aAzZ09+/\x00é", max_size=200))
def test_any_text_in_a_block_is_judged_without_an_error(text: str) -> None:
    assert FINGERPRINT not in fingerprints(f"{BEGIN}\n{text}\n{END}\n")


@given(at=st.integers(0, 500), bit=st.integers(0, 7))
def test_a_single_flipped_bit_of_the_key_is_another_key(at: int, bit: int) -> None:
    data = bytearray(packets())
    assert data[0] == 0x99
    data[3 + at] ^= 1 << bit  # inside of the primary key's packet
    assert FINGERPRINT not in fingerprints(armoured(bytes(data)))


@gpg
@pytest.mark.parametrize("algorithm", ["ed25519", "rsa2048"])
def test_gpg_gives_the_same_fingerprint(algorithm: str, tmp_path: Path) -> None:
    home = tmp_path / "gnupg"
    home.mkdir(mode=0o700)

    def run(*arguments: str, text: str = "") -> str:
        command = ["gpg", "--homedir", str(home), "--batch", "--no-autostart", *arguments]
        if "--quick-gen-key" in arguments:
            command.remove("--no-autostart")
        return subprocess.run(
            command, input=text, capture_output=True, text=True, check=True, timeout=60
        ).stdout

    run("--passphrase", "", "--quick-gen-key", "Test <t@example.org>", algorithm, "sign", "never")
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False)
    exported = run("--armor", "--export")
    shown = run("--show-keys", "--with-colons", text=exported).splitlines()
    expected = [line.split(":")[9] for line in shown if line.startswith("fpr:")]
    assert fingerprints(exported) == expected


@gpg
def test_gpg_knows_the_labs_key_by_the_same_name(tmp_path: Path) -> None:
    shown = subprocess.run(
        ["gpg", "--homedir", str(tmp_path), "--show-keys", "--with-colons"],
        input=KEY,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert f"fpr:::::::::{FINGERPRINT}:" in shown
