"""A board before its first run: what is known of it, and what it still needs."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pyinfra_swarm.preflight.cluster import NEW_MACHINE_ID
from pyinfra_swarm.preflight.plan import SUPPORTED
from pyinfra_swarm.run.wording import listed


@dataclass(frozen=True)
class Login:
    """How a board is reached. key: path of the private one; "" where SSH finds it itself."""

    address: str
    user: str
    port: int = 22
    key: str = ""

    def command(self, *words: str, program: str = "ssh", terminal: bool = False) -> str:
        """A command line to type, as ``ssh -i KEY ada@192.168.1.11``.

        terminal: the command there may ask something.
        """
        options = ["-t"] if terminal else []
        if self.port != 22:
            options += ["-p", str(self.port)]
        if self.key:
            key = self.key + (".pub" if program == "ssh-copy-id" else "")
            options += ["-i", key]
        return shlex.join([program, *options, f"{self.user}@{self.address}", *words])


@dataclass(frozen=True)
class Board:
    """A board, as it has answered.

    problem: ssh's own words where nobody was let in; "" where somebody was.
    sudo: "" where sudo asks for no password, else its words. dynamic: its address is lent by a DHCP
    server; ``None`` where it does not say. identity: the machine id. boot: the kernel's number of
    this boot, another one each time and on each machine.
    """

    login: Login
    problem: str = ""
    hostname: str = ""
    distribution: str = ""
    version: str = ""
    machine: str = ""
    sudo: str = ""
    dynamic: bool | None = None
    identity: str = ""
    boot: str = ""


@dataclass(frozen=True)
class Need:
    """What a board still needs. lines: to be typed, or read.

    must: without it a run cannot work; else it is only advice.
    """

    what: str
    lines: tuple[str, ...] = ()
    must: bool = True


def board(login: Login, status: int, output: str, words: str) -> Board:
    """What ``ssh`` has said: its exit status, the program's output, and its own words."""
    if status != 0:
        return Board(login, problem=words.strip() or f"ssh ended with status {status}")
    said: dict[str, list[str]] = {}
    for line in output.splitlines():
        name, _, rest = line.partition(" ")
        said.setdefault(name, []).append(rest.strip())
    release = dict(one.partition("=")[::2] for one in said.get("release", []))
    sudo = said.get("sudo", ["no"])[0]
    address = said.get("address", [""])[0]
    return Board(
        login,
        hostname=said.get("hostname", [""])[0],
        distribution=release.get("ID", "").strip("\"'"),
        version=release.get("VERSION_ID", "").strip("\"'"),
        machine=said.get("machine", [""])[0],
        sudo="" if sudo == "yes" else sudo.removeprefix("no").strip() or "sudo asks for a password",
        dynamic={"dynamic": True, "fixed": False}.get(address),
        identity=said.get("id", [""])[0],
        boot=said.get("boot", [""])[0],
    )


MACHINES = ("aarch64", "x86_64")


def needs(seen: Board) -> list[Need]:
    """What a board still needs before a run; empty where it is ready."""
    if seen.problem:
        return [_login(seen)]
    return [*_system(seen), *_sudo(seen), *_address(seen)]


def _login(seen: Board) -> Need:
    words, login = seen.problem, seen.login
    if re.search(r"password.{0,20}(expired|change)|change your password", words, re.I | re.S):
        return Need(
            "its password has to be changed before anything else works",
            (f"{login.command()}    # asks for the old one, then for a new one",),
        )
    if "HOST IDENTIFICATION HAS CHANGED" in words or "Host key verification failed" in words:
        place = login.address if login.port == 22 else f"[{login.address}]:{login.port}"
        return Need(
            "it has another host key than this computer knows: it was flashed anew, or it is "
            "another machine",
            (f"ssh-keygen -R {shlex.quote(place)}",),
        )
    if "Permission denied" in words or "Too many authentication failures" in words:
        return Need(
            f"it does not take your key for {login.user}",
            (
                f"{login.command()}    # a fresh image may ask for a new password first",
                f"{login.command(program='ssh-copy-id')}    # no key yet? ssh-keygen -t ed25519",
            ),
        )
    if "Could not resolve" in words:
        return Need(f"{login.address} is not found: {_last(words)}", ("give its IPv4 address",))
    return Need(
        f"it does not answer SSH: {_last(words)}",
        ("is it switched on, on this network, and does sshd run there?",),
    )


def _last(words: str) -> str:
    return words.strip().splitlines()[-1]


def _system(seen: Board) -> Iterator[Need]:
    system = f"{seen.distribution} {seen.version}".strip()
    if seen.version not in SUPPORTED.get(seen.distribution, ()):
        known = [f"{name} {version}" for name, many in SUPPORTED.items() for version in many]
        yield Need(f"it runs {system or 'an unknown system'}", (f"flash {listed(known, 'or')}",))
    if seen.machine not in MACHINES:
        yield Need(f"its processor is {seen.machine or 'unknown'}", (f"{listed(MACHINES, 'or')}",))


def _sudo(seen: Board) -> Iterator[Need]:
    if not seen.sudo:
        return
    user = seen.login.user
    rule = f"echo '{user} ALL=(ALL) NOPASSWD: ALL' | sudo tee /etc/sudoers.d/{user}"
    target = seen.login.command().split(" ", 1)[1]
    yield Need(
        f"sudo asks {user} for a password",
        (f'ssh -t {target} "{rule}"',),
    )


def _address(seen: Board) -> Iterator[Need]:
    if seen.dynamic:
        yield Need(
            f"its address {seen.login.address} is lent by a DHCP server, and must never change",
            ("reserve it in your router, or give the board a fixed one",),
            must=False,
        )


def met_again(seen: Sequence[Board]) -> list[tuple[Board, Board]]:
    """Boards that were met before at another of their addresses, each with what it was there."""
    met: dict[tuple[str, str], Board] = {}
    again = []
    for one in seen:
        # Copies of an image share the machine id, and containers the boot.
        if one.identity and one.boot:
            first = met.setdefault((one.identity, one.boot), one)
            if first is not one:
                again.append((one, first))
    return again


def needs_together(seen: Sequence[Board], names: Sequence[str]) -> list[list[Need]]:
    """What each board still needs, among the others: copies of one image are not told apart.

    names: what each is declared as.
    """
    found = [needs(one) for one in seen]
    for at, one in enumerate(seen):
        if one.hostname and _first(seen, "hostname", at, again=True) is not None:
            renamed = f"sudo hostnamectl set-hostname {names[at]}"
            what = f"another board has its hostname, {one.hostname}, too"
            found[at].append(Need(what, (one.login.command(renamed, terminal=True),)))
        first = _first(seen, "identity", at)
        if one.identity and first is not None:
            what = f"it has the machine id of {seen[first].login.address}, as copies of an image do"
            found[at].append(Need(what, (one.login.command(NEW_MACHINE_ID, terminal=True),)))
    return found


def _first(seen: Sequence[Board], what: str, at: int, *, again: bool = False) -> int | None:
    """The first other board that says the same; of those before it, or with again: of all."""
    others = range(len(seen) if again else at)
    same = (n for n in others if n != at and getattr(seen[n], what) == getattr(seen[at], what))
    return next(same, None)


def ready(needed: Sequence[Sequence[Need]]) -> bool:
    """Whether a run can work on all of them."""
    return not any(need.must for some in needed for need in some)
