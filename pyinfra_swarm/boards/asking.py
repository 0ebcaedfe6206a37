"""Looking at boards that are not declared yet: who answers SSH in a network, and what each is."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from ipaddress import IPv4Network

from pyinfra_swarm.boards.board import Board, Login, board
from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.run.printable import plain_lines

LARGEST = 22
"""The shortest prefix of a network that is searched: 1022 addresses."""

_AT_ONCE, _PATIENCE = 64, 2.0
_OPTIONS = (
    *("-o", "BatchMode=yes"),
    *("-o", "ConnectTimeout=10"),
    *("-o", "StrictHostKeyChecking=accept-new"),
)


def answering(network: IPv4Network, port: int = 22) -> list[str]:
    """The addresses of a network at which an SSH server answers, in their order."""
    addresses = [str(address) for address in network.hosts()]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        answers = pool.map(lambda address: _is_ssh(address, port), addresses)
        return [address for address, yes in zip(addresses, answers, strict=True) if yes]


def _is_ssh(address: str, port: int) -> bool:
    with (
        suppress(OSError),
        socket.create_connection((address, port), timeout=_PATIENCE) as connection,
    ):
        connection.settimeout(_PATIENCE)
        return connection.recv(4) == b"SSH-"
    return False


def look(logins: Sequence[Login]) -> list[Board]:
    """What each board is, all of them asked at once."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(_look, logins))


def _look(login: Login) -> Board:
    options = [*_OPTIONS, "-p", str(login.port), *(["-i", login.key] if login.key else [])]
    try:
        done = subprocess.run(
            ["ssh", *options, f"{login.user}@{login.address}", "sh"],
            input=program(__file__, "look.sh", reached=login.address),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=60,
            check=False,
        )
    except FileNotFoundError:
        return Board(login, problem="there is no program ssh here: install openssh-client")
    except subprocess.TimeoutExpired:
        return Board(login, problem="it did not answer for 60 seconds")
    output, words = plain_lines(done.stdout), plain_lines(done.stderr)
    return board(login, done.returncode, output, words)
