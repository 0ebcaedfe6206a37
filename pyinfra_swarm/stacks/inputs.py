"""What a stack is rendered from, as a value: its files, what they refer to, and its variables."""

from __future__ import annotations

import base64
import io
import json
import shlex
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256


@dataclass(frozen=True)
class Inputs:
    """What a stack is rendered from.

    compose: the paths of its compose files, in their order. files: they and what they refer to, by
    their paths beneath one folder. variables: what stands in the compose files as ``${NAME}``.
    secret: the paths of files that secrets are made of.
    problem: why it could not be read; then the rest is empty.
    """

    stack: str
    compose: Sequence[str] = ()
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    secret: frozenset[str] = frozenset()
    problem: str = ""

    @property
    def digest(self) -> str:
        """A hash of it all: the same wherever the files lie, another where anything differs.

        Whoever can read it can read what is in it: in the services' specifications, and in
        configs. What is in secrets is not in it: a short one could be guessed from a hash, and the
        engine takes no other content for a secret anyway.
        """
        told = {
            "compose": list(self.compose),
            "files": {
                name: "" if name in self.secret else sha256(content).hexdigest()
                for name, content in self.files.items()
            },
            "variables": dict(self.variables),
        }
        return sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    def packed(self, **beside: str) -> str:
        """All of it for standard input of a program on a host: tar, in base64.

        The files are in ``files/``; beside that folder are ``compose``, ``environment`` and
        whatever else is given by its name.
        """
        exports = [f"export {name}={shlex.quote(text)}" for name, text in self.variables.items()]
        texts = {
            "compose": "".join(f"{name}\n" for name in self.compose),
            "environment": "".join(f"{line}\n" for line in exports),
            **beside,
        }
        contents = {f"files/{name}": content for name, content in self.files.items()}
        contents |= {name: text.encode() for name, text in texts.items()}
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for name, content in sorted(contents.items()):
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode = len(content), 0o600
                archive.addfile(entry, io.BytesIO(content))
        return base64.encodebytes(packed.getvalue()).decode()
