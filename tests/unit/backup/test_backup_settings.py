"""Whose keys backups are encrypted to: public ones that age knows, and nothing secret."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from pyinfra_swarm.settings import Settings, SettingsError
from tests.builders import declared

AGE = "age17rewv7umw8slk4g7mq9x3zvx3e4hwxnfhzxcnpxqxez0uv6df3usr47zp8"


def ssh(kind: str) -> str:
    name = kind.encode()
    blob = len(name).to_bytes(4, "big") + name + (32).to_bytes(4, "big") + bytes(32)
    return f"{kind} {base64.b64encode(blob).decode()} you@laptop"


def settings(**backup: Any) -> Settings:
    return declared(1, 0, backup=backup)


def test_age_keys_and_ssh_keys_are_taken() -> None:
    keys = (AGE, ssh("ssh-ed25519"), ssh("ssh-rsa"))
    assert settings(recipients=[*keys]).backup.recipients == keys


@pytest.mark.parametrize(
    ("recipient", "words"),
    [
        ("AGE-SECRET-KEY-1ABC", "is a secret key, and secrets are never settings"),
        (AGE[:-1], "is not an age recipient"),
        (ssh("ecdsa-sha2-nistp256"), "ecdsa-sha2-nistp256, which age does not encrypt to"),
        ("~/.ssh/id_ed25519.pub", "is not an SSH public key"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "is a private key"),
    ],
)
def test_what_nobody_could_open_or_nobody_should_see_is_refused(recipient: str, words: str) -> None:
    with pytest.raises(SettingsError, match=r"backup\.recipients\[0\]") as refused:
        settings(recipients=[recipient])
    assert words in str(refused.value)
    assert "1ABC" not in str(refused.value)


def test_a_folder_is_a_path_that_means_the_same_everywhere() -> None:
    assert settings().backup.folder == "~/swarm-backups"
    for folder, words in (("", "is empty"), ("backups", "is a relative path")):
        with pytest.raises(SettingsError, match=words):
            settings(folder=folder)
    with pytest.raises(SettingsError, match=r"backup\.keep"):
        settings(keep=0)
