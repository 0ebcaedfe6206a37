"""What ``init`` is asked for, judged before a board is looked at: what the settings refuse, too."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from pyinfra_swarm.run.printable import quoted
from pyinfra_swarm.run.wording import counted
from pyinfra_swarm.settings import values
from pyinfra_swarm.settings.paths import from_user

_ADDRESS: TypeAdapter[str] = TypeAdapter(values.Address)
_LOGIN: TypeAdapter[str] = TypeAdapter(values.Login)
_KEY: TypeAdapter[str] = TypeAdapter(values.KeyPath)


def key_path(given: str) -> str:
    """A path of the command line as the settings take it: the same from every folder."""
    return given if not given or given.startswith(("/", "~")) else str(Path(given).absolute())


def slips(addresses: Sequence[str], user: str, key: str, managers: int | None) -> list[str]:
    """What of it would make settings that no run can use, each with what to type instead."""
    boards = dict.fromkeys(addresses)
    found = [slip for address in boards for slip in _of_address(address)]
    found += [
        f"--hosts {address}: is named more than once, and would be one board\n"
        "    instead: the address of each board, once"
        for address in boards
        if addresses.count(address) > 1
    ]
    found += _refused("--user", user, _LOGIN)
    found += _refused("--key", key, _KEY)
    if key and not (found or os.path.isfile(from_user(key))):
        found.append(
            f"--key {key}: names no file on this machine\n    instead: the private key that you "
            "log in with; or leave it out, to use your SSH agent and the keys in ~/.ssh"
        )
    if managers is not None and managers > len(boards):
        there = "is" if len(boards) == 1 else "are"
        found.append(
            f"--managers {managers}: there {there} only {counted(len(boards), 'board')}\n"
            "    instead: leave it out, and as many are managers as tolerate a loss"
        )
    return found


def _of_address(given: str) -> Iterator[str]:
    wrong = _refused("--hosts", given, _ADDRESS)
    if wrong and (better := _meant(given)):
        wrong = [f"{wrong[0].partition(chr(10))[0]}\n    instead: {better}"]
    yield from wrong


def _meant(given: str) -> str:
    """What somebody may mean who gives no address; "" where that is not seen."""
    address, _, port = given.partition(":")
    if "/" in given:
        try:
            return f"--find {IPv4Network(given, strict=False)}, which looks for boards there"
        except ValueError:
            return ""
    if port.isdecimal() and not _refused("", address, _ADDRESS):
        return f"--hosts {address} --port {port}"
    if re.fullmatch(r"(?a:\d+\.\d+\.\d+\.\d+-[\d.]+)", given):
        first = given.partition("-")[0]
        return f"each address, with commas between: --hosts {first},…"
    if re.search("[A-Za-z]", given) and ":" not in given:
        return f"its IPv4 address; `getent ahostsv4 {quoted(given)}` may know it"
    return ""


def _refused(option: str, given: str, kind: TypeAdapter[Any]) -> list[str]:
    try:
        kind.validate_python(given)
    except ValidationError as error:
        [first, *_] = error.errors(include_input=False, include_url=False)
        instead = first.get("ctx", {}).get("instead", "")
        return [f"{option} {given}: {first['msg']}\n    instead: {instead}"]
    return []
