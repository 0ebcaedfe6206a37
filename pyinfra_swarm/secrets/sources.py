"""Reads the values of declared secrets and configs, on this computer.

A value comes from a program, a variable, a file, or an encrypted file (age, sops). It is kept in
memory only. Whatever is said of one that cannot be had names its source, and no part of it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pyinfra_swarm.run import age_encryption, plain_file
from pyinfra_swarm.run.age_encryption import NotOpened
from pyinfra_swarm.run.printable import plain, quoted, setting
from pyinfra_swarm.secrets import core_dumps
from pyinfra_swarm.secrets.clear_text import must_not_be_shared
from pyinfra_swarm.secrets.command import printed
from pyinfra_swarm.secrets.value import Unreadable, Value
from pyinfra_swarm.settings.applications import Age, Config, Secret, Sops
from pyinfra_swarm.settings.errors import Problem, secret_in
from pyinfra_swarm.settings.paths import from_user
from pyinfra_swarm.settings.values.applications import sops_path
from pyinfra_swarm.settings.variables import dotenv

__all__ = ["LARGEST", "Unreadable", "Value", "read", "read_all"]

LARGEST = {"secret": 511_999, "config": 1_023_999}
"""Bytes that the engine takes."""

_LARGEST_FILE = 4 << 20
"""Bytes of an encrypted file, which is longer than what is in it."""

_AT_ONCE = 8


def read(declared: Secret | Config, base: Path) -> Value:
    """The value of a secret or a config.

    base: the folder that relative paths start from, and that commands run in
    (`settings.Settings.folder`).

    Raises :class:`Unreadable`.
    """
    core_dumps.forbid()
    value = _from_source(declared, base)
    if declared.strips:
        value = Value(re.sub(rb"\r?\n\Z", b"", value.data))
    what, length = _what(declared), len(value.data)
    if not length:
        raise Unreadable(f"{what}: the value is empty", "The engine takes 1 byte or more")
    if length > LARGEST[declared.kind]:
        raise Unreadable(
            f"{what}: the value has {length} bytes",
            f"The engine takes {LARGEST[declared.kind]} bytes of a {declared.kind} at most",
        )
    if declared.kind == "config" and (found := secret_in(value.data.decode(errors="replace"))):
        raise Unreadable(
            f"{what}: the text {found}, and whoever may ask the engine can read a config",
            "Declare it in [[secrets]]; or keep the secret part there, and let the config say "
            '{{ secret "NAME" }} with template = true',
        )
    return value


def read_all(declared: Sequence[Secret | Config], base: Path) -> list[Value | Unreadable]:
    """The value of each, or why there is none, in the same order; they are read side by side."""

    def one(each: Secret | Config) -> Value | Unreadable:
        try:
            return read(each, base)
        except Unreadable as error:
            return error.with_traceback(None)

    if not declared:
        return []
    with ThreadPoolExecutor(max_workers=min(_AT_ONCE, len(declared))) as threads:
        return list(threads.map(one, declared))


def _from_source(declared: Secret | Config, base: Path) -> Value:
    # One byte more than fits, and a line end that may be taken off.
    at_most = LARGEST[declared.kind] + 3
    what = _what(declared)
    if declared.command:
        return _command(declared.command, base, at_most)
    if declared.env:
        return _variable(declared, base)
    if declared.file:
        secret = declared.kind == "secret"
        return _content(declared.file, base, what, at_most, clear_text=secret)
    if declared.age:
        return _age(declared.age, base, what)
    assert declared.sops
    return _sops(declared.sops, base, what, at_most)


def _what(declared: Secret | Config) -> str:
    """The source, as it is written in the settings; a command by its program alone."""
    match declared.source:
        case "command":
            return f"command = [{setting(declared.command[0])}, …]"
        case "env":
            return f"env = {setting(declared.env)}"
        case "file":
            return f"file = {setting(declared.file)}"
        case "age":
            return f"age.file = {setting(declared.age.file if declared.age else '')}"
        case "sops":
            return f"sops.file = {setting(declared.sops.file if declared.sops else '')}"


def _content(text: str, base: Path, what: str, at_most: int, *, clear_text: bool = False) -> Value:
    """What a file holds. clear_text: it is secret as it is, and must not be shared."""
    path = base / from_user(text)
    if not os.path.exists(path):
        raise Unreadable(f"{what}: there is no {plain(path)}", _MEND)
    if clear_text:
        must_not_be_shared(path, what)
    try:
        # Links are followed: what a secret store lays out is often one.
        return Value(plain_file.content(Path(os.path.realpath(path)), at_most))
    except OSError as error:
        why = plain(error.strerror or error)
        raise Unreadable(
            f"{what}: {plain(path)} cannot be read: {why}", "Declare a plain file that you may read"
        ) from None


_MEND = "Make the file, or correct the path; it starts from the folder of the settings"


def _command(words: Sequence[str], base: Path, at_most: int) -> Value:
    try:
        return printed(words, base, at_most)
    except FileNotFoundError:
        home = " (no shell puts a home in the place of ~)" if words[0].startswith("~") else ""
        raise Unreadable(
            f"there is no program {quoted(words[0])} on this computer{home}",
            "Install it, or correct the command",
        ) from None


def _variable(declared: Secret | Config, base: Path) -> Value:
    what = _what(declared)
    if declared.env in os.environ:
        return Value(os.fsencode(os.environ[declared.env]))
    path = base / ".env"
    value, problem = _line(declared.env, path)
    if problem:
        raise Unreadable(f"{what}: {problem.field} {problem.reason}", plain(problem.instead))
    if value is None:
        raise Unreadable(
            f"{what}: the variable is set neither in the environment nor in {plain(path)}",
            f"Set it: `export {quoted(declared.env)}=…`, or a line in that file",
        )
    if declared.kind == "secret":
        must_not_be_shared(path, f"{what}: {plain(path)}")
    return value


def _line(name: str, path: Path) -> tuple[Value | None, Problem | None]:
    """The value of a variable in `.env`, as it is written; or the first line that is wrong."""
    lines, problems = dotenv(path, interpolate=False)
    value = Value(lines[name].encode()) if name in lines else None
    return value, next(iter(problems), None)


def _age(source: Age, base: Path, what: str) -> Value:
    if not age_encryption.available():
        raise Unreadable(
            f"{what}: pyrage, which decrypts it, is not installed",
            age_encryption.install("secrets"),
        )
    encrypted = _content(source.file, base, what, _LARGEST_FILE)
    which = f"age.identity = {setting(source.identity)}"
    identity = _content(source.identity, base, which, _LARGEST_FILE, clear_text=True)
    try:
        return Value(age_encryption.decrypt(encrypted.data, identity.data, lambda: None))
    except NotOpened as error:
        raise Unreadable(
            f"{what}: {error}",
            f"Encrypt it again to the key that {which} belongs to, or name another identity; one "
            "without a passphrase",
        ) from None


def _sops(source: Sops, base: Path, what: str, at_most: int) -> Value:
    path = base / from_user(source.file)
    if not os.path.isfile(path):
        raise Unreadable(f"{what}: there is no file {plain(path)}", _MEND)
    extract = ["--extract", sops_path(source.key)] if source.key else []
    try:
        found = printed(["sops", "--decrypt", *extract, str(path)], base, at_most)
    except FileNotFoundError:
        raise Unreadable(
            f"{what}: there is no program sops on this computer, which decrypts it",
            "Install it (https://github.com/getsops/sops/releases)",
        ) from None
    # It prints texts as they are, and a line end behind a number.
    number = source.key and re.fullmatch(rb"(-?[0-9][0-9.e+-]*|true|false)\n", found.data)
    return Value(found.data[:-1]) if number else found
