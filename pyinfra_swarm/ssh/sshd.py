"""sshd on a host: its files, what was seen of it, and what is declared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pyinfra_swarm.run.observation import Observation

CONFIG = "/etc/ssh/sshd_config"
DROP_INS = "/etc/ssh/sshd_config.d"
DROP_IN = f"{DROP_INS}/00-pyinfra-swarm.conf"
INCLUDE = f"Include {DROP_INS}/*.conf"

FILES = {DROP_IN: "sshd does what its other files say afterwards: passwords may work again"}
"""All that this room writes as a whole, and what a reset says of its removal.

The room may also add :data:`INCLUDE` to :data:`CONFIG`.
"""

KEYWORDS: Mapping[str, tuple[str, str]] = {
    "pubkeyauthentication": ("PubkeyAuthentication", "keys are the only way in"),
    "passwordauthentication": ("PasswordAuthentication", "passwords can be guessed"),
    "kbdinteractiveauthentication": (
        "KbdInteractiveAuthentication",
        "it asks for passwords, too",
    ),
    "permitrootlogin": ("PermitRootLogin", "every attacker knows the name root"),
    "usepam": ("UsePAM", "PAM can let people in whom the settings above keep out"),
    "allowusers": ("AllowUsers", "only the declared admins may log in"),
}
"""What the drop-in sets: the keyword as ``sshd -T`` prints it, its spelling, and why it is set."""

ACCESS_RULES = ("denyusers", "allowgroups", "denygroups", "authorizedkeysfile")
"""Other keywords that decide who gets in; never set here."""


@dataclass(frozen=True)
class Line(Observation):
    """A line of sshd's files that matters: an include, a match, or a keyword that is set here."""

    file: str
    number: int
    text: str

    @property
    def keyword(self) -> str:
        return words(self.text)[0].lower()

    @property
    def value(self) -> str:
        return " ".join(words(self.text)[1:])

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
    drop_in: the content of the managed drop-in; None where there is none.
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
        """A daemon runs, which has to be reloaded to read its files (else systemd starts one)."""
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
        """The content of the managed drop-in."""
        return "\n".join(
            [
                "# Written by pyinfra-swarm from cluster.toml; changes here are overwritten.",
                "# The first value that sshd reads wins, so this file has to sort first.",
                *(f"{KEYWORDS[keyword][0]} {value}" for keyword, value in self.values().items()),
                "",
            ]
        )


def words(text: str) -> list[str]:
    """The words of a line: sshd allows blanks, or ``=``, after the keyword, and quotes."""
    words = text.replace("=", " ", 1).replace('"', " ").split("#")[0].split()
    return words or [""]
