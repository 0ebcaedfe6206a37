"""Paths of files and folders on this machine."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from pyinfra_swarm.settings.paths import from_user, project
from pyinfra_swarm.settings.values.refused import wrong


def path_fault(text: str) -> tuple[str, str] | None:
    """Why a text is not the path of one place on this machine; `None` if it is, or is empty."""
    if not text.isprintable():
        return "is not a path", 'the path of a file, such as "~/.ssh/id_ed25519"'
    if text != text.strip():
        return "has a space before or after it", f'"{text.strip()}"'
    if text and not text.startswith(("/", "~")):
        return (
            "is a relative path, and would mean another file in every folder",
            f'a path from the root or from your home, such as "~/{text.removeprefix("./")}"',
        )
    if str(from_user(text)).startswith("~"):
        user, _, rest = text[1:].partition("/")
        return (
            f'begins with the home of "{user}", and no user on this machine is called so',
            f'a path from the root or from your home, such as "~/{rest}"',
        )
    return None


def _path(text: str) -> str:
    if fault := path_fault(text):
        raise wrong(*fault)
    return text


def _key_path(text: str) -> str:
    if text.endswith(".pub"):
        raise wrong(
            "is the public half of a key; logging in takes the private one",
            f'"{text.removesuffix(".pub")}"',
        )
    return _path(text)


def _unlock_key_path(text: str) -> str:
    example = '"~/.config/pyinfra-swarm/home.unlock-key"'
    _path(text)
    if text and from_user(text).is_relative_to(project()):
        raise wrong(
            "is inside the project's folder, and a key there would be shared with it some day",
            f"a path elsewhere, such as {example}",
        )
    return text


def _backup_folder(text: str) -> str:
    if not text:
        raise wrong("is empty", 'the path of a folder on this computer, such as "~/swarm-backups"')
    return _path(text)


FilePath = Annotated[str, AfterValidator(_path), Field(examples=["~/.ssh/id_ed25519.pub"])]

KeyPath = Annotated[str, AfterValidator(_key_path), Field(examples=["~/.ssh/id_ed25519"])]

UnlockKeyPath = Annotated[
    str,
    AfterValidator(_unlock_key_path),
    Field(examples=["~/.config/pyinfra-swarm/home.unlock-key"]),
]

BackupFolder = Annotated[str, AfterValidator(_backup_folder), Field(examples=["~/swarm-backups"])]
