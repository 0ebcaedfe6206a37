"""What is encrypted is opened by its key alone, and who cannot open it reads why."""

from __future__ import annotations

import subprocess
from pathlib import Path

import gevent
import pyrage
import pytest

from pyinfra_swarm.run.age_encryption import NotOpened, decrypt, encrypt

CONTENT = bytes(range(256)) * 4000


def nobody() -> str | None:
    return None


def ssh_key(folder: Path, passphrase: str = "", kind: str = "ed25519") -> tuple[bytes, str]:
    path = folder / f"id_{kind}"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-f", str(path)],
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return path.read_bytes(), path.with_suffix(".pub").read_text().strip()


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_an_ssh_key_opens_it(tmp_path: Path, kind: str) -> None:
    identity, recipient = ssh_key(tmp_path, kind=kind)
    encrypted = encrypt(CONTENT, [recipient])
    assert CONTENT[:64] not in encrypted
    assert decrypt(encrypted, identity, nobody) == CONTENT


def test_any_of_several_keys_opens_it(tmp_path: Path) -> None:
    identity, recipient = ssh_key(tmp_path)
    other = pyrage.x25519.Identity.generate()
    encrypted = encrypt(CONTENT, [recipient, str(other.to_public())])
    assert decrypt(encrypted, identity, nobody) == CONTENT
    file = f"# created: today\n# public key: {other.to_public()}\n{other}\n".encode()
    assert decrypt(encrypted, file, nobody) == CONTENT


def test_a_key_with_a_passphrase_takes_it_and_no_other(tmp_path: Path) -> None:
    identity, recipient = ssh_key(tmp_path, passphrase="open sesame")
    encrypted = encrypt(CONTENT, [recipient])
    assert decrypt(encrypted, identity, lambda: "open sesame") == CONTENT
    with pytest.raises(NotOpened, match="passphrase is another one"):
        decrypt(encrypted, identity, lambda: "open")
    with pytest.raises(NotOpened, match="nobody is there to type it"):
        decrypt(encrypted, identity, nobody)


def test_another_key_does_not(tmp_path: Path) -> None:
    _, recipient = ssh_key(tmp_path)
    other = str(pyrage.x25519.Identity.generate()).encode()
    with pytest.raises(NotOpened, match="was not encrypted to this identity"):
        decrypt(encrypt(CONTENT, [recipient]), other, nobody)


def test_what_is_damaged_or_no_key_is_said_to_be_so(tmp_path: Path) -> None:
    identity, recipient = ssh_key(tmp_path)
    encrypted = encrypt(CONTENT, [recipient])
    with pytest.raises(NotOpened, match="damaged"):
        decrypt(encrypted[:-100], identity, nobody)
    with pytest.raises(NotOpened, match="neither an age identity file"):
        decrypt(encrypted, recipient.encode(), nobody)
    with pytest.raises(ValueError, match="age1nonsense"):
        encrypt(CONTENT, ["age1nonsense"])


def test_it_works_inside_of_greenlets() -> None:
    """A library that did not (pysequoia) ended every run in a segmentation fault."""
    identity = pyrage.x25519.Identity.generate()

    def there_and_back() -> bytes:
        encrypted = encrypt(CONTENT, [str(identity.to_public())])
        gevent.sleep(0)
        return decrypt(encrypted, str(identity).encode(), nobody)

    greenlets = [gevent.spawn(there_and_back) for _ in range(8)]
    gevent.joinall(greenlets, raise_error=True)
    assert all(greenlet.value == CONTENT for greenlet in greenlets)
