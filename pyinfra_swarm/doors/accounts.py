"""People and programs that are as good as root, or can come in, without being declared."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from pyinfra_swarm.access.plan import Account as Login
from pyinfra_swarm.access.plan import identity, significant
from pyinfra_swarm.doors.seen import Doors
from pyinfra_swarm.run.findings import Finding, Notice
from pyinfra_swarm.run.printable import quoted, setting
from pyinfra_swarm.run.wording import listed

GROUPS: Mapping[str, str] = {
    "root": "can write what root's group can",
    "sudo": "become root by sudo",
    "admin": "become root by sudo, on systems that have it",
    "wheel": "become root by su or polkit, on systems that have it",
    "lxd": "start containers that have the host's disk",
    "incus-admin": "start containers that have the host's disk",
    "libvirt": "start machines that have the host's disk",
    "disk": "read and write the disks past every permission",
    "kmem": "read and write the kernel's memory",
    "shadow": "read everybody's password hashes",
    "adm": "read every log, with what programs have written there",
    "systemd-journal": "read every log, with what programs have written there",
}
"""Groups that are as good as root, or nearly so, and what their members can do."""

_SYSTEM = {"root": {"sync", "operator"}, "adm": {"syslog"}}
"""Accounts of the system itself that are members by its own packages."""


@dataclass(frozen=True)
class Wanted:
    """What is declared of people.

    admins: who may become root; root_equals: other users who are as good as root on purpose;
    passwords: whose password may be used; root_keys: keys of root's own, on purpose;
    sshd: keywords of sshd that let more in on purpose; login_files: paths.
    """

    admins: Collection[str]
    root_equals: Collection[str] = ()
    passwords: Collection[str] = ()
    root_keys: Collection[str] = ()
    sshd: Collection[str] = ()
    login_files: Collection[str] = ()

    @property
    def roots(self) -> set[str]:
        return {"root", *self.admins, *self.root_equals}


def plan(wanted: Wanted, seen: Doors) -> list[Finding]:
    """Accounts, groups, rules of sudo, passwords."""
    return [
        *_uid_0(wanted, seen),
        *_groups(wanted, seen),
        *_sudo(wanted, seen),
        *_passwords(wanted, seen),
    ]


def _uid_0(wanted: Wanted, seen: Doors) -> list[Finding]:
    return [
        Notice(
            f"user {account.name}",
            "has the user id 0, so it is root under another name",
            found="uid 0",
            remedy="Remove it from /etc/passwd and /etc/shadow (with `vipw` and `vipw -s`), or "
            f"{_declare(account.name)}",
        )
        for account in seen.accounts
        if account.uid == 0 and account.name not in {"root", *wanted.root_equals}
    ]


def _groups(wanted: Wanted, seen: Doors) -> list[Finding]:
    roots = {account.name for account in seen.accounts if account.uid == 0}
    found: list[Finding] = []
    for group in seen.groups:
        known = wanted.roots | roots | _SYSTEM.get(group.name, set())
        others = [name for name in group.members if name not in known]
        if others:
            found.append(
                Notice(
                    f"group {group.name}",
                    f"has undeclared members, who can {GROUPS.get(group.name, 'do more')}",
                    found=", ".join(others),
                    remedy=f"Take them out (`sudo gpasswd -d {quoted(others[0])} "
                    f"{quoted(group.name)}`), or {_declare(others[0])}",
                )
            )
    return found


def _sudo(wanted: Wanted, seen: Doors) -> list[Finding]:
    """Rules for others than the declared, and than the members of the group, who are told anyway:
    sudo is asked about these only where it has rules besides the usual ones."""
    roots = {account.name for account in seen.accounts if account.uid == 0}
    named = {name for group in seen.groups if group.name == "sudo" for name in group.members}
    return [
        Notice(
            f"sudo of {name}",
            "a rule that is not declared lets it run commands as somebody else",
            found="; ".join(rules[:4]) + (" …" if len(rules) > 4 else ""),
            remedy=f"Look at `sudo -l -U {quoted(name)}` on the host. Take the rule out of its "
            f"file, with visudo. If it is meant, {_declare(name)}",
        )
        for name, rules in seen.sudoers
        if name not in wanted.roots | roots | named
    ]


def _passwords(wanted: Wanted, seen: Doors) -> list[Finding]:
    found: list[Finding] = []
    for account in seen.accounts:
        if account.password == "none" or not account.logs_in or account.name in wanted.passwords:
            continue
        reason = (
            "it has one, which lets somebody in at the console, and by su"
            if account.password == "set"
            else "it is empty: at the console, and by su, nobody is asked for one"
        )
        found.append(
            Notice(
                f"password of {account.name}",
                reason,
                expected="none",
                remedy=f"Take it away (`sudo usermod -p '*' {quoted(account.name)}`), or name the "
                f"user in access.passwords: {setting(account.name)}",
            )
        )
    return found


def _declare(name: str) -> str:
    return f"name {setting(name)} in access.root_equals"


# Logins
# ------

KEYWORDS: Mapping[str, tuple[str, str, str]] = {
    "authorizedkeyscommand": (
        "AuthorizedKeysCommand",
        "none",
        "a program says whose keys open which account, beside the files that are managed",
    ),
    "trustedusercakeys": (
        "TrustedUserCAKeys",
        "none",
        "whoever has that CA's key opens any account, with a certificate of his own making",
    ),
    "authorizedprincipalsfile": (
        "AuthorizedPrincipalsFile",
        "none",
        "files say which names in certificates open an account",
    ),
    "authorizedprincipalscommand": (
        "AuthorizedPrincipalsCommand",
        "none",
        "a program says which names in certificates open an account",
    ),
    "permituserenvironment": (
        "PermitUserEnvironment",
        "no",
        "~/.ssh/environment can set variables that run other programs at a login (LD_PRELOAD)",
    ),
}
"""Keywords of sshd that let more in: their spelling, what they are where they let in nobody, why
they matter."""


def plan_logins(
    wanted: Wanted,
    seen: Doors,
    effective: Mapping[str, Mapping[str, str]],
    root: Login | None,
) -> list[Finding]:
    """What sshd lets in or runs beside the keys that are managed, and the keys of root.

    effective: user to keyword to value, as sshd has them.
    """
    return [
        *_keywords(wanted, effective),
        *_login_files(wanted, seen, effective),
        *_root_keys(wanted, root),
    ]


def _keywords(wanted: Wanted, effective: Mapping[str, Mapping[str, str]]) -> list[Finding]:
    accepted = {name.lower() for name in wanted.sshd}
    found: list[Finding] = []
    for keyword, (spelling, harmless, why) in KEYWORDS.items():
        values: dict[str, list[str]] = {}
        for user, has in sorted(effective.items()):
            value = has.get(keyword, harmless)
            if value != harmless and keyword not in accepted:
                values.setdefault(value, []).append(user)
        for value, users in values.items():
            whose = "" if len(users) == len(effective) else f" (for {listed(users)})"
            found.append(
                Notice(
                    f"sshd {spelling}",
                    f"{why}{whose}",
                    expected=harmless,
                    found=value,
                    remedy="Remove it from sshd's files (/etc/ssh/sshd_config, "
                    f"/etc/ssh/sshd_config.d), or name it in access.sshd: {setting(spelling)}",
                )
            )
    return found


def _login_files(
    wanted: Wanted, seen: Doors, effective: Mapping[str, Mapping[str, str]]
) -> list[Finding]:
    runs = any(has.get("permituserrc", "yes") != "no" for has in effective.values())
    takes = any(has.get("permituserenvironment", "no") != "no" for has in effective.values())
    found: list[Finding] = []
    for path in seen.login_files:
        environment = path.endswith("/.ssh/environment")
        enabled = takes if environment else runs or path == "/etc/ssh/sshrc"
        if not enabled or path in wanted.login_files:
            continue
        found.append(
            Notice(
                path,
                "sshd takes variables from it at each login"
                if environment
                else "sshd runs it at each login, before the shell, and whoever wrote it with it",
                remedy=f"Look at it, remove it, or name it in access.login_files: {setting(path)}",
            )
        )
    return found


_CLOUD_INIT = re.compile(
    r'no-port-forwarding,no-agent-forwarding,no-X11-forwarding,command="echo '
    r"'Please login as the user \\\"[a-z_][a-z0-9_-]*\\\" rather than the user "
    r"\\\"root\\\"\.';echo;sleep 10(?:;exit 142)?\""
)
"""The options of the key that cloud-init gives root: it prints this sentence, and no more."""


def _root_keys(wanted: Wanted, root: Login | None) -> list[Finding]:
    if root is None:
        return []
    if root.unread:
        return [
            Notice(
                "keys of root",
                "they cannot be read, so it is unknown who becomes root once root may log in",
                expected="a plain file of at most 64 KiB, or none",
                found=" and ".join(root.unread),
                remedy="Look at it on the host: `sudo ls -la /root/.ssh`",
            )
        ]
    accepted = {identity(key)[1] for key in wanted.root_keys}
    keys = [identity(line) for line in significant((*root.keys, *root.more_keys))]
    others = [key for options, key in keys if key not in accepted and not _harmless(options)]
    if not others:
        return []
    return [
        Notice(
            "keys of root",
            "they open root's account as soon as its login is on again, by whatever file of sshd's",
            expected="none",
            found=", ".join(f"{key[:20]}…{key[-12:]}" for key in others[:4]),
            remedy="Remove them from /root/.ssh/authorized_keys, or name them in access.root_keys",
        )
    ]


def _harmless(options: str) -> bool:
    return _CLOUD_INIT.fullmatch(options) is not None
