"""A text is one public key and nothing else, or it is none; what is written is that key alone."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyinfra_swarm.docker.openpgp import Unreadable, read_key
from tests.tools.answers import sections

FIXTURES = Path(__file__).parents[1] / "fixtures"

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


def packet(tag: int, body: bytes) -> bytes:
    """In the current format, which has room for every tag."""
    return bytes([0xC0 | tag, 0xFF]) + len(body).to_bytes(4, "big") + body


# The key's own three packets: the lengths are those that `gpg --list-packets` prints.
PRIMARY = packets()[: 3 + 525]
NAME = packets()[len(PRIMARY) :][: 2 + 56]
SIGNATURE = packets()[len(PRIMARY) + len(NAME) :]
BODY = PRIMARY[3:]
OTHER = packet(6, b"\x04" + bytes(4) + b"\x16" + bytes(40)) + packet(13, b"Somebody else")
"""A well-formed version 4 key of somebody else's."""


def refused(text: str) -> str:
    """Why the text is no key."""
    with pytest.raises(Unreadable) as caught:
        read_key(text)
    return str(caught.value)


def test_the_key_has_its_fingerprint_and_is_written_as_gnupg_has_exported_it() -> None:
    key = read_key(KEY)
    assert (key.fingerprint, key.armoured) == (FINGERPRINT, KEY)


@pytest.mark.parametrize(
    "text",
    [
        KEY.replace("\n", "\r\n"),
        "\n\n" + KEY + "\n\n",
        KEY.replace(BEGIN, BEGIN + "\nComment: Docker\nVersion: GnuPG"),
        armoured(packets()),
        armoured(packet(6, BODY) + NAME + SIGNATURE),
        armoured(bytes([0xC6, 192 + (525 - 192 >> 8), 525 - 192 & 0xFF]) + BODY + NAME + SIGNATURE),
        armoured(bytes([0x9A]) + len(BODY).to_bytes(4, "big") + BODY + NAME + SIGNATURE),
    ],
)
def test_the_same_key_in_another_form_is_the_same_key_and_is_written_in_one_form(text: str) -> None:
    key = read_key(text)
    assert (key.fingerprint, key.armoured) == (FINGERPRINT, KEY)


def test_a_second_key_beside_the_pinned_one_is_refused_with_both_fingerprints() -> None:
    for both in (packets() + OTHER, OTHER + packets()):
        assert "holds 2 keys" in refused(armoured(both))
        assert FINGERPRINT in refused(armoured(both))


@pytest.mark.parametrize("tag", range(64))
def test_a_packet_of_any_other_kind_is_refused_wherever_it_stands(tag: int) -> None:
    """Sequoia, and apt with it, begins a key at a secret key's packet (tag 5) as well."""
    if tag in (2, 13, 14, 17):
        return
    for body in (b"", BODY, b"\x04" + bytes(50)):
        stranger = packet(tag, body)
        for data in (
            stranger + packets(),
            PRIMARY + stranger + NAME + SIGNATURE,
            PRIMARY + NAME + stranger + SIGNATURE,
            packets() + stranger,
        ):
            why = refused(armoured(data))
            assert tag == 6 or f"(tag {tag})" in why


def test_a_secret_key_behind_the_pinned_one_is_called_so() -> None:
    why = refused(armoured(packets() + packet(5, b"\x04" + bytes(50))))
    assert why == "holds a packet that has no place in a public key: a secret key (tag 5)"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>504 Gateway Timeout</html>",
        "[hidden]",
        KEY + KEY,  # apt reads both blocks
        KEY + armoured(OTHER),
        armoured(OTHER) + KEY,
        KEY + "trailing data\n",
        "leading data\n" + KEY,
        KEY.replace(END, ""),
        KEY.replace(BEGIN, ""),
        KEY.replace(BEGIN, f"Comment: {BEGIN}\n{BEGIN}"),
        KEY.replace("PUBLIC", "PRIVATE"),
        KEY.replace("BEGIN PGP PUBLIC", "BEGIN PGP PRIVATE"),
        KEY.replace(BEGIN, "Comment: a header only"),
        KEY.replace("\nmQINB", "\nmQ!INB"),
        # A key where headers belong: another reader might take it for the body.
        KEY.replace(BEGIN, f"{BEGIN}\n{base64.b64encode(OTHER).decode()}"),
        armoured(packets()[:-1]),
        armoured(packets() + b"\x00"),
        armoured(b""),
        armoured(bytes([0x9B]) + packets()[1:]),  # a packet of indeterminate length
        armoured(bytes([0xC6, 0xE1]) + packets()),  # a packet in parts
        armoured(packet(6, b"\x03") + NAME + SIGNATURE),  # a version 3 key
        armoured(packet(6, b"\x06" + BODY[1:]) + NAME + SIGNATURE),
        armoured(packet(6, b"") + NAME + SIGNATURE),
        armoured(packets() + packet(14, b"\x06" + BODY[1:])),
        armoured(packets() + packet(2, b"\x03" + bytes(60))),
        armoured(NAME + SIGNATURE),
        armoured(SIGNATURE + packets()),
        armoured(NAME + PRIMARY + SIGNATURE),
        armoured(PRIMARY),
        armoured(packets() + packet(14, BODY) + NAME),  # a name behind a subkey
        KEY.replace("\n=MZ7U", "\n=MZ7V"),
        KEY.replace("\n=MZ7U", "\n=MZ7U\n=MZ7U"),
        KEY.replace("\nmQINB", "\n=MZ7U\nmQINB"),
        KEY.replace("\nmQINB", "\n\u2028mQINB"),
        armoured(packets() + packet(13, bytes(64 * 1024))),
    ],
)
def test_whatever_is_not_one_plain_key_block_has_no_fingerprint(text: str) -> None:
    assert refused(text)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (bytes([0x9B]) + packets()[1:], "holds a packet of indeterminate length"),
        (bytes([0xC6, 0xE1]) + packets(), "holds a packet in parts"),
        (packets()[:-1], "is cut short"),
        (packets() + b"\x88", "is cut short"),
        (packets() + b"\xce\xff\x00", "is cut short"),
        (packets() + b"\x00", "holds something else than packets"),
        (packet(6, b"\x06" + BODY[1:]) + NAME, "holds a key of a version other than 4"),
        (packets() + packet(2, b"\x06"), "holds a signature of a version other than 4"),
        (NAME + PRIMARY, "does not hold a key, its names and its subkeys, in this order"),
    ],
)
def test_it_is_said_what_is_wrong_with_a_key(data: bytes, why: str) -> None:
    assert refused(armoured(data)) == why


def test_a_picture_in_a_key_stays_in_it() -> None:
    """A user attribute, whose tag the old format has no room for."""
    picture = packet(17, b"\xd2" + bytes(200))
    key = read_key(armoured(PRIMARY + NAME + SIGNATURE + picture + SIGNATURE))
    assert key.fingerprint == FINGERPRINT
    assert [tag for tag, _ in taken_apart(packets(key.armoured))] == [6, 13, 2, 17, 2]
    assert read_key(key.armoured) == key


def long_name(length: int, header: bytes) -> str:
    """The key with a name of so many bytes, whose packet begins in this way."""
    return armoured(PRIMARY + header + bytes(length) + SIGNATURE)


@pytest.mark.parametrize(
    ("length", "read", "written"),
    [
        (191, bytes([0xCD, 191]), bytes([0xB4, 191])),
        (192, bytes([0xCD, 192, 0]), bytes([0xB4, 192])),
        (255, bytes([0xCD, 192, 63]), bytes([0xB4, 255])),
        (256, bytes([0xCD, 192, 64]), bytes([0xB5, 1, 0])),
        (8383, bytes([0xCD, 223, 255]), bytes([0xB5, 0x20, 0xBF])),
        (8384, bytes([0xCD, 255]) + (8384).to_bytes(4, "big"), bytes([0xB5, 0x20, 0xC0])),
    ],
)
def test_lengths_are_read_in_each_form_and_written_in_one(
    length: int, read: bytes, written: bytes
) -> None:
    key = read_key(long_name(length, read))
    assert packets(key.armoured) == PRIMARY + written + bytes(length) + SIGNATURE


def test_a_packet_in_parts_is_known_by_the_first_such_length() -> None:
    assert refused(long_name(200, bytes([0xCD, 224, 0]))) == "holds a packet in parts"


def test_a_key_has_its_subkeys_with_their_signatures() -> None:
    data = packets() + packet(14, BODY) + SIGNATURE
    assert [tag for tag, _ in taken_apart(packets(read_key(armoured(data)).armoured))] == [
        *(6, 13, 2, 14, 2)
    ]


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        (5, "a secret key"),
        (7, "a secret subkey"),
        (10, "a marker"),
        (21, "padding"),
        (9, "neither key, name nor signature"),
    ],
)
def test_what_does_not_belong_in_a_key_is_called_by_its_name(tag: int, name: str) -> None:
    assert refused(armoured(packets() + packet(tag, b""))).endswith(f": {name} (tag {tag})")


def test_sixty_four_kilobytes_are_read() -> None:
    assert read_key(KEY + "\n" * (64 * 1024 - len(KEY))).armoured == KEY
    assert refused(KEY + "\n" * (64 * 1024 - len(KEY) + 1)) == "is longer than 64 KiB"


def test_blanks_at_the_ends_of_lines_and_blank_lines_are_no_matter() -> None:
    for text in (
        KEY.replace("\n", " \t\r\n"),
        KEY.replace("\n", "\n\t "),
        KEY.replace(END, f"\n{END}"),
        KEY.replace("\nmQINB", "\n\nmQINB"),
    ):
        assert read_key(text).armoured == KEY


def test_a_byte_that_begins_no_packet_is_refused() -> None:
    for first in (0x00, 0x01, 0x7F):
        assert refused(armoured(packets() + bytes([first, 0]))) == (
            "holds something else than packets"
        )


@given(st.binary(max_size=200))
def test_any_bytes_are_judged_without_an_error(data: bytes) -> None:
    try:
        key = read_key(armoured(data))
    except Unreadable:
        return
    assert read_key(key.armoured) == key


@given(st.text(alphabet="-=:\n aAzZ09+/\x00é\u2028\x0b", max_size=200))
def test_any_text_in_a_block_is_judged_without_an_error(text: str) -> None:
    refused(f"{BEGIN}\n{text}\n{END}\n")


@given(
    at=st.integers(0, len(packets())),
    cut=st.integers(0, 80),
    put=st.one_of(
        st.binary(max_size=80),
        st.sampled_from([NAME, SIGNATURE, OTHER, PRIMARY, packet(14, BODY), packet(5, BODY)]),
        st.builds(packet, st.integers(0, 63), st.binary(max_size=80)),
    ),
)
def test_whatever_is_put_cut_or_changed_anywhere_nothing_but_the_pinned_key_is_written(
    at: int, cut: int, put: bytes
) -> None:
    data = packets()[:at] + put + packets()[at + cut :]
    try:
        key = read_key(armoured(data))
    except Unreadable:
        return
    written = taken_apart(packets(key.armoured))
    assert written[0][0] == 6
    assert {tag for tag, _ in written[1:]} <= {2, 13, 14, 17}
    # The fingerprint is the pinned one where the key's packet is the pinned key's, and only there.
    assert (key.fingerprint == FINGERPRINT) == (written[0][1] == BODY)
    assert read_key(key.armoured) == key


def taken_apart(data: bytes) -> list[tuple[int, bytes]]:
    """The packets of what is written, which come in few forms."""
    found = []
    while data:
        octets = {0: 1, 1: 2, 2: 4}[data[0] & 3]
        tag, size, begin = (
            data[0] >> 2 & 15,
            int.from_bytes(data[1 : 1 + octets], "big"),
            1 + octets,
        )
        if data[0] & 0x40:
            assert data[1] == 255
            tag, size, begin = data[0] & 63, int.from_bytes(data[2:6], "big"), 6
        assert begin + size <= len(data)
        found.append((tag, data[begin : begin + size]))
        data = data[begin + size :]
    return found


@given(at=st.integers(0, len(BODY) - 1), bit=st.integers(0, 7))
def test_a_single_flipped_bit_of_the_key_is_another_key(at: int, bit: int) -> None:
    data = bytearray(packets())
    data[3 + at] ^= 1 << bit
    try:
        assert read_key(armoured(bytes(data))).fingerprint != FINGERPRINT
    except Unreadable:
        assert at == 0  # the key's version


@gpg
@pytest.mark.parametrize("algorithm", ["ed25519", "rsa2048"])
def test_gpg_gives_the_same_fingerprint_and_writes_the_same_text(
    algorithm: str, tmp_path: Path
) -> None:
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
    [expected] = [line.split(":")[9] for line in shown if line.startswith("fpr:")]
    key = read_key(exported)
    assert (key.fingerprint, key.armoured) == (expected, exported)


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
