"""What Lynis says of a host before and after the site, and why what is left stays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

VERSION = "3.1.4"
"""Of Lynis: the one that Debian 13 has. Another one may say more, or less."""

BACK_END = "legacy"
"""Of iptables, on the hosts of which all this is: Lynis looks for rules of nftables elsewhere."""

INDEX_BEFORE = 61
INDEX_NOW = 64
"""What it makes of all its tests (hardening index), of 100, before and after the site."""

SKIPPED = {
    "CRYP-7902": "which certificates have expired",
    "NETW-2600": "each setting of IPv6 of each interface, for an MTU that is too small",
    "PKGS-7345": "the names of all packages, which it does not judge",
    "PROC-3612": "dead processes",
    "PROC-3614": "processes that wait for a disk",
    "TIME-3185": "how long ago the clock was set",
}
"""Tests that are left out, with what they ask for: it is another thing each time, or takes long."""

PROFILE = "".join(
    [
        "refresh-repositories=no\n",
        *(f"skip-test={number}\n" for number in SKIPPED),
    ]
)
"""Its settings, besides those that come with it."""

_ITSELF = "LYNIS"
"""The number of what it says of itself, such as its age."""

_SYSCTLS = "KRNL-6000"
"""It says once that some kernel settings are not as it wants them, and names each elsewhere."""


@dataclass(frozen=True)
class Report:
    """What it has said of a host.

    index: of 100
    said: each warning and suggestion, by its number and its words; those of several things, such
        as options of sshd, once for each of them
    """

    version: str
    index: int
    said: frozenset[str]


def parse(text: str) -> Report:
    """What a report file says. ``ValueError`` for one that ends too early."""
    pairs = [line.split("=", 1) for line in text.splitlines() if "=" in line]
    values = {key: value for key, value in pairs if not key.endswith("[]")}
    if values.get("finish") != "true":
        raise ValueError("Lynis did not get to its end")
    sysctls = [
        field.removeprefix("field:")
        for key, value in pairs
        if key == "details[]" and value.startswith(f"{_SYSCTLS}|")
        for field in value.split("|")[2].split(";")
        if field.startswith("field:")
    ]
    said: list[str] = []
    for key, value in pairs:
        if key in ("warning[]", "suggestion[]"):
            # Details may have a "|" of their own, and a solution and "|" come after them.
            number, words, rest = value.split("|", 2)
            details = rest.rsplit("|", 2)[0]
            things = sysctls if number == _SYSCTLS else [details] * (details not in ("", "-"))
            if number != _ITSELF:
                said += _lines(key.removesuffix("[]"), number, words, things)
    return Report(values["lynis_version"], int(values["hardening_index"]), frozenset(said))


def _lines(kind: str, number: str, words: str, details: Iterable[str]) -> list[str]:
    line = f"{kind} {number}: {words}"
    return [f"{line}: {detail}" for detail in details] or [line]


@dataclass(frozen=True)
class Finding:
    """What it says of one thing, or of several that have one reason.

    details: those things; none where it names no things
    reason: why it stays; empty where the site has it go
    before: it says so before the site, too
    kind: `warning` or `suggestion`
    """

    number: str
    words: str
    details: tuple[str, ...] = ()
    reason: str = ""
    before: bool = True
    kind: str = "suggestion"

    @property
    def now(self) -> bool:
        return bool(self.reason)

    @property
    def lines(self) -> list[str]:
        """As a report has them."""
        return _lines(self.kind, self.number, self.words, self.details)


def expected(*, before: bool) -> frozenset[str]:
    """What it says of a host before the site, or after it."""
    return frozenset(
        line
        for finding in FINDINGS
        if (finding.before if before else finding.now)
        for line in finding.lines
    )


_PASSWORDS = (
    "Passwords open nothing from outside: SSH takes keys alone, and a check names accounts whose "
    "password lets somebody in at the console or by su"
)
_DISKS = (
    "Disks are the owner's: the preflight looks at the space and the inodes of the file systems of "
    "/var/lib/docker and /var/lib/containerd, whichever they are"
)
_RECORDS = (
    "It would write all day to the card of a small board, where nobody reads it. A check names "
    "ways in that nobody has declared"
)
_HARDWARE = (
    "Boards start from USB disks and keep their data there; what is plugged in is the owner's"
)
_PROTOCOLS = (
    "Which modules a kernel has, and loads when a program asks, is the distribution's and the "
    "owner's: /etc/modprobe.d keeps them out"
)
_SSH = "Consider hardening SSH configuration"
_SYSCTL = "One or more sysctl values differ from the scan profile and could be tweaked"

FINDINGS = (
    Finding("SSH-7408", _SSH, ("AllowAgentForwarding (set YES to NO)",)),
    Finding("SSH-7408", _SSH, ("X11Forwarding (set YES to NO)",)),
    Finding("SSH-7408", _SSH, ("AllowTcpForwarding (set YES to NO)",)),
    Finding(
        "SSH-7408",
        _SSH,
        ("AllowTcpForwarding (set LOCAL to NO)",),
        "A home often opens SSH to one host alone, and the way to all others leads through it, "
        "also for the runs (`ssh -J`); ssh.forwarding = [] forbids that",
        before=False,
    ),
    Finding("SSH-7408", _SSH, ("MaxAuthTries (set 6 to 3)",)),
    Finding(
        "SSH-7408",
        _SSH,
        ("MaxAuthTries (set 4 to 3)",),
        "Each key of an agent that is not the right one counts, and keys cannot be guessed; "
        "ssh.max_auth_tries takes 3",
        before=False,
    ),
    Finding(
        "SSH-7408",
        _SSH,
        ("ClientAliveCountMax (set 3 to 2)",),
        "It counts nothing: ClientAliveInterval is 0, so sshd does not ask whether a client lives",
    ),
    Finding(
        "SSH-7408",
        _SSH,
        ("LogLevel (set INFO to VERBOSE)",),
        "INFO logs each login, with the fingerprint of its key; VERBOSE adds each key that was "
        "tried in vain",
    ),
    Finding(
        "SSH-7408",
        _SSH,
        ("MaxSessions (set 10 to 2)",),
        "It limits what one connection does at a time once its user has logged in, as pyinfra and "
        "OpenSSH's ControlMaster do, and keeps nobody out",
    ),
    Finding(
        "SSH-7408",
        _SSH,
        ("Port (set 22 to )",),
        "Another port hides sshd from nobody who asks all of them; the port is the owner's, and "
        "ssh.port says which it is",
    ),
    Finding(
        "SSH-7408",
        _SSH,
        ("TCPKeepAlive (set YES to NO)",),
        "Without it, the login of a computer that has gone away stays for ever",
    ),
    Finding(
        "FIRE-4512",
        "iptables module(s) loaded, but no rules active",
        reason="There are rules now. With Docker's own one for encrypted networks iptables prints "
        "a zero byte, and so Lynis counts none",
        kind="warning",
    ),
    Finding(
        "FIRE-4513",
        "Check iptables rules to see which rules are currently not used",
        reason="A rule that nothing has met yet is there for what may come",
        before=False,
    ),
    Finding(
        "CONT-8104",
        "Run 'docker info' to see warnings applicable to Docker daemon",
        reason="It says that the lab's kernel has no cpusets",
        before=False,
    ),
    Finding(
        "AUTH-9284",
        "Look at the locked accounts and consider removing them",
        reason="It is the login user, who has keys and no password",
    ),
    Finding("AUTH-9230", "Configure password hashing rounds in /etc/login.defs", reason=_PASSWORDS),
    Finding(
        "AUTH-9262",
        "Install a PAM module for password strength testing like pam_cracklib or pam_passwdqc or "
        "libpam-passwdqc",
        reason=_PASSWORDS,
    ),
    Finding("AUTH-9286", "Configure minimum password age in /etc/login.defs", reason=_PASSWORDS),
    Finding("AUTH-9286", "Configure maximum password age in /etc/login.defs", reason=_PASSWORDS),
    Finding(
        "AUTH-9328",
        "Default umask in /etc/login.defs could not be found and defaults usually to 022, which "
        "could be more strict like 027",
        reason="What users create is theirs, and the admins are root by sudo anyway. Each file of "
        "this project has its own mode",
    ),
    Finding(
        "DEB-0280",
        "Install libpam-tmpdir to set $TMP and $TMPDIR for PAM sessions",
        reason="It keeps users from each other's files; who is to log in is an admin, and root by "
        "sudo",
    ),
    Finding(
        "DEB-0810",
        "Install apt-listbugs to display a list of critical bugs prior to each APT installation.",
        reason="Nobody sits there to be asked: updates install themselves, and Docker's packages "
        "are held",
    ),
    Finding(
        "DEB-0811",
        "Install apt-listchanges to display any significant changes prior to any upgrade via APT.",
        reason="As for apt-listbugs",
    ),
    Finding(
        "DEB-0831",
        "Install needrestart, alternatively to debian-goodies, so that you can run needrestart "
        "after upgrades to determine which daemons are using old versions of libraries and need "
        "restarting.",
        reason="Where it is installed, it must not restart engines behind the swarm's back, and "
        "is told so; deploys/reboot.py restarts hosts one after the other",
    ),
    Finding(
        "DEB-0880",
        "Install fail2ban to automatically ban hosts that commit multiple authentication errors.",
        reason="sshd itself shuts out addresses that fail again and again (PerSourcePenalties, "
        "OpenSSH 9.8 and later), and takes keys alone",
    ),
    Finding(
        "PKGS-7370",
        "Install debsums utility for the verification of packages with known good database.",
        reason="It compares files with a list on the same disk, and root writes both",
    ),
    Finding(
        "PKGS-7388",
        "Can't find any security repository in /etc/apt/sources.list or sources.list.d directory",
        reason="It looks for the distribution's own address, and the lab's archive has another; "
        "its part for security is there",
        kind="warning",
    ),
    Finding(
        "PKGS-7394",
        "Install package apt-show-versions for patch management purposes",
        reason="`apt list --upgradable` says the same",
    ),
    Finding(
        "FILE-6310",
        "To decrease the impact of a full /home file system, place /home on a separate partition",
        reason=_DISKS,
    ),
    Finding(
        "FILE-6310",
        "To decrease the impact of a full /var file system, place /var on a separate partition",
        reason=_DISKS,
    ),
    Finding(
        "FILE-7524",
        "Consider restricting file permissions",
        ("See screen output or log file",),
        reason="sshd_config, crontab and cron's folders can be read by all, as the distribution's "
        "packages install them. They hold no secrets, and nobody but root can write to them",
    ),
    Finding(
        "USB-1000",
        "Disable drivers like USB storage when not used, to prevent unauthorized "
        "storage or data theft",
        reason=_HARDWARE,
    ),
    Finding(
        "STRG-1846",
        "Disable drivers like firewire storage when not used, to prevent "
        "unauthorized storage or data theft",
        reason=_HARDWARE,
    ),
    *(
        Finding(
            "NETW-3200",
            f"Determine if protocol '{protocol}' is really needed on this system",
            reason=_PROTOCOLS,
        )
        for protocol in ("dccp", "rds", "tipc")
    ),
    Finding(
        "NETW-3200",
        "Determine if protocol 'sctp' is really needed on this system",
        reason="A service may publish ports with it",
    ),
    Finding(
        "NAME-4028",
        "Check DNS configuration for the dns domain name",
        reason="Hosts of a home have no domain; nodes know each other by address",
    ),
    Finding(
        "LOGG-2154",
        "Enable logging to an external logging host for archiving purposes and additional "
        "protection",
        reason="Where logs are collected is the owner's choice",
    ),
    Finding("ACCT-9622", "Enable process accounting", reason=_RECORDS),
    Finding("ACCT-9626", "Enable sysstat to collect accounting (no results)", reason=_RECORDS),
    Finding("ACCT-9628", "Enable auditd to collect audit information", reason=_RECORDS),
    Finding(
        "FINT-4350",
        "Install a file integrity tool to monitor changes to critical and sensitive files",
        reason="A check from another computer compares what is managed with what is declared; "
        "what else should not change, the owner knows",
    ),
    Finding(
        "HRDN-7230",
        "Harden the system by installing at least one malware scanner, to perform periodic file "
        "system scans",
        reason="It takes much memory and time of a small board; what images hold is their owner's",
    ),
    Finding(
        "TOOL-5002",
        "Determine if automation tools are present for system management",
        reason="It knows tools with an agent on the host; this project has none there",
    ),
    Finding(
        "BANN-7126",
        "Add a legal banner to /etc/issue, to warn unauthorized users",
        reason="What a banner should say is the owner's; it keeps nobody out",
    ),
    Finding(
        "BANN-7130",
        "Add legal banner to /etc/issue.net, to warn unauthorized users",
        reason="As for /etc/issue",
    ),
    Finding(
        "BOOT-5180",
        "Determine runlevel and services at startup",
        reason="systemd has no runlevels, and the lab's hosts keep no record of one",
    ),
    Finding(
        "BOOT-5264",
        "Consider hardening system services",
        ("Run '/usr/bin/systemd-analyze security SERVICE' for each service",),
        reason="It says so on every host with systemd, whatever the answer is",
    ),
    Finding(
        "KRNL-5788",
        "Determine why /vmlinuz or /boot/vmlinuz is missing on this Debian/Ubuntu system.",
        ("/vmlinuz or /boot/vmlinuz",),
        reason="The lab's hosts start a kernel that is not on their disk",
    ),
    Finding(
        "KRNL-6000",
        _SYSCTL,
        (
            *("dev.tty.ldisc_autoload", "fs.protected_fifos", "fs.protected_regular"),
            *("kernel.core_uses_pid", "kernel.dmesg_restrict", "kernel.kptr_restrict"),
            *("kernel.modules_disabled", "kernel.sysrq", "kernel.unprivileged_bpf_disabled"),
            "kernel.yama.ptrace_scope",
        ),
        reason="The kernel is the distribution's, and so is what it allows; the lab's has other "
        "defaults than a board's. Docker and WireGuard load modules while the host runs",
    ),
    Finding(
        "KRNL-6000",
        _SYSCTL,
        ("net.ipv4.conf.all.accept_redirects",),
    ),
    Finding(
        "KRNL-6000",
        _SYSCTL,
        ("net.ipv4.conf.default.accept_redirects",),
        reason="It counts together with that for all interfaces, which is 0 on a host that "
        "forwards, as Docker's do",
    ),
    Finding(
        "KRNL-6000",
        _SYSCTL,
        ("net.ipv4.conf.all.forwarding",),
        reason="Docker's networks need it; the firewall says what is forwarded to containers",
        before=False,
    ),
    Finding(
        "KRNL-6000",
        _SYSCTL,
        ("net.ipv6.conf.all.accept_redirects", "net.ipv6.conf.default.accept_redirects"),
        reason="It would keep out a neighbour who can as well pretend to be the gateway (neighbour "
        "discovery); between the nodes, the swarm's traffic is encrypted",
    ),
    Finding(
        "KRNL-6000",
        _SYSCTL,
        ("net.ipv4.conf.default.accept_source_route",),
        reason="It counts together with that for all interfaces, which is 0",
    ),
    Finding(
        "KRNL-6000",
        _SYSCTL,
        ("net.ipv4.conf.all.log_martians", "net.ipv4.conf.default.log_martians"),
        reason="It writes to the card of a small board whatever a neighbour sends",
    ),
    Finding(
        "KRNL-6000",
        _SYSCTL,
        ("net.ipv4.conf.all.rp_filter",),
        reason="Strict, it drops what comes another way than the answer goes, as with two uplinks, "
        "or a VPN",
    ),
    Finding(
        "KRNL-6000",
        _SYSCTL,
        ("net.ipv4.conf.all.send_redirects",),
        reason="A redirect tells a neighbour a shorter way, and nothing to a stranger",
    ),
)
