"""Which line of sshd's files wins: sshd takes the first value it reads, a Match block before all.

sshd reads its drop-ins in the order of their names, where its configuration includes them. So
cloud-init's file, which comes after the managed one, overrides nothing; that passwords are on all
the same is seen in what sshd reports (:mod:`ssh.plan`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from ipaddress import ip_address, ip_network

from pyinfra_swarm.ssh.sshd import CONFIG, DROP_IN, DROP_INS, Line, Sshd, Wanted


def overriding(
    wanted: Wanted,
    seen: Sshd,
    keyword: str,
    expected: str,
    *,
    certain: bool,
    in_match: bool = False,
) -> list[Line]:
    """The lines that override the managed drop-in, in the order in which sshd reads them.

    certain: only those that are sure to: before the drop-in, or in a Match block that names a
    user who has to get in. (Match criteria such as addresses and groups are left to sshd.)
    in_match: only those in Match blocks.
    """
    found: list[Line] = []
    match: Line | None = None
    file = ""
    drop_in_read = False
    for line in _reading_order(seen.lines):
        if line.file != file:
            file, match = line.file, None
        if file > DROP_IN or (line.keyword == "include" and DROP_INS in line.value):
            drop_in_read = True
        if line.file == DROP_IN:
            continue
        if line.keyword == "match":
            match = line
        elif line.keyword == keyword and not same(keyword, line.value.lower(), expected):
            if match is None and not drop_in_read and not in_match:
                found.append(line)
            elif match is not None:
                users = ("root", seen.login_user, *wanted.users)
                if not certain or any(_matches_user(match, user) for user in users):
                    found.append(line)
    return found


def _reading_order(lines: Sequence[Line]) -> list[Line]:
    """Drop-ins where they are included; sshd sorts them by name."""
    main = [line for line in lines if line.file == CONFIG]
    others = sorted(
        (line for line in lines if line.file != CONFIG), key=lambda line: (line.file, line.number)
    )
    at = next(
        (
            index
            for index, line in enumerate(main)
            if line.keyword == "include" and DROP_INS in line.value
        ),
        0,
    )
    return [*main[:at], *others, *main[at:]]


def _matches_user(match: Line, user: str) -> bool:
    """The block is sure to apply to a user: ``Match all``, or ``Match User …`` and nothing else."""
    words = match.value.split()
    if [word.lower() for word in words] == ["all"]:
        return True
    return len(words) == 2 and words[0].lower() == "user" and matches(user, words[1].split(","))


def matches(name: str, patterns: Sequence[str]) -> bool:
    """A pattern list of Match blocks: any pattern matches, and none that begins with ``!``."""
    return bool(_any((one, _is_like(name, one.removeprefix("!"))) for one in patterns))


def is_named(name: str, patterns: Sequence[str]) -> bool:
    """sshd's patterns of AllowGroups and DenyGroups: any of them matches.

    There a ``!`` is an ordinary character: nothing is taken out again (OpenSSH, ``ga_match``).
    """
    return any(_is_like(name, pattern) for pattern in patterns)


def matches_login(user: str, address: str, patterns: Sequence[str]) -> bool | None:
    """sshd's patterns of AllowUsers and DenyUsers, ``USER`` or ``USER@HOST``: any of them matches.

    A ``!`` takes something out of a list of hosts; before a user's name it is an ordinary character
    (OpenSSH, ``allowed_user`` and ``match_user``).

    address: where the login comes from; empty where that is not known. ``None`` where the patterns
    do not decide it without that, or by the name that sshd finds for the address.
    """
    found: list[bool | None] = []
    for pattern in patterns:
        name, at, host = pattern.rpartition("@")
        if _is_like(user, name if at else pattern):
            found.append(_comes_from(address, host) if at else True)
    return True if True in found else None if None in found else False


def _comes_from(address: str, hosts: str) -> bool | None:
    if hosts == "*":
        return True
    return _any((one, _is_at(address, one.removeprefix("!"))) for one in hosts.split(","))


def _is_at(address: str, pattern: str) -> bool | None:
    if not address:
        return None
    if "/" in pattern:
        try:
            return ip_address(address) in ip_network(pattern, strict=False)
        except ValueError:
            return None
    digits = "0123456789.*?" if ":" not in pattern else "0123456789abcdef.:*?"
    if set(pattern.lower()) <= set(digits):
        return _is_like(address.lower(), pattern.lower())
    return None  # by name


def _is_like(name: str, pattern: str) -> bool:
    """Whether one pattern matches: ``*`` and ``?`` are all that is special in it."""
    return fnmatchcase(name, pattern.replace("[", "[[]"))


def _any(found: Iterable[tuple[str, bool | None]]) -> bool | None:
    """Whether any pattern matches, and none that begins with ``!``; ``None`` for undecided."""
    answers = list(found)
    against = [each for pattern, each in answers if pattern.startswith("!")]
    if True in against:
        return False
    given = [each for pattern, each in answers if not pattern.startswith("!")]
    if None in against:
        return None if True in given or None in given else False
    return True if True in given else None if None in given else False


def same(keyword: str, found: str, expected: str) -> bool:
    """Whether two values of a keyword mean the same; the order of users does not matter.

    What sshd prints of penalties is how long each is, unless there are none.
    """
    if keyword == "persourcepenalties":
        return (found not in ("", "no")) == (expected != "no")
    if keyword == "allowusers":
        return sorted(set(found.split())) == sorted(set(expected.split()))
    return found == expected
