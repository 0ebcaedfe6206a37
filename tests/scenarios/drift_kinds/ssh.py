"""Drift of the part `ssh`."""

from __future__ import annotations

from pyinfra_swarm.ssh.sshd import DROP_IN, DROP_INS
from tests.scenarios.drift_kinds.kind import Kind


def _sshd(name: str, what: str, reason: str, breaks: str, **more: object) -> Kind:
    # A file of sshd's that was touched is one it has not read.
    given = {"also": ("ssh/sshd",), **more}
    return Kind(name, "ssh", what, reason, breaks, **given)  # type: ignore[arg-type]


KINDS = (
    _sshd(
        "our drop-in gone",
        *("sshd PasswordAuthentication", "guess"),
        f"rm {DROP_IN}",
        also=("ssh/sshd*",),
    ),
    _sshd(
        "root let in by an edit of our drop-in",
        *("sshd PermitRootLogin", "root"),
        f"sed -i 's/^PermitRootLogin.*/PermitRootLogin yes/' {DROP_IN}",
    ),
    _sshd(
        "an exchange of keys that ssh-audit fails",
        *("sshd KexAlgorithms", "ssh-audit fails"),
        f"sed -i 's/^KexAlgorithms.*/KexAlgorithms +ecdh-sha2-nistp256/' {DROP_IN}",
    ),
    _sshd(
        "agents forwarded",
        *("sshd AllowAgentForwarding", "root of the host"),
        f"sed -i 's/^AllowAgentForwarding.*/AllowAgentForwarding yes/' {DROP_IN}",
    ),
    _sshd(
        "passwords for one user",
        *("sshd PasswordAuthentication", "a Match block sets it"),
        "printf 'Match User visitor\\n  PasswordAuthentication yes\\n' "
        f"> {DROP_INS}/90-visitor.conf",
        kind="notice",
        undo=f"rm {DROP_INS}/90-visitor.conf",
    ),
    _sshd(
        "files that the running sshd has not read",
        *("sshd", "has not read its files"),
        f"touch {DROP_IN}",
    ),
    _sshd(
        "a drop-in that turns passwords back on",
        *("sshd PasswordAuthentication", "another setting overrides the managed one"),
        f"echo 'PasswordAuthentication yes' > {DROP_INS}/00-aaa.conf",
        kind="refusal",
        undo=f"rm {DROP_INS}/00-aaa.conf",
        group="refusals",
    ),
)
