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
    "maxauthtries": ("MaxAuthTries", "whoever guesses gets fewer tries in a connection"),
    "logingracetime": ("LoginGraceTime", "connections that never log in hold sshd's few places"),
    "persourcepenalties": (
        "PerSourcePenalties",
        "addresses that fail too often are shut out",
    ),
    "allowtcpforwarding": ("AllowTcpForwarding", "ssh.forwarding says what may be forwarded"),
    "allowstreamlocalforwarding": (
        "AllowStreamLocalForwarding",
        "ssh.forwarding says what may be forwarded",
    ),
    "allowagentforwarding": (
        "AllowAgentForwarding",
        "root of the host could log in elsewhere with the keys of a forwarded agent",
    ),
    "x11forwarding": ("X11Forwarding", "root of the host could read a forwarded display"),
    "permittunnel": ("PermitTunnel", "a tunnel joins the host's network with another one"),
    "kexalgorithms": ("KexAlgorithms", "ssh-audit fails or warns of others"),
    "ciphers": ("Ciphers", "ssh-audit fails or warns of others"),
    "macs": ("MACs", "ssh-audit fails or warns of others"),
    "hostkeyalgorithms": ("HostKeyAlgorithms", "ssh-audit fails or warns of others"),
    "pubkeyacceptedalgorithms": (
        "PubkeyAcceptedAlgorithms",
        "keys on the curves of NIST, and signatures with SHA-1, are accepted no longer",
    ),
}
"""What the drop-in sets: the keyword as ``sshd -T`` prints it, its spelling, and why it is set."""

LISTS = ("kexalgorithms", "ciphers", "macs", "hostkeyalgorithms", "pubkeyacceptedalgorithms")
"""The keywords of these whose value is a list of algorithms."""

FORWARDING = {
    "allowtcpforwarding",
    "allowstreamlocalforwarding",
    "allowagentforwarding",
    "x11forwarding",
    "permittunnel",
}
"""The keywords of these that allow forwarding; ``no`` is always the stricter value."""

ACCESS_RULES = ("denyusers", "allowgroups", "denygroups", "authorizedkeysfile")
"""Other keywords that decide who gets in; never set here."""

OTHER_WAYS = (
    *("authorizedkeyscommand", "authorizedprincipalscommand", "authorizedprincipalsfile"),
    *("permituserenvironment", "permituserrc", "trustedusercakeys"),
)
"""Keywords that can let more people in, or run more at a login; never set here."""


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
    login_from: the address that this login comes from, where they mention users; else empty.
    effective: user name to keyword to value, as ``sshd -T -C user=…`` prints them; several values
        of one keyword are joined with blanks.
    problem: what ``sshd -T`` complains of; empty where the configuration is sound.
    drop_in: the content of the managed drop-in; None where there is none.
    lines: the lines of sshd's files that matter, files in the order in which sshd reads them.
    service, socket: systemd's state of ``ssh.service`` and ``ssh.socket``: ``active``, …
    files_changed: when the newest of sshd's files was written, seconds since 1970.
    files_read: when ``ssh.service`` was last started or reloaded; 0 where it does not run.
    unconfirmed: an earlier change waits for its confirmation, or to be undone.
    known: what the host's OpenSSH knows, by the words of ``ssh -Q``.
    host_keys: the host's public keys, each as ``type blob``.
    """

    installed: bool
    login_user: str = ""
    login_groups: tuple[str, ...] = ()
    login_from: str = ""
    effective: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    problem: str = ""
    drop_in: str | None = None
    lines: tuple[Line, ...] = ()
    service: str = ""
    socket: str = ""
    files_changed: float = 0.0
    files_read: float = 0.0
    unconfirmed: bool = False
    known: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    host_keys: tuple[str, ...] = ()

    @property
    def penalizes(self) -> bool:
        """This sshd knows ``PerSourcePenalties`` (OpenSSH 9.8 and later)."""
        return any("persourcepenalties" in values for values in self.effective.values())

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
    algorithms: by keyword, what may be negotiated on this host; empty where that is the system's
        matter.
    penalties: this sshd knows ``PerSourcePenalties``.
    forwarding: what may be forwarded: ``local``, ``remote``, ``agent``, ``x11``, ``tunnel``.
    max_auth_tries: logins that may fail in one connection; login_grace_time: seconds until one
        has to have worked.
    """

    users: tuple[str, ...]
    use_pam: bool = False
    only: bool = False
    algorithms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    penalties: bool = False
    forwarding: tuple[str, ...] = ("local",)
    max_auth_tries: int = 4
    login_grace_time: int = 30

    def values(self) -> dict[str, str]:
        """Keyword to the value that ``sshd -T`` has to print."""
        values = {
            "pubkeyauthentication": "yes",
            "passwordauthentication": "no",
            "kbdinteractiveauthentication": "no",
            "permitrootlogin": "no",
            "usepam": "yes" if self.use_pam else "no",
            "maxauthtries": str(self.max_auth_tries),
            "logingracetime": str(self.login_grace_time),
            "allowtcpforwarding": self._ports(),
            "allowstreamlocalforwarding": self._ports(),
            "allowagentforwarding": self._may("agent"),
            "x11forwarding": self._may("x11"),
            "permittunnel": self._may("tunnel"),
        }
        if self.penalties:
            values["persourcepenalties"] = "yes"
        if self.only:
            values["allowusers"] = " ".join(sorted(self.users))
        return values | {keyword: ",".join(names) for keyword, names in self.algorithms.items()}

    def _ports(self) -> str:
        """Which side may have ports (and sockets) forwarded, in sshd's words."""
        sides = [side for side in ("local", "remote") if side in self.forwarding]
        return "yes" if len(sides) == 2 else "".join(sides) or "no"

    def _may(self, what: str) -> str:
        return "yes" if what in self.forwarding else "no"

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
