"""SSH servers as the plan sees them: a fresh board, and one as declared."""

from __future__ import annotations

from dataclasses import replace

from pyinfra_swarm.run.findings import Finding
from pyinfra_swarm.ssh.sshd import CONFIG, DROP_INS, Line, Sshd, Wanted

CLOUD = f"{DROP_INS}/50-cloud-init.conf"
INCLUDE = Line(CONFIG, 12, f"Include {DROP_INS}/*.conf")
FRESH_VALUES = {
    "pubkeyauthentication": "yes",
    "passwordauthentication": "yes",
    "kbdinteractiveauthentication": "no",
    "permitrootlogin": "without-password",
    "usepam": "yes",
    "maxauthtries": "6",
    "logingracetime": "120",
    "allowtcpforwarding": "yes",
    "allowstreamlocalforwarding": "yes",
    "allowagentforwarding": "yes",
    "x11forwarding": "yes",
    "permittunnel": "no",
    "authorizedkeysfile": ".ssh/authorized_keys .ssh/authorized_keys2",
}
FRESH = Sshd(
    installed=True,
    login_user="ubuntu",
    effective={"root": FRESH_VALUES, "ubuntu": FRESH_VALUES},
    lines=(INCLUDE, Line(CONFIG, 87, "UsePAM yes"), Line(CLOUD, 1, "PasswordAuthentication yes")),
    service="active",
    socket="active",
    files_changed=10.0,
    files_read=20.0,
)
WANTED = Wanted(users=("ubuntu",))


def hardened(wanted: Wanted = WANTED, seen: Sshd = FRESH) -> Sshd:
    """The host once our drop-in has been written and read."""
    values = {user: {**FRESH_VALUES, **wanted.values()} for user in ("root", seen.login_user)}
    return replace(seen, effective=values, drop_in=wanted.drop_in())


def words(findings: list[object]) -> str:
    return "\n".join(finding.sentence() for finding in findings)  # type: ignore[attr-defined]


def told(findings: list[Finding]) -> list[tuple[type, str, str, str]]:
    return [(type(f), f.what, f.expected, f.found) for f in findings]
