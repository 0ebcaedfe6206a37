"""What a host says about its SSH server."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

from pyinfra_swarm.rollback.plan import UNCONFIRMED
from pyinfra_swarm.run.answer import Sections
from pyinfra_swarm.run.fact import SubjectFact, user_names
from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.run.units import UNITS, parse_units
from pyinfra_swarm.ssh.algorithms import ASKED
from pyinfra_swarm.ssh.sshd import (
    ACCESS_RULES,
    CONFIG,
    DROP_IN,
    DROP_INS,
    KEYWORDS,
    OTHER_WAYS,
    Line,
    Sshd,
)

_RELEVANT = "|".join(["include", "match", *KEYWORDS, *ACCESS_RULES])


class Effective(SubjectFact[Sshd]):
    """The configuration sshd really has, and whether the running one has read it.

    + users: more user names to ask for, separated by commas (root and the run's own always are)

    Without a ``Match`` block, whom one asks for makes no difference, so sshd is asked once.

    Returns :class:`ssh.sshd.Sshd`:

    .. code:: python

        {
            "installed": True,
            "login_user": "ubuntu",
            "effective": {"root": {"passwordauthentication": "no", "usepam": "no", …}, …},
            "drop_in": "PubkeyAuthentication yes\\n…",
            "service": "active",
            "socket": "active",
            "known": {"kex": ["curve25519-sha256", …], …},
            "host_keys": ["ssh-ed25519 AAAA…", …],
            …
        }

    A host without sshd answers ``installed: False``.

    When the files were last read is the time of ``ssh.service``'s last change of state: a reload
    moves it, while the start time stays.
    """

    def script(self, users: str = "") -> str:
        return program(
            __file__,
            "sshd.sh",
            using=[UNITS, UNCONFIRMED],
            users=user_names(users),
            relevant=_RELEVANT,
            config=CONFIG,
            drop_ins=DROP_INS,
            drop_in=DROP_IN,
            lists=" ".join(dict.fromkeys(ASKED.values())),
        )

    def parse(self, said: Sections) -> Sshd:
        return parse(said)


def parse(found: Sections) -> Sshd:
    """Turn the script's output into the fact's value."""
    login = "".join(found["login"])
    if "absent" in found:
        return Sshd(installed=False, login_user=login)
    units = parse_units(found["units"])
    service, socket = units.get("ssh.service", {}), units.get("ssh.socket", {})
    drop_in = found["drop-in"]
    effective, problem = _effective(found)
    return Sshd(
        installed=True,
        login_user=login,
        login_groups=tuple(" ".join(found.get("groups", [])).split()),
        login_from="".join(found.get("login-from", [])).partition("%")[0],
        effective=effective,
        problem=problem,
        drop_in="\n".join([*drop_in, ""]) if drop_in else None,
        lines=tuple(_line(line) for line in found["lines"]),
        service=service.get("ActiveState", ""),
        socket=socket.get("ActiveState", ""),
        files_changed=_newest(found["times"]),
        files_read=_seconds(service.get("StateChangeTimestamp", "")),
        unconfirmed="unconfirmed" in found,
        known={
            name: tuple(found.get(f"known {name}", ())) for name in dict.fromkeys(ASKED.values())
        },
        host_keys=tuple(
            " ".join(words[:2])
            for words in map(str.split, found.get("host-keys", []))
            if len(words) > 1
        ),
    )


def _effective(found: dict[str, list[str]]) -> tuple[dict[str, dict[str, str]], str]:
    effective: dict[str, dict[str, str]] = {}
    first: dict[str, str] = {}
    for name, lines in found.items():
        if not name.startswith("user "):
            continue
        if lines == ["as-first"]:
            effective[name[5:]] = first
            continue
        if lines and lines[-1].startswith("exit status "):
            return {}, " / ".join(lines[:-1])
        effective[name[5:]] = _keywords(lines)
        first = first or effective[name[5:]]
    return effective, ""


def _keywords(lines: Sequence[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for line in lines:
        keyword, _, value = line.partition(" ")
        if keyword in KEYWORDS or keyword in ACCESS_RULES or keyword in OTHER_WAYS:
            values[keyword] = f"{values[keyword]} {value}" if keyword in values else value
    return values


def _line(text: str) -> Line:
    file, number, rest = text.split(":", 2)
    return Line(file=file, number=int(number), text=rest.strip())


def _newest(lines: Sequence[str]) -> float:
    """The newest time that is not in the future, which only a clock set back can make."""
    times: dict[str, float] = {}
    for line in lines:
        day, time, zone, name = line.split(" ", 3)
        times[name] = datetime.fromisoformat(f"{day} {time}{zone}").timestamp()
    now = max((time for name, time in times.items() if name.startswith("/proc/")), default=math.inf)
    return max((t for name, t in times.items() if name.startswith("/etc/") and t <= now), default=0)


def _seconds(timestamp: str) -> float:
    """``Mon 2026-11-23 23:25:00.123456 UTC`` as seconds since 1970; 0 for ``n/a`` and nothing."""
    words = timestamp.split()
    if len(words) != 4:
        return 0.0
    layout = "%Y-%m-%d %H:%M:%S.%f" if "." in words[2] else "%Y-%m-%d %H:%M:%S"
    return datetime.strptime(f"{words[1]} {words[2]}", layout).replace(tzinfo=UTC).timestamp()
