"""SSH hardening: our drop-in, and what a host's *effective* configuration lacks.

sshd takes the first value it reads for a keyword and reads its drop-ins in the order of their
names, so ours sorts first; whether it wins is still asked of sshd itself (``sshd -T``), for root
and for every user who has to get in, since ``Match`` blocks apply to some only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from pyinfra_swarm.rollback.plan import rolled_back_first
from pyinfra_swarm.run.findings import Change, Finding, Notice, Refusal
from pyinfra_swarm.run.observation import Observation
from pyinfra_swarm.run.printable import setting

CONFIG = "/etc/ssh/sshd_config"
DROP_INS = "/etc/ssh/sshd_config.d"
DROP_IN = f"{DROP_INS}/00-pyinfra-swarm.conf"
INCLUDE = f"Include {DROP_INS}/*.conf"

KEYWORDS: Mapping[str, tuple[str, str]] = {
    "pubkeyauthentication": ("PubkeyAuthentication", "keys are the only way in"),
    "passwordauthentication": ("PasswordAuthentication", "passwords can be guessed"),
    "kbdinteractiveauthentication": (
        "KbdInteractiveAuthentication",
        "it asks for passwords by another name",
    ),
    "permitrootlogin": ("PermitRootLogin", "every attacker knows the name root"),
    "usepam": ("UsePAM", "PAM can let people in whom the settings above keep out"),
    "allowusers": ("AllowUsers", "only the declared admins may log in"),
}
"""What the drop-in sets: the keyword as ``sshd -T`` prints it, its spelling, and why it is set."""

ACCESS_RULES = ("denyusers", "allowgroups", "denygroups", "authorizedkeysfile")
"""Other keywords that decide who gets in; never set by us."""


@dataclass(frozen=True)
class Line(Observation):
    """A line of sshd's files that matters: an include, a match, or one of our keywords."""

    file: str
    number: int
    text: str

    @property
    def keyword(self) -> str:
        return _words(self.text)[0].lower()

    @property
    def value(self) -> str:
        return " ".join(_words(self.text)[1:])

    @property
    def place(self) -> str:
        return f"{self.file} line {self.number}"


@dataclass(frozen=True)
class Sshd(Observation):
    """What a host says about its sshd.

    login_user: who the run is logged in as.
    login_groups: that user's groups, where sshd's files mention groups; else empty.
    effective: user name to keyword to value, as ``sshd -T -C user=…`` prints them; several values
        of one keyword are joined with blanks.
    problem: what ``sshd -T`` complains of; empty where the configuration is sound.
    drop_in: the content of our drop-in; None where there is none.
    lines: the lines of sshd's files that matter, files in the order in which sshd reads them.
    service, socket: systemd's state of ``ssh.service`` and ``ssh.socket``: ``active``, …
    files_changed: when the newest of sshd's files was written, seconds since 1970.
    files_read: when ``ssh.service`` was last started or reloaded; 0 where it does not run.
    unconfirmed: an earlier change waits for its confirmation, or to be undone.
    """

    installed: bool
    login_user: str = ""
    login_groups: tuple[str, ...] = ()
    effective: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    problem: str = ""
    drop_in: str | None = None
    lines: tuple[Line, ...] = ()
    service: str = ""
    socket: str = ""
    files_changed: float = 0.0
    files_read: float = 0.0
    unconfirmed: bool = False

    @property
    def running(self) -> bool:
        """A daemon runs that has to be told to read its files (else systemd starts one)."""
        return self.service == "active"

    @property
    def stale(self) -> bool:
        """The running sshd has not read its files since they were written."""
        return self.running and self.files_changed > self.files_read

    @property
    def includes_drop_ins(self) -> bool:
        return any(
            line.file == CONFIG and line.keyword == "include" and DROP_INS in line.value
            for line in self.lines
        )


@dataclass(frozen=True)
class Wanted:
    """What is declared.

    users: who has to be able to log in: the declared admins, and the run's own user.
    only: they are the only ones (``access.others = "deny"``).
    """

    users: tuple[str, ...]
    use_pam: bool = False
    only: bool = False

    def values(self) -> dict[str, str]:
        """Keyword to the value that ``sshd -T`` has to print."""
        values = {
            "pubkeyauthentication": "yes",
            "passwordauthentication": "no",
            "kbdinteractiveauthentication": "no",
            "permitrootlogin": "no",
            "usepam": "yes" if self.use_pam else "no",
        }
        if self.only:
            values["allowusers"] = " ".join(sorted(self.users))
        return values

    def drop_in(self) -> str:
        """The content of our drop-in."""
        return "\n".join(
            [
                "# Written by pyinfra-swarm from cluster.toml; changes here are overwritten.",
                "# The first value that sshd reads wins, so this file has to sort first.",
                *(f"{KEYWORDS[keyword][0]} {value}" for keyword, value in self.values().items()),
                "",
            ]
        )


def plan(wanted: Wanted, seen: Sshd) -> list[Finding]:
    """What differs from what is declared; a change means: write the drop-in, and have it read."""
    if not seen.installed:
        return [
            Refusal(
                "sshd",
                "OpenSSH's server is not installed, so something else lets us in, and hardening "
                "a server that nobody uses would only look safe",
                remedy="apt install openssh-server",
            )
        ]
    if seen.login_user == "root":
        return [
            Refusal(
                "sshd PermitRootLogin",
                "this run is logged in as root, and root's login is what would be switched off",
                expected="no",
                found="yes",
                remedy="Give the host another user with sudo, and name it in ssh.user",
            )
        ]
    if wanted.only and seen.login_user not in wanted.users:
        return [
            Refusal(
                "sshd AllowUsers",
                'access.others = "deny" would shut out the user of this run, who is not declared',
                expected=", ".join(wanted.users),
                found=seen.login_user,
                remedy=f"Declare {setting(seen.login_user)} in access.admins, or set ssh.user to a "
                "declared admin who can log in already",
            )
        ]
    if seen.problem:
        return [
            Refusal(
                "sshd configuration",
                f"sshd does not accept its own files: {seen.problem}",
                remedy="Mend the file it names; until then sshd could not even be restarted",
            )
        ]
    return [
        *_unconfirmed(seen),
        *_differences(wanted, seen),
        *_shut_out_by_others(wanted, seen),
        *_unread(seen),
        *_keys_elsewhere(seen),
        *_exceptions(wanted, seen),
    ]


def _unconfirmed(seen: Sshd) -> list[Finding]:
    if not seen.unconfirmed:
        return []
    return [rolled_back_first("sshd")]


def _differences(wanted: Wanted, seen: Sshd) -> list[Finding]:
    findings: list[Finding] = []
    ours = seen.drop_in == wanted.drop_in() and seen.includes_drop_ins and not seen.unconfirmed
    if not seen.includes_drop_ins:
        findings.append(
            Change(
                "sshd drop-ins",
                f"{CONFIG} does not read them",
                expected=INCLUDE,
                found="no such line",
            )
        )
    for keyword, expected in wanted.values().items():
        spelling, why = KEYWORDS[keyword]
        wrong: dict[str, list[str]] = {}
        for user, values in sorted(seen.effective.items()):
            found = values.get(keyword, "")
            if not _same(keyword, found, expected):
                wrong.setdefault(found or "not set", []).append(user)
        culprits = _culprits(wanted, seen, keyword, expected, certain=not ours)
        for found, users in wrong.items():
            whose = "" if len(users) == len(seen.effective) else f" (for {', '.join(users)})"
            if ours or culprits:
                where = "; ".join(line.place for line in culprits) or "one that could not be found"
                findings.append(
                    Refusal(
                        f"sshd {spelling}",
                        f"another setting wins over ours{whose}: {where}",
                        expected=expected,
                        found=found,
                        remedy="Remove it there; sshd takes the first value, and a Match block "
                        "before everything",
                    )
                )
            else:
                findings.append(
                    Change(f"sshd {spelling}", f"{why}{whose}", expected=expected, found=found)
                )
    if not findings and not ours and not seen.unconfirmed:
        state = "missing" if seen.drop_in is None else "another version"
        findings.append(
            Change(
                f"sshd {DROP_IN}",
                "the configuration is right, but not by us: another file's change would undo it",
                expected="as declared",
                found=state,
            )
        )
    return findings


def _culprits(
    wanted: Wanted,
    seen: Sshd,
    keyword: str,
    expected: str,
    *,
    certain: bool,
    in_match: bool = False,
) -> list[Line]:
    """The lines that win over our drop-in, in the order in which sshd reads them.

    certain: only those that are sure to: before our drop-in, or in a Match block that names a
    user of ours. (Match criteria such as addresses and groups are left to sshd.)
    in_match: only those in Match blocks.
    """
    found: list[Line] = []
    match: Line | None = None
    file = ""
    ours_read = False
    for line in _reading_order(seen.lines):
        if line.file != file:
            file, match = line.file, None
        if file > DROP_IN or (line.keyword == "include" and DROP_INS in line.value):
            ours_read = True
        if line.file == DROP_IN:
            continue
        if line.keyword == "match":
            match = line
        elif line.keyword == keyword and not _same(keyword, line.value.lower(), expected):
            if match is None and not ours_read and not in_match:
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
    """sshd's pattern list: any pattern matches, and none that begins with ``!``."""
    names = [pattern.split("@")[0] for pattern in patterns]
    if any(fnmatchcase(name, pattern[1:]) for pattern in names if pattern.startswith("!")):
        return False
    return any(fnmatchcase(name, pattern) for pattern in names if not pattern.startswith("!"))


def _shut_out_by_others(wanted: Wanted, seen: Sshd) -> list[Finding]:
    """Rules of others that keep out who has to get in: a reload would make them real."""
    findings: list[Finding] = []
    for user in wanted.users:
        values = seen.effective.get(user, {})
        rule = _refused_by(values, user, seen.login_groups if user == seen.login_user else ())
        if rule is None:
            continue
        mine = user == seen.login_user
        kind = Refusal if mine else Notice
        spelling = {"allowusers": "AllowUsers", "denyusers": "DenyUsers"}.get(rule, "AllowGroups")
        if rule == "denygroups":
            spelling = "DenyGroups"
        findings.append(
            kind(
                f"sshd {spelling}",
                f"it keeps {user} out"
                + (", the user of this run, as soon as sshd reads its files" if mine else ""),
                found=values[rule],
                remedy=f"Remove it, or add {setting(user)}: it is set in "
                + ("; ".join(line.place for line in seen.lines if line.keyword == rule) or "sshd"),
            )
        )
    return findings


def _refused_by(values: Mapping[str, str], user: str, groups: Sequence[str]) -> str | None:
    if matches(user, values.get("denyusers", "").split()):
        return "denyusers"
    allowed = values.get("allowusers", "").split()
    if allowed and not matches(user, allowed):
        return "allowusers"
    if not groups:
        return None
    denied = values.get("denygroups", "").split()
    if any(matches(group, denied) for group in groups):
        return "denygroups"
    allowed = values.get("allowgroups", "").split()
    if allowed and not any(matches(group, allowed) for group in groups):
        return "allowgroups"
    return None


def _unread(seen: Sshd) -> list[Finding]:
    if not seen.stale:
        return []
    return [
        Change(
            "sshd",
            "the running server has not read its files since they were written",
            expected="reloaded",
        )
    ]


def _keys_elsewhere(seen: Sshd) -> list[Finding]:
    found = seen.effective.get(seen.login_user, {}).get("authorizedkeysfile", "")
    usual = {".ssh/authorized_keys", ".ssh/authorized_keys2", "%h/.ssh/authorized_keys"}
    if not found or set(found.split()) <= usual:
        return []
    return [
        Notice(
            "sshd AuthorizedKeysFile",
            "sshd looks for keys where we do not",
            found=found,
            remedy="Keys declared in access.admins have no effect unless it names "
            ".ssh/authorized_keys as well",
        )
    ]


def _exceptions(wanted: Wanted, seen: Sshd) -> list[Finding]:
    """Match blocks that undo a setting of ours for connections that sshd was not asked about."""
    return [
        Notice(
            f"sshd {KEYWORDS[keyword][0]}",
            f"a Match block sets it for some connections: {line.place}",
            expected=expected,
            found=line.value,
            remedy="Remove it there, if it is not meant as an exception",
        )
        for keyword, expected in wanted.values().items()
        for line in _culprits(wanted, seen, keyword, expected, in_match=True, certain=False)
    ]


def _same(keyword: str, found: str, expected: str) -> bool:
    if keyword == "allowusers":
        return sorted(set(found.split())) == sorted(set(expected.split()))
    return found == expected


def _words(text: str) -> list[str]:
    """The words of a line: sshd allows blanks, or ``=``, after the keyword, and quotes."""
    words = text.replace("=", " ", 1).replace('"', " ").split("#")[0].split()
    return words or [""]
