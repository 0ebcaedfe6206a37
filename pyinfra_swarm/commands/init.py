"""``pyinfra-swarm init``: a project, and the settings of boards that were looked at."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pyinfra_swarm.boards.board import Board, Need

SSH_PORT = 22

NOT_READY = 2
"""Exit code: the project is there, and a board still needs something."""


@click.command(
    "init",
    short_help="make a project, or update one after an upgrade",
    help="""Make a project in FOLDER, or update one after an upgrade.

    It lays the files that pyinfra reads, and updates those that you have not changed. It overwrites
    nothing of yours. FOLDER is made if it does not exist (default: this folder, if it is a project
    or empty).

    With --hosts or --find it looks at your boards, says what each still needs and the lines that do
    it, and writes them into cluster.toml, unless there is one: then it only looks. At a terminal it
    asks for them.
    """,
    epilog="""Exit codes: 0 done; 2 done, and a board still needs something; 1 the folder cannot be
used.""",
)
@click.argument("folders", nargs=-1, metavar="[FOLDER]")
@click.option("--hosts", metavar="ADDRESSES", help="of your boards, with commas between")
@click.option("--find", metavar="NETWORK", help="take those that answer SSH there: 192.168.1.0/24")
@click.option("--user", metavar="NAME", help="who logs in (default: ubuntu)")
@click.option("--port", type=click.IntRange(1, 65535), metavar="N", help="of SSH (default: 22)")
@click.option("--key", metavar="FILE", type=click.Path(), help="the private key to log in with")
@click.option(
    "--managers", type=click.IntRange(1), metavar="N", help="how many of them are managers"
)
def command(
    folders: tuple[str, ...],
    hosts: str | None,
    find: str | None,
    user: str | None,
    port: int | None,
    key: str | None,
    managers: int | None,
) -> int:
    from pyinfra_swarm.boards import new_project
    from pyinfra_swarm.boards.asked_for import key_path, slips
    from pyinfra_swarm.boards.board import met_again, needs_together, ready
    from pyinfra_swarm.boards.settings_text import (
        entries,
        names_declared,
        names_given,
        other_names,
        settings_text,
    )
    from pyinfra_swarm.settings.paths import from_user

    folder = _one_folder(folders, hosts)
    place = from_user(folder).absolute() if folder else Path.cwd()
    try:
        if folder is None:
            new_project.refuse_other_contents(place)
        if hosts is None and find is None and _may_ask(place):
            hosts = _asked("Addresses of your boards, or a network to find them in", "")
            if "/" in hosts:
                hosts, find = "", hosts
        if not hosts and not find:
            _refuse_alone({"user": user, "port": port, "key": key, "managers": managers})
            print(new_project.lay(place))
            return 0
        port = port or SSH_PORT
        user = user or (_asked("Who logs in there", "ubuntu") if _is_terminal() else "ubuntu")
        addresses, key = _addresses(hosts, find, port), key_path(key or "")
        if wrong := slips(addresses, user, key, managers):
            raise click.UsageError("\n".join(wrong))
        boards = _look(addresses, user, port, key)
        again = met_again(boards)
        for one, first in again:
            print(
                f"{one.login.address} is the board at {first.login.address}, which has both "
                "addresses: it is left out."
            )
        boards = [one for one in boards if one not in [left_out for left_out, _ in again]]
        written, there = new_project.has_settings(place), dict[str, str]()
        with suppress(OSError, ValueError):  # every other command says what is wrong with it
            there = names_declared((place / new_project.SETTINGS).read_text(encoding="utf-8"))
        declared = entries(boards, managers, there)
        needed = needs_together(boards, [entry.name for entry in declared])
        _tell(boards, needed)
        text = ""
        if not written:
            example = new_project.template()[new_project.EXAMPLE]
            text = settings_text(example, declared, user=user, port=port, key=key)
            for line in names_given(boards, declared):
                print(line)
        if not ready(needed):
            print(
                "First: what the boards need, above; then the same command again, which looks "
                "again."
            )
        if text or not new_project.is_a_clone(place):
            print(new_project.lay(place, text))
        if written:
            print(f"{place / new_project.SETTINGS} is there already, and was left as it is.")
            for line in other_names(there, boards):
                print(line)
    except new_project.Unusable as error:
        raise click.ClickException(str(error)) from error
    return 0 if ready(needed) else NOT_READY


def _one_folder(words: Sequence[str], hosts: str | None) -> str | None:
    """The folder that is named, if any. Raises ``click.UsageError`` for what is none."""
    if addresses := [word for word in words if re.fullmatch(r"\d+(\.\d+){3},?", word)]:
        named = ",".join(word.strip(",") for word in [*filter(None, [hosts]), *addresses])
        raise click.UsageError(
            f"{addresses[0]}: is an address, where the folder belongs\n"
            f"    instead: --hosts {named}, with commas between"
        )
    if len(words) > 1:
        raise click.UsageError(
            f"{words[1]}: is a second folder\n    instead: one folder, or none for this one"
        )
    return words[0] if words else None


def _refuse_alone(given: Mapping[str, str | int | None]) -> None:
    """Raises ``click.UsageError`` for options about boards where no board is named."""
    options = [f"--{name}" for name, value in given.items() if value is not None]
    if options:
        raise click.UsageError(
            f"{', '.join(options)}: no board is named that this could be about\n"
            "    instead: with --hosts ADDRESSES, or --find NETWORK; or leave it out, and write it "
            "into cluster.toml"
        )


def _may_ask(place: Path) -> bool:
    """Whether there is somebody to ask, and settings to be written."""
    from pyinfra_swarm.boards.new_project import RECORD, SETTINGS

    new = not (place / RECORD).exists() and not (place / SETTINGS).exists()
    return new and _is_terminal()


def _is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _asked(question: str, default: str) -> str:
    hint = default or "Enter: write them into cluster.toml yourself"
    answer: str = click.prompt(f"{question} ({hint})", default=default, show_default=False)
    return answer.strip()


def _addresses(hosts: str | None, find: str | None, port: int) -> list[str]:
    from pyinfra_swarm.boards.asking import answering

    named = (hosts or "").replace(",", " ").split()
    if not find:
        return named
    network = _network(find)
    many = network.num_addresses
    what = "1 address" if many == 1 else f"{many} addresses"
    print(f"Looking for SSH at {what} of {network} …", flush=True)
    found = answering(network, port)
    if not found:
        raise click.ClickException(
            f"nothing in {network} answers SSH at port {port}\n"
            "    instead: switch the boards on, or name them: --hosts ADDRESS,ADDRESS"
        )
    return [*named, *(address for address in found if address not in named)]


def _network(text: str) -> IPv4Network:
    from pyinfra_swarm.boards.asking import LARGEST
    from pyinfra_swarm.settings.values.addresses import prefix_of_a_network

    try:
        network = IPv4Network(text, strict=False)
    except ValueError:
        raise click.UsageError(
            f"--find {text}: is not a network\n    instead: one such as 192.168.1.0/24"
        ) from None
    if "/" not in text and (prefix := prefix_of_a_network(network.network_address)):
        raise click.UsageError(
            f"--find {text}: is the first address of a network, without the prefix length\n"
            f"    instead: --find {text}/{prefix}"
        )
    if network.prefixlen < LARGEST:
        raise click.UsageError(
            f"--find {text}: is too large to be searched\n    instead: a part of it, /{LARGEST} "
            "or smaller"
        )
    return network


def _look(addresses: Sequence[str], user: str, port: int, key: str) -> list[Board]:
    from pyinfra_swarm.boards.asking import look
    from pyinfra_swarm.boards.board import Login

    return look([Login(address, user, port, key) for address in addresses])


def _tell(boards: Sequence[Board], needed: Sequence[Sequence[Need]]) -> None:
    """Each board, with what it still needs."""
    for one, needs in zip(boards, needed, strict=True):
        print(_headline(one, must=any(need.must for need in needs)))
        for need in needs:
            print(f"  {'needs' if need.must else 'note'}: {need.what}")
            for line in need.lines:
                print(f"      {line}")


def _headline(seen: Board, *, must: bool) -> str:
    what = ", ".join(
        filter(None, (seen.hostname, f"{seen.distribution} {seen.version}".strip(), seen.machine))
    )
    return f"{seen.login.address}  {what or 'no login'}{'' if must else ': ready'}"
