"""Who may log in and become root: the declared admins, each with the declared keys."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from pyinfra_swarm.rollback.plan import roll_back_first_finding
from pyinfra_swarm.run.findings import Change, Finding, Notice, Refusal
from pyinfra_swarm.run.observation import Observation
from pyinfra_swarm.run.printable import quoted, setting
from pyinfra_swarm.run.wording import counted

SUDOERS = "/etc/sudoers.d/zz-pyinfra-swarm"
"""Sorts last, since the last rule that matches a user wins; other tools' rules stay."""

FILES = {SUDOERS: "sudo is as it was without it, if the run's user can still use it"}
"""All that this room writes as a whole, and what a reset says of its removal.

Beside it, the room writes the key files of declared admins.
"""

Password = Literal["locked", "star", "none", "set"]
"""The password field: ``!…`` locked, ``*`` no password and not locked, empty, or a password."""


@dataclass(frozen=True)
class Account(Observation):
    """An account that could log in, has keys, or was asked for.

    keys: the lines of ``.ssh/authorized_keys``; more_keys: those of ``authorized_keys2``, which
    sshd reads as well. unread: why what one of them holds is not known, in words (it is a link, a
    directory, larger than is read): who has its keys is not known then.
    """

    name: str
    uid: int
    home: str
    shell: str
    password: Password
    groups: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    more_keys: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def has_keys(self) -> bool:
        return bool(significant(self.keys) or significant(self.more_keys))


def key_files(home: str) -> tuple[str, str]:
    """The files whose keys sshd accepts for a user with this home."""
    return f"{home}/.ssh/authorized_keys", f"{home}/.ssh/authorized_keys2"


@dataclass(frozen=True)
class Accounts(Observation):
    """Everyone who could log in to a host.

    login_user: who the run is logged in as.
    sudoers: the content of the managed sudoers drop-in; None where there is none.
    sudoers_included: sudo reads its drop-ins.
    unconfirmed: an earlier change waits for its confirmation, or to be undone.
    elsewhere: users that were asked for, and that another source than ``/etc/passwd`` knows.
    """

    login_user: str
    accounts: tuple[Account, ...] = ()
    sudoers: str | None = None
    sudoers_included: bool = True
    unconfirmed: bool = False
    elsewhere: tuple[str, ...] = ()

    def account(self, name: str) -> Account | None:
        return next((account for account in self.accounts if account.name == name), None)


@dataclass(frozen=True)
class Declared:
    """A declared admin; no keys: those on the host are kept."""

    name: str
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wanted:
    """What is declared.

    admins: empty where nothing is declared: then no access is managed.
    deny_others: no other user may log in (sshd's ``AllowUsers`` ensures that).
    use_pam: sshd asks PAM; where it does not, it refuses accounts with a locked password.
    """

    admins: tuple[Declared, ...] = ()
    deny_others: bool = False
    use_pam: bool = False

    def admin(self, name: str) -> Declared | None:
        return next((admin for admin in self.admins if admin.name == name), None)

    def sudoers(self) -> str:
        """The content of the managed sudoers drop-in."""
        rules = (f"{admin.name} ALL=(ALL:ALL) NOPASSWD: ALL" for admin in self.admins)
        return "\n".join(["# Written by pyinfra-swarm from access.admins.", *rules, ""])


@dataclass(frozen=True, kw_only=True)
class CreateUser(Change):
    """A user is created, in group ``sudo``, with these keys.

    star: with the password ``*``; else the password is locked.
    """

    user: str
    keys: tuple[str, ...]
    star: bool


@dataclass(frozen=True, kw_only=True)
class JoinSudo(Change):
    """A user becomes a member of group ``sudo``."""

    user: str


@dataclass(frozen=True, kw_only=True)
class WriteKeys(Change):
    """A user's key file gets these lines, and the second key file goes. home: the user's."""

    user: str
    home: str
    keys: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class WriteSudoers(Change):
    """The sudoers drop-in gets this content."""

    content: str


@dataclass(frozen=True, kw_only=True)
class UnlockPassword(Change):
    """A user's locked password becomes ``*``."""

    user: str


def plan(wanted: Wanted, seen: Accounts, used_key: str | None = None) -> list[Finding]:
    """What differs from what is declared.

    used_key: the public half of the key the run has logged in with (``type blob``); None where it
    is not known, for instance when an agent holds it. Then only the new login can tell.
    """
    return [
        *_refusals(wanted, seen, used_key),
        *([roll_back_first_finding()] if seen.unconfirmed else []),
        *(finding for admin in wanted.admins for finding in _admin(admin, wanted, seen)),
        *_sudo(wanted, seen),
        *_locked(wanted, seen),
        *_others(wanted, seen),
    ]


def _refusals(wanted: Wanted, seen: Accounts, used_key: str | None) -> list[Finding]:
    login = seen.login_user
    declared = wanted.admin(login)
    if wanted.deny_others and declared is None:
        return [
            Refusal(
                f"access of {login}",
                'this run is logged in as a user who is not declared, and access.others = "deny" '
                "would lock it out",
                remedy=f"Declare {setting(login)} in access.admins, or set ssh.user to a declared "
                "admin who can log in already",
            )
        ]
    if declared and declared.keys and used_key:
        allowed = {identity(line)[1] for line in declared.keys}
        if used_key not in allowed:
            return [
                Refusal(
                    f"keys of {login}",
                    "the key that this run has logged in with is not declared, so it would be "
                    "removed",
                    expected=used_key,
                    found=counted(len(allowed), "other key"),
                    remedy="Add it to access.admins, or set ssh.key to a declared one that works "
                    "already",
                )
            ]
    return []


def _admin(admin: Declared, wanted: Wanted, seen: Accounts) -> list[Finding]:
    """What one admin lacks."""
    account = seen.account(admin.name)
    if account is None and admin.name in seen.elsewhere:
        return [_not_local(admin)]
    if account is None:
        return _new_user(admin, wanted)
    findings: list[Finding] = []
    if "sudo" not in account.groups and account.uid != 0:
        findings.append(JoinSudo(f"user {admin.name}", "is not in the group sudo", user=admin.name))
    if account.shell.endswith(("/nologin", "/false")):
        findings.append(
            Notice(
                f"user {admin.name}",
                "its shell allows no login",
                found=account.shell,
                remedy=f"On the host: `sudo usermod -s /bin/bash {quoted(admin.name)}`",
            )
        )
    return [*findings, *_keys(admin, account)]


def _new_user(admin: Declared, wanted: Wanted) -> list[Finding]:
    findings: list[Finding] = [
        CreateUser(
            f"user {admin.name}",
            "a declared admin does not exist",
            user=admin.name,
            keys=admin.keys,
            star=not wanted.use_pam,  # useradd locks the password
        )
    ]
    if not admin.keys:
        findings.append(
            Notice(
                f"keys of {admin.name}",
                "none are declared, and a new user has none: it cannot log in",
                remedy="Declare its keys in access.admins",
            )
        )
    return findings


def _not_local(admin: Declared) -> Refusal:
    return Refusal(
        f"user {admin.name}",
        "a declared admin is known to the host, and not by /etc/passwd, so it can neither be "
        "created nor managed here",
        expected="a local user, or none of this name",
        found="a user of another source, such as LDAP",
        remedy="Declare a local user instead (also as ssh.user, if the run logs in so), or no "
        f"access.admins; on the host: `getent passwd {quoted(admin.name)}`",
    )


def _keys(admin: Declared, account: Account) -> list[Finding]:
    """What an existing user's keys lack; one change is enough to write them all."""
    what = f"keys of {admin.name}"
    if account.unread:
        return [_unread(account, declared=bool(admin.keys))]
    if not admin.keys:
        if account.has_keys:
            return []
        return [
            Notice(
                what,
                "none are declared and the host has none: it cannot log in with a key",
                remedy="Declare its keys in access.admins",
            )
        ]
    declared = {identity(line) for line in admin.keys}
    present = {identity(line) for line in significant((*account.keys, *account.more_keys))}
    if present == declared and not significant(account.more_keys):
        return []
    if not _PLAIN_PATH.fullmatch(account.home):
        return [
            Refusal(
                what,
                "its home has a path at which no change could be undone: it has blanks, or "
                "characters that a shell interprets",
                expected="letters, digits, and . _ / @ + -",
                found=account.home,
                remedy=f"Move it (`sudo usermod -m -d {quoted(f'/home/{admin.name}')} "
                f"{quoted(admin.name)}`), or declare no keys for this user",
            )
        ]

    def write(reason: str, expected: str = "", found: str = "") -> WriteKeys:
        return WriteKeys(
            what, reason, expected, found, user=admin.name, home=account.home, keys=admin.keys
        )

    missing, extra = declared - present, present - declared
    findings: list[Finding] = [
        *(write("a declared key is missing", expected=_short(key)) for _, key in sorted(missing)),
        *(
            write("an undeclared key opens this account; it is removed", found=_short(key))
            for _, key in sorted(extra)
        ),
    ]
    return findings or [write("they are spread over two files; one is kept")]


def _sudo(wanted: Wanted, seen: Accounts) -> list[Finding]:
    if not wanted.admins:
        return []
    if not seen.sudoers_included:
        return [
            Refusal(
                "sudo",
                "/etc/sudoers does not read its drop-ins, so the managed one would have no effect",
                expected="@includedir /etc/sudoers.d",
                remedy="Add this line at its end, with visudo",
            )
        ]
    if seen.sudoers == wanted.sudoers():
        return []
    return [
        WriteSudoers(
            f"sudo {SUDOERS}",
            "it does not say that exactly the declared admins may become root without a password",
            expected=", ".join(admin.name for admin in wanted.admins),
            content=wanted.sudoers(),
        )
    ]


def _locked(wanted: Wanted, seen: Accounts) -> list[Finding]:
    if wanted.use_pam:
        return []
    names = {admin.name for admin in wanted.admins} | {seen.login_user}
    return [*unlock(seen, names), *shut_out(seen, names)]


def unlock(seen: Accounts, names: Collection[str]) -> list[UnlockPassword]:
    """Those of the names whose locked password would keep them out of an sshd without PAM."""
    return [
        UnlockPassword(
            f"password of {account.name}",
            "it is locked, and sshd without PAM refuses even the right key of such an account",
            expected="no password, not locked: *",
            found="locked",
            user=account.name,
        )
        for account in seen.accounts
        if account.name in names and account.uid != 0 and account.password == "locked"
    ]


def shut_out(seen: Accounts, names: Collection[str]) -> list[Finding]:
    """Everybody else whose key an sshd without PAM refuses."""
    return [
        Notice(
            f"password of {account.name}",
            "this undeclared user has keys, which sshd without PAM (ssh.use_pam = false) refuses "
            "only because the password is locked",
            found="locked",
            remedy="Remove its keys. If this user has to log in, declare it in access.admins, or "
            f"on the host: `sudo usermod -p '*' {quoted(account.name)}`",
        )
        for account in seen.accounts
        if account.name not in names
        and account.uid != 0
        and account.has_keys
        and account.password == "locked"
    ]


def _unread(account: Account, *, declared: bool) -> Finding:
    """Keys that are not known. declared: others are declared, and would be written over them."""
    what, place = f"keys of {account.name}", " and ".join(account.unread)
    look = f"`sudo ls -la {quoted(f'{account.home}/.ssh')}`"
    if declared:
        return Refusal(
            what,
            "they cannot be read, so they are not overwritten",
            expected="a plain file of at most 64 KiB, or none",
            found=place,
            remedy=f"Look at it on the host ({look}) and move it away; until then keep a second "
            "login open",
        )
    return Notice(
        what,
        "they cannot be read, so it is unknown who can log in with them",
        expected="a plain file of at most 64 KiB, or none",
        found=place,
        remedy=f"Look at it on the host: {look}",
    )


def _others(wanted: Wanted, seen: Accounts) -> list[Finding]:
    """Undeclared users with keys. Root's login is switched off by :mod:`ssh.plan`."""
    if not wanted.admins or wanted.deny_others:
        return []
    others = [one for one in seen.accounts if one.uid != 0 and wanted.admin(one.name) is None]
    unread: list[Finding] = [_unread(one, declared=False) for one in others if one.unread]
    return unread + [
        Notice(
            f"keys of {account.name}",
            "this undeclared user can log in"
            + (" and use sudo" if "sudo" in account.groups else "")
            + (": the user of this run" if account.name == seen.login_user else ""),
            found=counted(len(significant((*account.keys, *account.more_keys))), "key"),
            remedy="Declare the user in access.admins, remove its keys, or set "
            'access.others = "deny"',
        )
        for account in others
        if account.has_keys and not account.unread
    ]


def significant(lines: Sequence[str]) -> list[str]:
    """The lines of an authorized_keys file that are keys."""
    stripped = map(_stripped, lines)
    return [line for line in stripped if line and not line.startswith("#")]


def key_type(line: str) -> str:
    """The type of a key that is given as a line of an authorized_keys file."""
    return identity(line)[1].split(" ", 1)[0]


_PLAIN_PATH = re.compile(r"/[\w./@+-]*", re.ASCII)

_TYPES = ("ssh-", "ecdsa-", "sk-")


def identity(line: str) -> tuple[str, str]:
    """What makes a key line what it is: its options, and ``type blob``. The comment does not."""
    line = _stripped(line)
    words = re.split(r"[ \t]+", line)
    for index, word in enumerate(words[:-1]):
        if word.startswith(_TYPES) and words[index + 1].startswith("AAAA"):
            return " ".join(words[:index]), f"{word} {words[index + 1]}"
    return "", line


def _stripped(line: str) -> str:
    """A line without what sshd passes over at its ends: of all blanks, it knows only these."""
    return line.lstrip(" \t").rstrip(" \t\r")


def _short(key: str) -> str:
    kind, _, blob = key.partition(" ")
    return f"{kind} …{blob[-12:]}" if blob else key[:40]
