"""The declared stacks read from this computer's files: compose files, and what they refer to.

Everything is read before a host is asked, once a run. What cannot be read is a problem of its own
stack, in words for the owner.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pyinfra_swarm.settings.paths import from_user
from pyinfra_swarm.settings.variables import dotenv
from pyinfra_swarm.stacks.compose import Merged, Source, named_files, read
from pyinfra_swarm.stacks.document import Scalar, Table
from pyinfra_swarm.stacks.inputs import Inputs
from pyinfra_swarm.stacks.variables import Variables

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings, Stack

LARGEST = 4 << 20
"""Bytes of a file that a stack refers to; the engine takes less than 1 MiB in a config."""


class Unreadable(Exception):
    """What a stack is made of cannot be read; the text says what to do."""


@dataclass(frozen=True)
class Declared:
    """A declared stack as it was read. sources, texts: what :func:`stacks.compose.read` takes."""

    inputs: Inputs
    sources: tuple[Source, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict, repr=False)

    @cached_property
    def merged(self) -> Merged:
        """Its compose files as one. It costs some time, so it is made where it is looked at."""
        return read(self.sources, Variables(self.inputs.variables, complete=True), self.texts)

    @property
    def may_use_objects(self) -> bool:
        """Whether its files may name a secret or a config."""
        return any(word in one.content for one in self.sources for word in (b"secret", b"config"))


def read_stacks(settings: Settings) -> tuple[Declared, ...]:
    """All declared stacks, in the order of the settings."""
    return tuple(_declared(stack, settings.folder) for stack in settings.stacks)


def _declared(stack: Stack, folder: Path) -> Declared:
    try:
        variables = _variables(stack, folder)
        paths = [_absolute(folder, file) for file in stack.files]
        sources = tuple(
            Source(file, _content(path, "compose file"))
            for file, path in zip(stack.files, paths, strict=True)
        )
        base = os.path.dirname(paths[0])
        texts, secret = {}, set()
        found = dict(zip(paths, (one.content for one in sources), strict=True))
        for name in named_files(sources) if _mention(sources, b"env_file") else ():
            path = _beside(base, name, "env_file")
            found[path] = _content(path, "env_file")
            texts[name] = found[path].decode(errors="replace")
        read_so_far = Declared(Inputs(stack.name, variables=variables), sources, texts)
        if _mention(sources, b"file"):
            for section, name in _files_of_objects(read_so_far.merged):
                path = _beside(base, name, f"file of {section}")
                found[path] = _content(path, f"file of {section}")
                secret |= {path} if section == "secrets" else set()
    except Unreadable as error:
        return Declared(Inputs(stack.name, problem=str(error)))
    root = os.path.commonpath([os.path.dirname(path) for path in found])
    files = {os.path.relpath(path, root): content for path, content in found.items()}
    compose = tuple(os.path.relpath(path, root) for path in paths)
    private = frozenset(os.path.relpath(path, root) for path in secret)
    return replace(read_so_far, inputs=Inputs(stack.name, compose, files, variables, private))


def _mention(sources: Sequence[Source], key: bytes) -> bool:
    """Whether a key may be in one of the files: most have none, and then they are not parsed."""
    return any(key in one.content for one in sources)


def _variables(stack: Stack, folder: Path) -> dict[str, str]:
    """The variables of the compose files. Nothing else of this computer's environment is seen."""
    values: dict[str, str] = {}
    beside: Mapping[str, str] | None = None
    for name, value in stack.env.items():
        if isinstance(value, str):
            values[name] = value
            continue
        if beside is None:
            beside, _ = dotenv(folder / ".env")
        known = {**beside, **os.environ}
        if value.env not in known:
            raise Unreadable(
                f"{name} is to be what the variable {value.env} is, and that is not set. Set it in "
                f"this computer's environment, or in {folder / '.env'}"
            )
        values[name] = known[value.env]
    return values


def _files_of_objects(merged: Merged) -> Iterator[tuple[str, str]]:
    """The files that a stack's own configs and secrets are made of, with the section."""
    for section in ("configs", "secrets"):
        for entry in merged.section(section).entries.values():
            file = entry.entries.get("file") if isinstance(entry, Table) else None
            if isinstance(file, Scalar) and isinstance(file.value, str) and file.value:
                yield section, file.value


def _absolute(folder: Path, name: str) -> str:
    return os.path.normpath(folder.absolute() / from_user(name))


def _beside(base: str, name: str, what: str) -> str:
    """The path of a file that a compose file refers to, from the folder of the first of them."""
    if os.path.isabs(name) or name.startswith("~"):
        raise Unreadable(
            f"the {what} {name} is no path beside the compose file, so the manager would look for "
            "it on its own disk. Write it relative to the first compose file"
        )
    return os.path.normpath(os.path.join(base, name))


def _content(path: str, what: str) -> bytes:
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise Unreadable(f"the {what} {path} cannot be read: {error.strerror}") from None
    if len(content) > LARGEST:
        raise Unreadable(f"the {what} {path} is larger than {LARGEST >> 20} MiB")
    return content
