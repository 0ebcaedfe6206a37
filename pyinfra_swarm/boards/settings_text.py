"""``cluster.toml`` for boards that were found: the example, with their names and addresses."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count
from types import MappingProxyType

from pydantic import TypeAdapter, ValidationError

from pyinfra_swarm.boards.board import Board
from pyinfra_swarm.run.printable import plain, quoted
from pyinfra_swarm.settings.values.names import HostName

_NAME: TypeAdapter[str] = TypeAdapter(HostName)
_HEAD = "# Copy this file to cluster.toml, fill in your addresses, and run"
_HOSTS = re.compile(r"^\[\[hosts\]\]\n.*?(?=^# --- How we log in)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Entry:
    """A host to be declared."""

    name: str
    address: str
    role: str


def entries(
    boards: Sequence[Board],
    managers: int | None = None,
    there: Mapping[str, str] = MappingProxyType({}),
) -> list[Entry]:
    """The hosts to be declared: those that come first are managers.

    managers: how many; by default as many as tolerate a loss: one of up to two hosts, three of up
    to six, five of more. A name is the board's own where it has a usable one that no other has.
    there: what the settings call each host already, by its address; no other is called so.
    """
    many = _managers(len(boards)) if managers is None else managers
    own = [one.hostname.lower() for one in boards]
    called = {*there.values()}
    names = [
        there.get(one.login.address)
        or (name if own.count(name) == 1 and _is_a_name(name) and name not in called else "")
        for name, one in zip(own, boards, strict=True)
    ]
    found = []
    for at, one in enumerate(boards):
        role = "manager" if at < many else "worker"
        names[at] = names[at] or _free(at + 1, {*names, *called})
        found.append(Entry(names[at], one.login.address, role))
    return found


def names_given(boards: Sequence[Board], declared: Sequence[Entry]) -> list[str]:
    """What is said of boards whose names are not their own, each declared as the entry says.

    Nothing of those that share a hostname: each of these needs another one.
    """
    found = []
    for one, entry in zip(boards, declared, strict=True):
        written = f'cluster.toml calls it "{entry.name}"'
        if not one.hostname:
            found.append(f"{entry.address} could not be asked for its name: {written} for now.")
        elif not _is_a_name(one.hostname.lower()):
            found.append(
                f'{entry.address} calls itself "{plain(one.hostname)}", which no node can be '
                f"called: {written}. Rename the host: "
                f"`sudo hostnamectl set-hostname {quoted(entry.name)}`"
            )
    return found


def names_declared(settings: str) -> dict[str, str]:
    """What the settings call each host, by its address; nothing where they cannot be read."""
    try:
        hosts = tomllib.loads(settings).get("hosts", [])
        names = {str(one["address"]): str(one["name"]) for one in hosts}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}  # every other command says what is wrong with the file
    return {address: name for address, name in names.items() if _is_a_name(name)}


def other_names(declared: Mapping[str, str], boards: Sequence[Board]) -> list[str]:
    """What is said of boards that the settings call otherwise than they call themselves.

    Nothing of those that share a hostname: each of these needs another one. declared: what the
    settings call each host, by its address.
    """
    own = [one.hostname for one in boards]
    return [
        f'It calls {one.login.address} "{plain(name)}", and that host calls itself '
        f'"{one.hostname}": write name = "{one.hostname}" there, unless you rename the host.'
        for one in boards
        if (name := declared.get(one.login.address))
        and name != one.hostname
        and own.count(one.hostname) == 1
        and _is_a_name(one.hostname)
    ]


def _is_a_name(text: str) -> bool:
    try:
        return _NAME.validate_python(text) == text
    except ValidationError:
        return False


def _managers(hosts: int) -> int:
    if hosts < 3:
        return 1
    return 3 if hosts < 7 else 5


def _free(number: int, taken: Collection[str]) -> str:
    """A name that is not taken: ``node`` and the number, else ``board`` and the next that is."""
    names = chain([f"node{number}"], (f"board{more}" for more in count(number)))
    return next(name for name in names if name not in taken)


def unfilled(example: str) -> str:
    """The example as settings whose hosts are still to be written."""
    assert _HEAD in example
    return example.replace(_HEAD, "# Laid by pyinfra-swarm init. Write your hosts into it, and run")


def settings_text(
    example: str, hosts: Sequence[Entry], *, user: str, port: int = 22, key: str = ""
) -> str:
    """The example as the settings of these hosts."""
    assert _HEAD in example
    text = example.replace(_HEAD, "# Written by pyinfra-swarm init. Look at the roles, then run")
    first, *more = [_host(entry) for entry in hosts]
    optional = _optional(example)
    text, many = _HOSTS.subn(lambda _: "\n".join([first.rstrip() + optional, *more, ""]), text)
    assert many == 1
    text = _set(text, "user", user)
    if port != 22:
        text = _set(text, "port", port)
    return _set(text, "key", key) if key else text


def _host(entry: Entry) -> str:
    return (
        f"[[hosts]]\nname = {_toml(entry.name)}\naddress = {_toml(entry.address)}\n"
        f"role = {_toml(entry.role)}\n"
    )


def _optional(example: str) -> str:
    """The example's lines for what a host can have besides, each as a comment."""
    block = _HOSTS.search(example)
    assert block
    first = block[0].split("\n\n")[0]
    return "".join(f"\n{line}" for line in first.splitlines() if line.startswith("#")) + "\n"


def _set(text: str, key: str, value: str | int) -> str:
    """The text with a key of ``[ssh]`` set, whether it stood there as a comment or not."""
    head, section, rest = text.partition("[ssh]\n")
    made, many = re.subn(
        rf'^#?({key} = )("[^"]*"|\d+)',
        lambda m: m[1] + _toml(value),
        rest,
        count=1,
        flags=re.M,
    )
    assert many == 1
    return head + section + made


def _toml(value: str | int) -> str:
    """A value as TOML has it.

    JSON has the same, but for pairs of surrogates, which TOML forbids, and DEL, which it wants
    escaped.
    """
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
